using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Makes one whole pack of damaged copies and of what other packs have of its chunks, chunk by chunk: each chunk says by its hash which copy of it is good, and the pack's name says whether all of it is.</summary>
internal static class PackRepair
{
    /// <summary>Most copies that are looked at.</summary>
    public const int MostCopies = 4;

    /// <param name="chunks">Those that are known to lie in the pack, by their place in it. What lies between them is taken from the first copy that has it.</param>
    /// <param name="copies">Of the pack; one that cannot be read on is passed over.</param>
    /// <param name="elsewhere">Where other packs have some of the chunks, in the same stored form.</param>
    /// <param name="output">Gets the pack; what it holds is of no use when the answer is false.</param>
    /// <returns>Whether it is whole.</returns>
    public static async Task<bool> TryAsync(ContentHash pack, long lengthBytes, IReadOnlyList<(int Offset, StoredChunk Chunk)> chunks, IReadOnlyList<FileStream> copies, IReadOnlyDictionary<ContentHash, (FileStream Pack, long Offset)> elsewhere,
        Stream output, CancellationToken cancellationToken)
    {
        using var hashed = new MemoryStream((int)Math.Min(lengthBytes, ContentFormat.MaxPackBytes));
        var plain = new byte[ContentFormat.MaxChunkBytes];
        var at = 0L;
        foreach (var (offset, chunk) in chunks)
        {
            if (offset < at || offset + chunk.StoredBytes > lengthBytes)
                return false;
            if (await ReadAsync(copies.Select(copy => (copy, at)), (int)(offset - at), null, plain, cancellationToken) is not { } gap
                || await ReadAsync(copies.Select(copy => (copy, (long)offset)).Concat(elsewhere.TryGetValue(chunk.Hash, out var other) ? [other] : []), chunk.StoredBytes, chunk, plain, cancellationToken) is not { } stored)
            {
                return false;
            }
            hashed.Write(gap);
            hashed.Write(stored);
            at = offset + chunk.StoredBytes;
        }
        if (await ReadAsync(copies.Select(copy => (copy, at)), (int)(lengthBytes - at), null, plain, cancellationToken) is not { } rest)
            return false;
        hashed.Write(rest);
        var whole = hashed.GetBuffer().AsMemory(0, (int)hashed.Length);
        if (ContentHash.Of(whole.Span) != pack)
            return false;
        await output.WriteAsync(whole, cancellationToken);
        return true;
    }

    /// <param name="chunk">What it must be; null for what nobody knows.</param>
    private static async Task<byte[]?> ReadAsync(IEnumerable<(FileStream Copy, long Offset)> places, int length, StoredChunk? chunk, byte[] plain, CancellationToken cancellationToken)
    {
        var bytes = new byte[length];
        if (length == 0)
            return bytes;
        foreach (var (copy, offset) in places)
        {
            try
            {
                copy.Position = offset;
                if (await copy.ReadAtLeastAsync(bytes, length, throwOnEndOfStream: false, cancellationToken) == length && (chunk is null || ChunkCodec.TryDecode(bytes, chunk.Value, plain)))
                    return bytes;
            }
            catch (IOException)
            {
                // A bad place of one disk; another copy may have it.
                continue;
            }
        }
        return null;
    }
}
