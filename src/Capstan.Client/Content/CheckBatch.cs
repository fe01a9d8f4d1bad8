using System.Buffers;
using System.Runtime.InteropServices;
using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>Room for one read of a pack, used again and again.</summary>
internal sealed class PackRead
{
    private byte[] _bytes = [];
    private int _batches;

    public PackRange Range { get; private set; }

    /// <summary>What came; it may be shorter than what was asked for.</summary>
    public int Count { get; set; }

    /// <summary>As long as the range.</summary>
    public Memory<byte> Memory => _bytes.AsMemory(0, Range.Bytes);

    public byte[] Bytes => _bytes;

    /// <summary>Takes up another range.</summary>
    public void Begin(PackRange range)
    {
        Range = range;
        // A short read, of a small package or over a slow way, takes no more memory than it needs.
        if (_bytes.Length < range.Bytes)
            _bytes = GC.AllocateUninitializedArray<byte>(range.Bytes);
    }

    /// <summary>Its memory is not used again: a read that was left may still write there.</summary>
    public void Abandon() => _bytes = [];

    /// <summary>Cuts what came into pieces that are checked, each by whoever has time.</summary>
    public List<CheckBatch> Cut()
    {
        var batches = new List<CheckBatch>();
        for (var from = 0; from < Range.Chunks.Count;)
        {
            var (to, bytes) = (from, 0);
            while (to < Range.Chunks.Count && bytes + Range.Chunks[to].Chunk.LengthBytes <= CheckBatch.MostBytes)
                bytes += Range.Chunks[to++].Chunk.LengthBytes;
            batches.Add(new CheckBatch(this, Range.Chunks[from..to]));
            from = to;
        }
        _batches = batches.Count;
        return batches;
    }

    /// <returns>True when nothing needs its bytes any more.</returns>
    public bool Finish() => Interlocked.Decrement(ref _batches) == 0;
}

/// <summary>Some chunks of one read, and what was found of them. Checked by one thread, then placed by another.</summary>
internal sealed class CheckBatch(PackRead read, ArraySegment<NeededChunk> chunks)
{
    /// <summary>Plain bytes of a batch, at most: 1 MiB, which is as long as an array of the pool; a byte more would take one of 2 MiB.</summary>
    public const int MostBytes = 1 << 20;

    private readonly PlainChunk[] _found = new PlainChunk[chunks.Count];
    private byte[]? _unpacked;

    public PackRead Read => read;

    /// <summary>In the order of the pack.</summary>
    public ReadOnlySpan<PlainChunk> Found => _found;

    /// <summary>Unpacks and hashes each chunk: none is believed otherwise. A chunk that is stored raw stays where it was read to.</summary>
    public void Check()
    {
        var packed = 0;
        foreach (var needed in chunks)
        {
            if (needed.Chunk.IsCompressed)
                packed += needed.Chunk.LengthBytes;
        }
        var plain = packed == 0 ? [] : _unpacked = ArrayPool<byte>.Shared.Rent(packed);
        var used = 0;
        for (var i = 0; i < chunks.Count; i++)
        {
            var (needed, chunk) = (chunks[i], chunks[i].Chunk);
            var from = (int)(needed.Offset - read.Range.Offset);
            var isThere = from + chunk.StoredBytes <= read.Count;
            if (!isThere)
                _found[i] = new PlainChunk(needed, null, 0);
            else if (!chunk.IsCompressed)
                _found[i] = new PlainChunk(needed, ContentHash.Of(read.Bytes.AsSpan(from, chunk.StoredBytes)) == chunk.Hash ? read.Bytes : null, from);
            else
            {
                _found[i] = new PlainChunk(needed, ChunkCodec.TryDecode(read.Bytes.AsSpan(from, chunk.StoredBytes), chunk, plain.AsSpan(used, chunk.LengthBytes)) ? plain : null, used);
                used += chunk.LengthBytes;
            }
        }
    }

    /// <summary>Its chunks are in their places.</summary>
    /// <returns>True when it was the last of its read, whose room is free again.</returns>
    public bool Finish()
    {
        if (_unpacked is not null)
            ArrayPool<byte>.Shared.Return(_unpacked);
        _unpacked = null;
        return read.Finish();
    }
}

/// <param name="Bytes">Where its plain bytes lie; null when what came is not the chunk.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PlainChunk(NeededChunk Needed, byte[]? Bytes, int From);
