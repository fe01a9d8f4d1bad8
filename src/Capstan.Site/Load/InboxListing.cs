using Capstan.Nal.Providers;
using Capstan.Protocol;

namespace Capstan.Site.Load;

/// <param name="IsComplete">Every file was looked at: what is not among <paramref name="Files"/> is gone.</param>
internal sealed record InboxList(IReadOnlyList<InboxFile> Files, bool IsComplete);

/// <summary>The files of one pass, in the order of work.</summary>
/// <param name="More">Not all were chosen.</param>
/// <param name="Last">When the limit of a pass cut it: the device after which the next pass begins. Null otherwise.</param>
internal sealed record InboxWork(IReadOnlyList<InboxFile> Files, bool More, string? Last);

/// <summary>Chooses the work of one pass: bounded in all, and for each device, so that nobody's flood keeps another's upload waiting.</summary>
internal static class InboxListing
{
    public const int MaxFiles = 10_000;
    /// <summary>Of files that were never looked at; as many again of those that wait.</summary>
    public const int MaxFilesOfDevice = 64;
    /// <summary>Files listed of one directory; the next pass goes on behind them.</summary>
    public const int MaxFilesOfBin = 20_000;

    /// <summary>Every file of the inbox, up to the limit of each bin. Directories other than bins are left alone.</summary>
    /// <param name="from">Where to begin, by directory: files to pass over. Brought up to date for the next pass.</param>
    /// <param name="watch">Which bins are known to be empty. Brought up to date.</param>
    public static async Task<InboxList> ListAsync(IStore store, IDictionary<string, int> from, BinWatch watch, CancellationToken cancellationToken)
    {
        var bins = Layout.Bins.ToHashSet(StringComparer.Ordinal);
        var files = new List<InboxFile>();
        var found = new List<StoreEntry>();
        var complete = await TakeAsync(StorePath.Parse(Layout.Inbox), entry =>
        {
            if (bins.Contains(entry.Path.Name))
                found.Add(entry);
        }, _ => null);
        foreach (var bin in found.Where(bin => !watch.IsKnownEmpty(bin.Path.Name, bin.LastWrite)))
        {
            var before = files.Count;
            var isWhole = await TakeAsync(bin.Path, _ => { }, UploadName.Parse);
            watch.Listed(bin.Path.Name, bin.LastWrite, isEmpty: isWhole && files.Count == before);
            complete &= isWhole;
        }
        return new InboxList(files, complete);

        async Task<bool> TakeAsync(StorePath directory, Action<StoreEntry> onDirectory, Func<string, UploadName?> nameOf)
        {
            from.TryGetValue(directory.ToString(), out var skip);
            long seen = 0;
            await foreach (var entry in store.ListAsync(directory, cancellationToken))
            {
                if (entry.IsDirectory)
                    onDirectory(entry);
                else if (seen++ >= skip && seen <= skip + MaxFilesOfBin)
                    files.Add(new InboxFile(entry.Path, entry.LengthBytes, nameOf(entry.Path.Name)));
            }
            from[directory.ToString()] = seen > skip + MaxFilesOfBin ? skip + MaxFilesOfBin : 0;
            return seen <= MaxFilesOfBin && skip == 0;
        }
    }

    /// <summary>First what was never looked at, then what waits; of each first uploads, in the order of each device's sequence and a share of each device. Pure.</summary>
    /// <param name="after">Begins with the device behind this one.</param>
    public static InboxWork Choose(IReadOnlyList<InboxFile> files, Func<InboxFile, bool> isWaiting, string? after)
    {
        var kinds = files.ToLookup(isWaiting);
        var work = Ordered(kinds[false], after).Concat(Ordered(kinds[true], after)).Take(MaxFiles).ToList();
        return new InboxWork(work, work.Count < files.Count, work.Count == MaxFiles ? work[^1].Name?.Device.Value : null);
    }

    private static IEnumerable<InboxFile> Ordered(IEnumerable<InboxFile> files, string? after)
    {
        var kinds = files.ToLookup(file => file.Name is not null);
        return kinds[true]
            .GroupBy(file => file.Name!.Value.Device.Value, StringComparer.Ordinal)
            .OrderBy(device => string.CompareOrdinal(device.Key, after) > 0 ? 0 : 1).ThenBy(device => device.Key, StringComparer.Ordinal)
            .SelectMany(device => device.OrderBy(file => file.Name!.Value.Sequence).ThenBy(file => file.FileName, StringComparer.Ordinal).Take(MaxFilesOfDevice))
            .Concat(kinds[false]);
    }
}
