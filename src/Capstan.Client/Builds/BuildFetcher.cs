using System.IO.Compression;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>Reads packed files of a build from one CAP in ranges, as far as one contact may: what was read stays, and the next contact goes on from there.</summary>
/// <param name="cap">Where <paramref name="store"/> is.</param>
/// <param name="origin">Of the part that lies there; it outlives this contact.</param>
internal sealed class BuildFetcher(BuildFolder folder, IStore store, NalPath cap, PartOrigin origin, TimeProvider time)
{
    /// <summary>How long one contact may read: a contact as a whole has five minutes.</summary>
    public static readonly TimeSpan Share = TimeSpan.FromMinutes(2);

    /// <summary>Bytes that one contact may read.</summary>
    public const long ShareBytes = 32L << 20;

    private const int RangeBytes = 512 << 10;

    private readonly long _began = time.GetTimestamp();

    /// <summary>Read from the CAP by this contact.</summary>
    public long BytesRead { get; private set; }

    /// <summary>A file of which several CAPs gave parts that are not one whole, so that it is read again from this one alone; null for none.</summary>
    public string? Mended { get; private set; }

    /// <summary>This contact has read as much as it may.</summary>
    public bool IsSpent => BytesRead >= ShareBytes || time.GetElapsedTime(_began) >= Share;

    /// <returns>False when the share of this contact ended before the file did.</returns>
    /// <exception cref="ProtocolException">What lies on the CAP is not what was signed; nothing of it is kept.</exception>
    /// <exception cref="Nal.NalException">The storage failed; what was read stays.</exception>
    /// <exception cref="IOException">This machine's disk failed or is full; what was read stays.</exception>
    public async Task<bool> FetchAsync(string id, BuildFile file, TufLocation location, CancellationToken cancellationToken)
    {
        var path = folder.PartOf(location.Sha256);
        var part = new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 });
        await using (part.ConfigureAwait(false))
        {
            if (part.Length > location.LengthBytes)
                part.SetLength(0);
            origin.Continue(location.Sha256, cap, isEmpty: part.Length == 0);
            while (true)
            {
                if (!await ReadAsync(part, location, cancellationToken))
                    return false;
                part.Position = 0;
                if (BuildFolder.HashOf(part, cancellationToken) == location.Sha256)
                    break;
                part.SetLength(0);
                if (origin.IsOne)
                    throw new ProtocolException(ProtocolError.BadHash, $"{location.File} on {cap} is not what the site signed; it was thrown away, and another CAP is tried", location.File);
                // Nobody knows which of them it was: what this one has shows when it is read from its beginning.
                Mended = location.File;
                origin.Continue(location.Sha256, cap, isEmpty: true);
            }
            part.Position = 0;
            var unpacked = new BrotliStream(part, CompressionMode.Decompress, leaveOpen: true);
            await using (unpacked.ConfigureAwait(false))
                await UnpackAsync(id, file, location, unpacked, cancellationToken);
        }
        File.Delete(path);
        return true;
    }

    private async Task<bool> ReadAsync(FileStream part, TufLocation location, CancellationToken cancellationToken)
    {
        var where = StorePath.Parse(location.File);
        var buffer = new byte[RangeBytes];
        part.Position = part.Length;
        while (part.Length < location.LengthBytes)
        {
            if (IsSpent)
            {
                part.Flush(flushToDisk: true);
                return false;
            }
            var wanted = (int)Math.Min(buffer.Length, location.LengthBytes - part.Length);
            var count = await store.ReadAsync(where, part.Length, buffer.AsMemory(0, wanted), cancellationToken);
            if (count == 0)
                throw new ProtocolException(ProtocolError.BadHash, $"{location.File} on {cap} ends after {part.Length} of {location.LengthBytes} bytes; what was read is kept, and another CAP is tried", location.File);
            await part.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            BytesRead += count;
        }
        return true;
    }

    private async Task UnpackAsync(string id, BuildFile file, TufLocation location, Stream unpacked, CancellationToken cancellationToken)
    {
        try
        {
            if (await folder.PutAsync(id, file, unpacked, cancellationToken))
                return;
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
        {
            throw Inconsistent(e);
        }
        throw Inconsistent(null);

        ProtocolException Inconsistent(Exception? cause) =>
            new(ProtocolError.BadHash, $"{location.File} does not unpack to the file {file.Name} that the site's order describes; let the site add the build again", location.File, cause);
    }
}

/// <summary>Whether all that was read so far of a packed file came from one CAP: only then is a wrong hash that CAP's fault.</summary>
internal sealed class PartOrigin
{
    private string? _packed;
    private NalPath? _cap;

    /// <summary>All of it came from the CAP that is read now. False after a restart, when nobody knows.</summary>
    public bool IsOne { get; private set; }

    /// <summary>Reading goes on from this CAP.</summary>
    /// <param name="isEmpty">Nothing is there yet.</param>
    public void Continue(string packedSha256, NalPath cap, bool isEmpty)
    {
        IsOne = isEmpty || (IsOne && _packed == packedSha256 && cap.Equals(_cap));
        (_packed, _cap) = (packedSha256, cap);
    }
}
