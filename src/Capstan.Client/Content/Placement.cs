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

    /// <summary>Chunks that were read from a CAP go to all their places; those that lie one after the other on both sides are written at once.</summary>
    /// <param name="range">What was asked for.</param>
    /// <param name="bytes">What came; it may be shorter.</param>
    /// <param name="wrong">Takes each chunk that these bytes are not: nothing of it is written.</param>
    public void Put(PackRange range, ReadOnlySpan<byte> bytes, Action<NeededChunk> wrong)
    {
        var run = default(Run);
        foreach (var needed in range.Chunks)
        {
            var (chunk, from) = (needed.Chunk, (int)(needed.Offset - range.Offset));
            if (from + chunk.StoredBytes > bytes.Length)
            {
                wrong(needed);
                continue;
            }
            var stored = bytes.Slice(from, chunk.StoredBytes);
            if (!chunk.IsCompressed && !needed.HasMore)
            {
                if (ContentHash.Of(stored) != chunk.Hash)
                {
                    wrong(needed);
                    continue;
                }
                if (!run.Continues(needed, from))
                {
                    Write(run, bytes);
                    run = new Run(needed.First, from, 0);
                }
                run = run with { Length = run.Length + stored.Length };
                Came(needed.First, chunk);
            }
            else if (ChunkCodec.TryDecode(stored, chunk, _plain))
            {
                foreach (var place in needed.Places)
                    Write(place, chunk);
            }
            else
            {
                wrong(needed);
                continue;
            }
            _pending.Remove(chunk.Hash);
        }
        Write(run, bytes);
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
        ChunkFile.Write(Open(place.File), place.Offset, _plain.AsSpan(0, chunk.LengthBytes));
        Came(place, chunk);
    }

    private void Write(Run run, ReadOnlySpan<byte> bytes)
    {
        if (run.Length > 0)
            ChunkFile.Write(Open(run.Place.File), run.Place.Offset, bytes.Slice(run.From, run.Length));
    }

    private SafeFileHandle Open(TargetFile file)
    {
        if (ReferenceEquals(_written.File, file))
            return _written.Handle!;
        _written.Handle?.Dispose();
        _written = (null, null);
        _written = (file, folder.OpenWrite(file.Path));
        return _written.Handle!;
    }

    private void Came(ChunkPlace place, StoredChunk chunk)
    {
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

    /// <summary>Bytes of a read that go to one place.</summary>
    /// <param name="From">In the read.</param>
    private readonly record struct Run(ChunkPlace Place, int From, int Length)
    {
        public bool Continues(NeededChunk next, int from) =>
            Length > 0 && ReferenceEquals(next.First.File, Place.File) && next.First.Offset == Place.Offset + Length && from == From + Length;
    }
}
