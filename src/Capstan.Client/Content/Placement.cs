using Capstan.Nal.Providers.Local;
using Capstan.Protocol.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Content;

/// <summary>Puts the chunks of files in their places. What is there already is believed by its hash, what lies elsewhere on this disk is copied, and the rest is <see cref="Pending"/>. Not thread-safe.</summary>
/// <remarks>There is no list of what was done: after a crash the files themselves say it.</remarks>
internal sealed class Placement(VersionFolder folder, LocalChunks local) : IDisposable
{
    private readonly Dictionary<ContentHash, NeededChunk> _pending = [];
    private readonly Dictionary<ContentHash, int> _packs = [];
    private List<NeededChunk> _fresh = [];
    private readonly byte[] _plain = new byte[ContentFormat.MaxChunkBytes];
    private TargetFile? _file;
    private SafeFileHandle? _present;
    private long _presentBytes, _offset;
    private (TargetFile? File, SafeFileHandle? Handle) _written;
    private readonly List<(NeededChunk Chunk, int Place)> _run = [];

    /// <summary>Chunks that lie nowhere on this disk.</summary>
    public IReadOnlyCollection<NeededChunk> Pending => _pending.Values;

    /// <summary>How many of <see cref="Pending"/> nobody has taken by <see cref="TakeFresh"/>.</summary>
    public int FreshCount => _fresh.Count;

    /// <summary>Chunks that became <see cref="Pending"/> since the last call.</summary>
    public IReadOnlyList<NeededChunk> TakeFresh()
    {
        var fresh = _fresh;
        _fresh = [];
        return fresh;
    }

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
        _present = file.SizeBytes == 0 ? null : Present(file);
        _presentBytes = _present is null ? 0 : RandomAccess.GetLength(_present);
    }

    /// <summary>A file that cannot be opened is not there: it is made anew.</summary>
    private SafeFileHandle? Present(TargetFile file)
    {
        try
        {
            return folder.OpenRead(file.Path);
        }
        catch (Exception e) when (VersionFolder.IsClosed(e))
        {
            return null;
        }
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

    /// <summary>Chunks that were read from a CAP and verified go to all their places; those that lie one after the other on both sides are written at once.</summary>
    /// <remarks>Whatever fails, what was not written stays pending.</remarks>
    /// <param name="wrong">Takes each chunk that did not come: nothing of it is written.</param>
    public void Put(ReadOnlySpan<PlainChunk> chunks, Action<NeededChunk> wrong)
    {
        var run = default(Run);
        _run.Clear();
        foreach (var found in chunks)
        {
            var needed = found.Needed;
            if (found.Bytes is not { } bytes)
            {
                wrong(needed);
                continue;
            }
            var chunk = needed.Chunk;
            for (var i = 0; i < needed.PlaceCount; i++)
            {
                var place = needed.PlaceAt(i);
                if (!run.Continues(place, bytes, found.From))
                {
                    Write(run);
                    run = new Run(place, bytes, found.From, 0);
                }
                run = run with { Length = run.Length + chunk.LengthBytes };
                _run.Add((needed, i));
            }
        }
        Write(run);
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
            var lacking = new NeededChunk(pack, order, offset, chunk, place);
            _pending.Add(chunk.Hash, lacking);
            _fresh.Add(lacking);
        }
    }

    /// <summary>Writes what <see cref="_plain"/> holds.</summary>
    private void Write(ChunkPlace place, StoredChunk chunk)
    {
        Write(place, _plain.AsSpan(0, chunk.LengthBytes));
        Came(place, chunk);
    }

    /// <exception cref="IOException">With a sector that can neither be read nor written the file is gone, and begun anew, elsewhere on the disk, next time.</exception>
    private void Write(ChunkPlace place, ReadOnlySpan<byte> plain)
    {
        try
        {
            ChunkFile.Write(Open(place.File), place.Offset, plain);
        }
        catch (IOException e) when (e.HResult == LocalErrors.InputOutput)
        {
            Close();
            folder.Remove(place.File.Path);
            throw;
        }
    }

    /// <summary>Writes the chunks of <see cref="_run"/>.</summary>
    private void Write(Run run)
    {
        if (run.Length == 0)
            return;
        Write(run.Place, run.Bytes.AsSpan(run.From, run.Length));
        foreach (var (needed, place) in _run)
        {
            Came(needed.PlaceAt(place), needed.Chunk);
            if (place == needed.PlaceCount - 1)
                _pending.Remove(needed.Chunk.Hash);
        }
        _run.Clear();
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

    /// <summary>Bytes that go to one place.</summary>
    private readonly record struct Run(ChunkPlace Place, byte[]? Bytes, int From, int Length)
    {
        public bool Continues(ChunkPlace place, byte[] bytes, int from) => ReferenceEquals(bytes, Bytes) && from == From + Length
            && ReferenceEquals(place.File, Place.File) && place.Offset == Place.Offset + Length;
    }
}
