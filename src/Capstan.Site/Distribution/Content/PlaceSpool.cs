using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Where each chunk of a publication lies, by its number, on the disk. One thread adds, another may read what was flushed.</summary>
internal sealed class PlaceSpool(PackFolder folder) : IDisposable
{
    private const int PlacesAtOnce = 1_024;

    private readonly FileStream _places = folder.CreateTemporary(deleteOnClose: true);
    private readonly byte[] _new = new byte[PlacesAtOnce * ChunkPlace.Bytes];
    private int _newBytes;
    private long _bytes;

    public void Add(ChunkPlace place)
    {
        place.CopyTo(_new.AsSpan(_newBytes));
        _newBytes += ChunkPlace.Bytes;
        if (_newBytes == _new.Length)
            Flush();
    }

    /// <summary>All places added so far can be read, also while others are added.</summary>
    /// <exception cref="SiteException"><c>disk_full</c></exception>
    public void Flush()
    {
        folder.NeedRoom(_newBytes);
        RandomAccess.Write(_places.SafeFileHandle, _new.AsSpan(0, _newBytes), _bytes);
        _bytes += _newBytes;
        _newBytes = 0;
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

    public void Dispose() => _places.Dispose();

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
}
