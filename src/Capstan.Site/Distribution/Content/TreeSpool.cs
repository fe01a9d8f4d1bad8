using System.Text;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>One entry of a publication, before packs have names.</summary>
/// <param name="FirstChunk">Its first chunk, counted through the publication.</param>
/// <param name="Chunks">How many.</param>
internal sealed record SpooledEntry(string Path, TreeKind Kind, int Mode, long SizeBytes, ContentHash Hash, string? Target, long FirstChunk, long Chunks)
{
    public TreeEntry ToEntry() => Kind switch
    {
        TreeKind.Directory => TreeEntry.Directory(Path, Mode),
        TreeKind.File => TreeEntry.File(Path, Mode, SizeBytes, Hash),
        _ => TreeEntry.Link(Path, Target!),
    };
}

/// <summary>The list of a publication on the disk, since it may be longer than memory: entries as they came, and the place of each chunk.</summary>
/// <remarks>Entries that came in the order of trees, as the command line sends them, are never held in memory; others are sorted there. One thread adds entries, another may add places.</remarks>
internal sealed class TreeSpool : IDisposable
{
    private const int PlacesAtOnce = 1_024;

    private const int EntryBytesAtOnce = 64 << 10;

    private readonly FileStream _entries, _places;
    /// <summary>Entries that are not in their file yet.</summary>
    private readonly MemoryStream _newEntries = new();
    private readonly BinaryWriter _writer;
    private readonly byte[] _newPlaces = new byte[PlacesAtOnce * ChunkPlace.Bytes];
    private int _newPlaceBytes;
    private long _placeBytes;
    private string _last = "";
    private bool _isSorted = true;

    public TreeSpool(PackFolder folder)
    {
        _entries = folder.CreateTemporary(deleteOnClose: true);
        _places = folder.CreateTemporary(deleteOnClose: true);
        _writer = new BinaryWriter(_newEntries, Encoding.UTF8, leaveOpen: true);
    }

    /// <summary>Entries so far, those that a later one replaces included.</summary>
    public int Count { get; private set; }

    public void AddEntry(SpooledEntry entry)
    {
        _isSorted &= TreePath.Compare(_last, entry.Path) <= 0;
        _last = entry.Path;
        Count++;
        _writer.Write(entry.Path);
        _writer.Write((byte)entry.Kind);
        _writer.Write(entry.Mode);
        _writer.Write(entry.SizeBytes);
        Span<byte> hash = stackalloc byte[ContentHash.Bytes];
        entry.Hash.CopyTo(hash);
        _writer.Write(hash);
        _writer.Write(entry.Target ?? "");
        _writer.Write(entry.FirstChunk);
        _writer.Write(entry.Chunks);
        if (_newEntries.Length >= EntryBytesAtOnce)
            FlushEntries();
    }

    private void FlushEntries()
    {
        _entries.Write(_newEntries.GetBuffer().AsSpan(0, (int)_newEntries.Length));
        _newEntries.SetLength(0);
    }

    public void AddPlace(ChunkPlace place)
    {
        place.CopyTo(_newPlaces.AsSpan(_newPlaceBytes));
        _newPlaceBytes += ChunkPlace.Bytes;
        if (_newPlaceBytes == _newPlaces.Length)
            FlushPlaces();
    }

    /// <summary>All places added so far can be read, also while others are added.</summary>
    public void FlushPlaces()
    {
        RandomAccess.Write(_places.SafeFileHandle, _newPlaces.AsSpan(0, _newPlaceBytes), _placeBytes);
        _placeBytes += _newPlaceBytes;
        _newPlaceBytes = 0;
    }

    /// <summary>As they came. Nothing may be added while it is read.</summary>
    public IEnumerable<SpooledEntry> Entries()
    {
        FlushEntries();
        _entries.Position = 0;
        using var reader = new BinaryReader(new BufferedStream(_entries, EntryBytesAtOnce), Encoding.UTF8, leaveOpen: true);
        for (var i = 0; i < Count; i++)
            yield return Read(reader);
        _entries.Position = _entries.Length;
    }

    /// <summary>In the order of trees; of several with one path, the last that came: a file that was sent again.</summary>
    public IEnumerable<SpooledEntry> Sorted()
    {
        SpooledEntry? before = null;
        foreach (var entry in _isSorted ? Entries() : InMemory())
        {
            if (before is not null && !string.Equals(before.Path, entry.Path, StringComparison.Ordinal))
                yield return before;
            before = entry;
        }
        if (before is not null)
            yield return before;
    }

    /// <summary>The chunks of one file as extents with the names of packs. Its places were added and flushed.</summary>
    public IEnumerable<Extent> Extents(long first, long count, Func<int, ContentHash> nameOf, int mostChunks = ContentFormat.MaxChunksOfLine)
    {
        var chunks = new List<StoredChunk>();
        ChunkPlace begin = default;
        long end = 0;
        foreach (var place in Places(first, count))
        {
            if (chunks.Count > 0 && (place.Pack != begin.Pack || place.Offset != end || chunks.Count == mostChunks))
            {
                yield return new Extent(nameOf(begin.Pack), begin.Offset, [.. chunks]);
                chunks.Clear();
            }
            if (chunks.Count == 0)
                begin = place;
            chunks.Add(place.Chunk);
            end = (long)place.Offset + place.Chunk.StoredBytes;
        }
        if (chunks.Count > 0)
            yield return new Extent(nameOf(begin.Pack), begin.Offset, chunks);
    }

    public void Dispose()
    {
        _writer.Dispose();
        _newEntries.Dispose();
        _entries.Dispose();
        _places.Dispose();
    }

    /// <summary>A stable sort, so that the last that came stays the last.</summary>
    private IEnumerable<SpooledEntry> InMemory() => Entries().ToList().Order(Comparer<SpooledEntry>.Create((left, right) => TreePath.Compare(left.Path, right.Path)));

    private IEnumerable<ChunkPlace> Places(long first, long count)
    {
        var buffer = new byte[Math.Min(count, PlacesAtOnce) * ChunkPlace.Bytes];
        for (var next = first; next < first + count;)
        {
            var length = (int)Math.Min(buffer.Length, (first + count - next) * ChunkPlace.Bytes);
            for (var read = 0; read < length;)
            {
                var got = RandomAccess.Read(_places.SafeFileHandle, buffer.AsSpan(read, length - read), next * ChunkPlace.Bytes + read);
                read += got > 0 ? got : throw new InvalidOperationException("A place was asked for that was not flushed.");
            }
            for (var i = 0; i < length; i += ChunkPlace.Bytes)
                yield return ChunkPlace.Read(buffer.AsSpan(i));
            next += length / ChunkPlace.Bytes;
        }
    }

    private static SpooledEntry Read(BinaryReader reader)
    {
        var path = reader.ReadString();
        var kind = (TreeKind)reader.ReadByte();
        var (mode, size) = (reader.ReadInt32(), reader.ReadInt64());
        Span<byte> hash = stackalloc byte[ContentHash.Bytes];
        reader.BaseStream.ReadExactly(hash);
        var target = reader.ReadString();
        return new SpooledEntry(path, kind, mode, size, new ContentHash(hash), kind == TreeKind.Link ? target : null, reader.ReadInt64(), reader.ReadInt64());
    }
}
