using Capstan.Nal.Providers;
using Capstan.Protocol;

namespace Capstan.Site.Load;

/// <summary>Chooses the work of one pass: bounded in all, and for each device, so that nobody's flood keeps another's upload waiting.</summary>
internal static class InboxListing
{
    public const int MaxFiles = 10_000;
    public const int MaxFilesOfDevice = 64;
    /// <summary>Entries looked at in one bin.</summary>
    public const int MaxEntriesOfBin = 20_000;

    /// <summary>Every file of the inbox, up to the limit of each bin. Directories other than bins are left alone.</summary>
    public static async Task<IReadOnlyList<InboxFile>> ListAsync(IStore store, CancellationToken cancellationToken)
    {
        var bins = Layout.Bins.ToHashSet(StringComparer.Ordinal);
        var files = new List<InboxFile>();
        var found = new List<StorePath>();
        await foreach (var entry in store.ListAsync(StorePath.Parse(Layout.Inbox), cancellationToken))
        {
            if (!entry.IsDirectory)
                files.Add(new InboxFile(entry.Path, entry.LengthBytes, null));
            else if (bins.Contains(entry.Path.Name))
                found.Add(entry.Path);
        }
        foreach (var bin in found)
        {
            var looked = 0;
            await foreach (var entry in store.ListAsync(bin, cancellationToken))
            {
                if (++looked > MaxEntriesOfBin)
                    break;
                if (!entry.IsDirectory)
                    files.Add(new InboxFile(entry.Path, entry.LengthBytes, UploadName.Parse(entry.Path.Name)));
            }
        }
        return files;
    }

    /// <summary>Uploads first, in the order of each device's sequence and a share of each device; then what is none. Pure.</summary>
    /// <returns>The work, and whether more remains.</returns>
    public static (IReadOnlyList<InboxFile> Work, bool More) Choose(IReadOnlyList<InboxFile> files)
    {
        var uploads = files.Where(file => file.Name is not null)
            .GroupBy(file => file.Name!.Value.Device)
            .SelectMany(device => device.OrderBy(file => file.Name!.Value.Sequence).ThenBy(file => file.FileName, StringComparer.Ordinal).Take(MaxFilesOfDevice));
        var work = uploads.Concat(files.Where(file => file.Name is null)).Take(MaxFiles).ToList();
        return (work, work.Count < files.Count);
    }
}
