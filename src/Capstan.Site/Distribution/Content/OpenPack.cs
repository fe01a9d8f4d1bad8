using System.Security.Cryptography;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>A pack that is being written: the file, its hash so far, and what lies where. Used by one thread at a time.</summary>
/// <param name="number">Within the publication: a pack has its name when it is complete.</param>
internal sealed class OpenPack(PackFolder folder, int number) : IDisposable
{
    private readonly FileStream _file = folder.CreateTemporary(deleteOnClose: false);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Dictionary<ContentHash, ChunkPlace> _places = [];
    /// <summary>Chunks in memory of others that are not in the file yet.</summary>
    private readonly List<ReadOnlyMemory<byte>> _new = [];
    private int _written;

    public int Number => number;

    public int LengthBytes { get; private set; }

    /// <summary>Added, and not in the file yet.</summary>
    public int NewBytes => LengthBytes - _written;

    public bool IsFull => LengthBytes >= ContentFormat.FullPackBytes || _places.Count >= ContentFormat.FullPackChunks;

    /// <summary>Every chunk in it.</summary>
    public IReadOnlyCollection<ChunkPlace> Places => _places.Values;

    public bool TryFind(ContentHash chunk, out ChunkPlace place) => _places.TryGetValue(chunk, out place);

    /// <summary>Puts a chunk at the end. Its bytes are read by the next <see cref="Write"/>.</summary>
    public ChunkPlace Add(StoredChunk chunk, ReadOnlyMemory<byte> stored)
    {
        var place = new ChunkPlace(number, LengthBytes, chunk);
        _places.Add(chunk.Hash, place);
        _new.Add(stored);
        LengthBytes += chunk.StoredBytes;
        return place;
    }

    /// <summary>Everything that was added is in the file.</summary>
    /// <exception cref="IOException">The disk failed, or is full.</exception>
    public void Write()
    {
        if (_new.Count == 0)
            return;
        RandomAccess.Write(_file.SafeFileHandle, _new, _written);
        foreach (var chunk in _new)
            _hash.AppendData(chunk.Span);
        _written = LengthBytes;
        _new.Clear();
    }

    /// <summary>Gives the pack its name, durably.</summary>
    /// <exception cref="IOException">The disk failed, or is full.</exception>
    public ContentHash Keep()
    {
        var name = new ContentHash(_hash.GetHashAndReset());
        folder.Keep(_file, name);
        return name;
    }

    /// <summary>Removes it, unless it was kept.</summary>
    public void Dispose()
    {
        _hash.Dispose();
        _file.Dispose();
        File.Delete(_file.Name);
    }
}
