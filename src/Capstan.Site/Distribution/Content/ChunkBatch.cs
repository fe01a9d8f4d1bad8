using System.Runtime.InteropServices;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>About a megabyte of chunks on its way through a publication: filled by one thread, hashed and compressed by another, stored by a third. Used again and again.</summary>
internal sealed class ChunkBatch
{
    /// <summary>1 MiB: room for 16 chunks of the longest kind.</summary>
    public const int Capacity = 1 << 20;

    /// <summary>Small files have short chunks: no more of them in one batch.</summary>
    private const int MostChunks = 2_048;

    private readonly byte[] _plain = new byte[Capacity];
    private readonly byte[] _stored = new byte[Capacity];
    private readonly List<Item> _items = new(64);

    public Memory<byte> Plain => _plain;

    public int Count => _items.Count;

    /// <summary>It takes no more chunks.</summary>
    public bool IsFull => _items.Count >= MostChunks;

    /// <summary>Of each chunk, where it lay when the batch was prepared; null for a new one.</summary>
    public IReadOnlyList<KnownChunk?> Known { get; set; } = [];

    /// <summary>The hashes of its chunks, in order; after <see cref="Hash"/>.</summary>
    public IReadOnlyList<ContentHash> Hashes => [.. _items.Select(item => item.Hash)];

    public void Clear() => _items.Clear();

    public void Add(int from, int length) => _items.Add(new Item(from, length, 0, default));

    public void Hash()
    {
        foreach (ref var item in CollectionsMarshal.AsSpan(_items))
            item = item with { Hash = ContentHash.Of(_plain.AsSpan(item.From, item.Length)) };
    }

    /// <summary>Makes the stored form of a chunk that is not stored yet.</summary>
    public void Encode(int index)
    {
        ref var item = ref CollectionsMarshal.AsSpan(_items)[index];
        var compressed = ChunkCodec.Compress(_plain.AsSpan(item.From, item.Length), _stored.AsSpan(item.From, item.Length));
        item = item with { StoredLength = compressed > 0 ? compressed : item.Length };
    }

    public StoredChunk Chunk(int index) => new(_items[index].StoredLength, _items[index].Length, _items[index].Hash);

    /// <summary>After <see cref="Encode"/>: the bytes for the pack.</summary>
    public ReadOnlyMemory<byte> Stored(int index) => (_items[index].StoredLength < _items[index].Length ? _stored : _plain).AsMemory(_items[index].From, _items[index].StoredLength);

    /// <summary>True after <see cref="Encode"/>.</summary>
    public bool IsEncoded(int index) => _items[index].StoredLength > 0;

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Item(int From, int Length, int StoredLength, ContentHash Hash);
}
