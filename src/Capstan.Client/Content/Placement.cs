using Capstan.Protocol.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Content;

/// <summary>Puts the chunks of files in their places. What is there already is believed by its hash, what lies elsewhere on this disk is copied, and the rest is <see cref="Pending"/>. Not thread-safe.</summary>
/// <remarks>There is no list of what was done: after a crash the files themselves say it.</remarks>
internal sealed class Placement(VersionFolder folder, LocalChunks local) : IDisposable
{
    private readonly Dictionary<ContentHash, NeededChunk> _pending = [];
    private readonly Dictionary<ContentHash, int> _packs = [];
    private readonly byte[] _plain = new byte[ContentFormat.MaxChunkBytes];
    private TargetFile? _file;
    private SafeFileHandle? _present;
    private long _presentBytes, _offset;
    private (TargetFile? File, SafeFileHandle? Handle) _written;

    /// <summary>Chunks that lie nowhere on this disk.</summary>
    public IReadOnlyCollection<NeededChunk> Pending => _pending.Values;

    /// <summary>Plain bytes that are in their places, verified.</summary>
    public long HereBytes { get; private set; }

    /// <summary>Bytes of those that had to be found: copied from elsewhere on this disk.</summary>
    public long CopiedBytes { get; private set; }

    /// <summary>The next file; its extents follow.</summary>
    public void Begin(TargetFile file)
    {
        // What was written last may be this very file.
        Close();
        (_file, _offset) = (file, 0);
        _present = file.SizeBytes == 0 ? null : folder.OpenRead(file.Path);
        _presentBytes = _present is null ? 0 : RandomAccess.GetLength(_present);
    }

    /// <summary>The next chunks of the file.</summary>
    public void Take(Extent extent)
    {
        var file = _file ?? throw new InvalidOperationException("An extent belongs to a file.");
        var offset = extent.OffsetBytes;
        foreach (var chunk in extent.Chunks)
        {
            Take(file, extent.Pack, offset, chunk);
            offset += chunk.StoredBytes;
            _offset += chunk.LengthBytes;
        }
    }

    /// <summary>A chunk that was read from a CAP goes to all its places.</summary>
    /// <returns>False when these are not the bytes of that chunk: nothing is changed.</returns>
    public bool Put(NeededChunk needed, ReadOnlySpan<byte> stored)
    {
        var chunk = needed.Chunk;
        if (!ChunkCodec.TryDecode(stored, chunk, _plain))
            return false;
        foreach (var place in needed.Places)
            Write(place, chunk);
        _pending.Remove(chunk.Hash);
        return true;
    }

    public void Dispose() => Close();

    private void Take(TargetFile file, ContentHash pack, long offset, StoredChunk chunk)
    {
        var place = new ChunkPlace(file, _offset);
        if (_present is not null && _offset + chunk.LengthBytes <= _presentBytes && ChunkFile.Has(_present, _offset, chunk, _plain))
        {
            HereBytes += chunk.LengthBytes;
            local.Placed(folder, file.Path, _offset, chunk);
        }
        else if (_pending.TryGetValue(chunk.Hash, out var needed))
            needed.AddPlace(place);
        else if (local.TryRead(chunk, _plain.AsSpan(0, chunk.LengthBytes)))
        {
            Write(place, chunk);
            CopiedBytes += chunk.LengthBytes;
        }
        else
        {
            if (!_packs.TryGetValue(pack, out var order))
                _packs.Add(pack, order = _packs.Count);
            _pending.Add(chunk.Hash, new NeededChunk(pack, order, offset, chunk, place));
        }
    }

    /// <summary>Writes what <see cref="_plain"/> holds.</summary>
    private void Write(ChunkPlace place, StoredChunk chunk)
    {
        if (_written.File != place.File)
        {
            _written.Handle?.Dispose();
            _written = (null, null);
            _written = (place.File, folder.OpenWrite(place.File.Path));
        }
        ChunkFile.Write(_written.Handle!, place.Offset, _plain.AsSpan(0, chunk.LengthBytes));
        HereBytes += chunk.LengthBytes;
        local.Placed(folder, place.File.Path, place.Offset, chunk);
    }

    /// <summary>Lets go of all files.</summary>
    private void Close()
    {
        _present?.Dispose();
        _present = null;
        _written.Handle?.Dispose();
        _written = (null, null);
    }
}
