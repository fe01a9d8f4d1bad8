using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Where a chunk of a publication lies.</summary>
/// <param name="Pack">Number of the pack within the publication: an open pack has no name yet.</param>
/// <param name="Offset">In the pack, in bytes.</param>
/// <param name="Chunk">The chunk.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ChunkPlace(int Pack, int Offset, StoredChunk Chunk)
{
    /// <summary>As it lies in a spool: a fixed length, so that the n-th is found.</summary>
    public const int Bytes = 16 + ContentHash.Bytes;

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, Pack);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], Offset);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], Chunk.StoredBytes);
        BinaryPrimitives.WriteInt32LittleEndian(destination[12..], Chunk.LengthBytes);
        Chunk.Hash.CopyTo(destination[16..]);
    }

    public static ChunkPlace Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadInt32LittleEndian(source), BinaryPrimitives.ReadInt32LittleEndian(source[4..]),
        new StoredChunk(BinaryPrimitives.ReadInt32LittleEndian(source[8..]), BinaryPrimitives.ReadInt32LittleEndian(source[12..]), new ContentHash(source[16..Bytes])));
}
