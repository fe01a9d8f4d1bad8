using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>A chunk that is lacking: where it lies on any CAP, and where it goes.</summary>
/// <param name="packOrder">Packs are read in the order in which they were first needed.</param>
internal sealed class NeededChunk(ContentHash pack, int packOrder, long offset, StoredChunk chunk, ChunkPlace place)
{
    private List<ChunkPlace>? _more;

    public ContentHash Pack => pack;
    public int PackOrder => packOrder;
    public long Offset => offset;
    public StoredChunk Chunk => chunk;
    public long End => offset + chunk.StoredBytes;

    /// <summary>1 for most; a chunk that a version has more than once has more.</summary>
    public int PlaceCount => 1 + (_more?.Count ?? 0);

    public ChunkPlace PlaceAt(int index) => index == 0 ? place : _more![index - 1];

    public void AddPlace(ChunkPlace further) => (_more ??= []).Add(further);
}

/// <summary>A file that is being made: one value for one file.</summary>
/// <param name="Path">Relative to its folder.</param>
internal sealed record TargetFile(string Path, long SizeBytes);

/// <param name="Offset">Of the chunk in the file.</param>
internal readonly record struct ChunkPlace(TargetFile File, long Offset);
