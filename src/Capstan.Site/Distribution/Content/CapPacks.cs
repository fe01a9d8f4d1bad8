using System.Security.Cryptography;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>The packs on one CAP, within one lease.</summary>
internal static class CapPacks
{
    private const int ReadBytes = 1 << 20;

    /// <summary>Name and length of every pack that lies there. Files of other names are nobody's here.</summary>
    public static async Task<Dictionary<ContentHash, long>> ListAsync(IStore store, CancellationToken cancellationToken)
    {
        var found = new Dictionary<ContentHash, long>();
        await foreach (var folder in store.ListAsync(StorePath.Parse(Layout.Packs), cancellationToken))
        {
            if (!folder.IsDirectory)
                continue;
            await foreach (var file in store.ListAsync(folder.Path, cancellationToken))
            {
                if (!file.IsDirectory && ContentHash.TryParse(file.Path.Name, out var pack) && file.Path.Name.StartsWith(folder.Path.Name, StringComparison.Ordinal))
                    found[pack] = file.LengthBytes;
            }
        }
        return found;
    }

    /// <summary>Writes a pack from the site's own disk, in place of whatever lies under its name.</summary>
    /// <returns>False: the site's own copy is not what its name says, and nothing of it stays there.</returns>
    /// <exception cref="NalException"/>
    public static async Task<bool> WriteAsync(IStore store, ContentHash pack, FileStream source, CancellationToken cancellationToken)
    {
        var path = StorePath.Parse(Layout.Pack(pack));
        await store.DeleteAsync(path, cancellationToken);
        using var watched = new HashingStream(source);
        if (!await store.CreateAsync(path, watched, cancellationToken))
            throw new NalException(NalError.Conflict, $"{path} was made by somebody else meanwhile.", path.Value, isTransient: true);
        if (watched.Hash() == pack)
            return true;
        await store.DeleteAsync(path, cancellationToken);
        return false;
    }

    /// <summary>Reads all of a pack.</summary>
    /// <param name="copy">Gets the bytes; null for reading alone.</param>
    /// <returns>The hash of what lies there; null when nothing does.</returns>
    public static async Task<ContentHash?> ReadAsync(IStore store, ContentHash pack, Stream? copy, CancellationToken cancellationToken)
    {
        var path = StorePath.Parse(Layout.Pack(pack));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[ReadBytes];
        try
        {
            for (var offset = 0L; offset <= ContentFormat.MaxPackBytes;)
            {
                var read = await store.ReadAsync(path, offset, buffer, cancellationToken);
                if (read == 0)
                    break;
                hash.AppendData(buffer, 0, read);
                if (copy is not null)
                    await copy.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
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
