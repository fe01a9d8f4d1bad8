using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>About a megabyte of chunks on its way through a publication: filled by one thread, hashed and compressed by another, stored by a third. Used again and again.</summary>
internal sealed class ChunkBatch
{
    /// <summary>1 MiB: room for 16 chunks of the longest kind.</summary>
    public const int Capacity = 1 << 20;

    private readonly byte[] _plain = new byte[Capacity];
    private readonly byte[] _stored = new byte[Capacity];
    private readonly List<Item> _items = [];

    public Memory<byte> Plain => _plain;

    public int Count => _items.Count;

    /// <summary>Of each chunk, where it lay when the batch was prepared; null for a new one.</summary>
    public IReadOnlyList<KnownChunk?> Known { get; set; } = [];

    /// <summary>The hashes of its chunks, in order; after <see cref="Hash"/>.</summary>
    public IEnumerable<ContentHash> Hashes => _items.Select(item => item.Hash);

    public void Clear() => _items.Clear();

    public void Add(int from, int length) => _items.Add(new Item(from, length));

    public void Hash()
    {
        foreach (var item in _items)
            item.Hash = ContentHash.Of(_plain.AsSpan(item.From, item.Length));
    }

    /// <summary>Makes the stored form of a chunk that is not stored yet.</summary>
    public void Encode(int index)
    {
        var item = _items[index];
        item.StoredLength = ChunkCodec.Encode(_plain.AsSpan(item.From, item.Length), _stored.AsSpan(item.From, item.Length));
    }

    public StoredChunk Chunk(int index) => new(_items[index].StoredLength, _items[index].Length, _items[index].Hash);

    /// <summary>After <see cref="Encode"/>: the bytes for the pack.</summary>
    public ReadOnlyMemory<byte> Stored(int index) => _stored.AsMemory(_items[index].From, _items[index].StoredLength);

    /// <summary>True after <see cref="Encode"/>.</summary>
    public bool IsEncoded(int index) => _items[index].StoredLength > 0;

    private sealed class Item(int from, int length)
    {
        public int From => from;
        public int Length => length;
        public int StoredLength { get; set; }
        public ContentHash Hash { get; set; }
    }
}
