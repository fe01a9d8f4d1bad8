using System.Security.Cryptography;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>The packs on one CAP, within one lease.</summary>
internal static class CapPacks
{
    /// <summary>Asked for at once: on a line of 128 kbit/s a quarter of a minute.</summary>
    private const int ReadBytes = 256 << 10;

    /// <summary>Name and length of every pack that lies there. Files of other names are nobody's here.</summary>
    public static async Task<Dictionary<ContentHash, long>> ListAsync(IStore store, ProgressLimit limit)
    {
        var found = new Dictionary<ContentHash, long>();
        await foreach (var folder in store.ListAsync(StorePath.Parse(Layout.Packs), limit.Token))
        {
            if (!folder.IsDirectory)
                continue;
            await foreach (var file in store.ListAsync(folder.Path, limit.Token))
            {
                if (!file.IsDirectory && ContentHash.TryParse(file.Path.Name, out var pack) && file.Path.Name.StartsWith(folder.Path.Name, StringComparison.Ordinal))
                    found[pack] = file.LengthBytes;
            }
            limit.Moved();
        }
        return found;
    }

    /// <summary>Writes a pack from the site's own disk, in place of whatever lies under its name. What lies there goes only when the site's own is whole: it may be the best that there is.</summary>
    /// <param name="sent">Told how many bytes of it were asked for to be written, whenever more are.</param>
    /// <returns>False: the site's own copy is not what its name says, and nothing was changed.</returns>
    /// <exception cref="NalException"/>
    public static async Task<bool> WriteAsync(IStore store, ContentHash pack, PackFolder folder, ProgressLimit limit, Action<long>? sent = null)
    {
        if ((await folder.CheckAsync(pack, limit.Token)).State != PackState.Whole)
            return false;
        await using var source = folder.Open(pack);
        if (source is null)
            return false;
        var path = StorePath.Parse(Layout.Pack(pack));
        using var watched = new HashingStream(source, () =>
        {
            limit.Moved();
            sent?.Invoke(source.Position);
        });
        if (!await store.CreateAsync(path, watched, limit.Token))
        {
            await store.DeleteAsync(path, limit.Token);
            source.Position = 0;
            watched.Begin();
            if (!await store.CreateAsync(path, watched, limit.Token))
                throw new NalException(NalError.Conflict, $"{path} was made by somebody else meanwhile.", path.Value, isTransient: true);
        }
        if (watched.Hash() == pack)
            return true;
        // Somebody wrote in it since it was looked at.
        await store.DeleteAsync(path, limit.Token);
        return false;
    }

    /// <summary>Reads all of a pack.</summary>
    /// <param name="copy">Gets the bytes; null for reading alone.</param>
    /// <returns>The hash of what lies there; null when nothing does.</returns>
    public static async Task<ContentHash?> ReadAsync(IStore store, ContentHash pack, Stream? copy, ProgressLimit limit)
    {
        var path = StorePath.Parse(Layout.Pack(pack));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[ReadBytes];
        try
        {
            for (var offset = 0L; offset <= ContentFormat.MaxPackBytes;)
            {
                var read = await store.ReadAsync(path, offset, buffer, limit.Token);
                if (read == 0)
                    break;
                limit.Moved();
                hash.AppendData(buffer, 0, read);
                if (copy is not null)
                    await copy.WriteAsync(buffer.AsMemory(0, read), limit.Token);
                offset += read;
            }
        }
        catch (NalException cause) when (cause.Error == NalError.NotFound)
        {
            return null;
        }
        return new ContentHash(hash.GetHashAndReset());
    }
}
