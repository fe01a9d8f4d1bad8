using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads content back from the site's own packs; each chunk is believed only by its hash.</summary>
internal static class ContentReader
{
    /// <summary>Writes the plain bytes of some extents.</summary>
    /// <exception cref="SiteException"><c>content_damaged</c>: a pack is gone, or a chunk in it is not what it should be.</exception>
    public static async Task CopyAsync(PackFolder folder, IEnumerable<Extent> extents, Stream output, CancellationToken cancellationToken)
    {
        var stored = new byte[ContentFormat.MaxChunkBytes];
        var plain = new byte[ContentFormat.MaxChunkBytes];
        foreach (var extent in extents)
        {
            await using var pack = folder.Open(extent.Pack) ?? throw Damaged(extent.Pack, "is gone");
            var offset = extent.OffsetBytes;
            foreach (var chunk in extent.Chunks)
            {
                var part = stored.AsMemory(0, chunk.StoredBytes);
                if (await ReadAsync(pack, offset, part, cancellationToken) != part.Length || !ChunkCodec.TryDecode(part.Span, chunk, plain))
                    throw Damaged(extent.Pack, $"is damaged at byte {offset}");
                await output.WriteAsync(plain.AsMemory(0, chunk.LengthBytes), cancellationToken);
                offset += chunk.StoredBytes;
            }
        }
    }

    private static async Task<int> ReadAsync(FileStream pack, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var read = 0;
        while (read < buffer.Length && await RandomAccess.ReadAsync(pack.SafeFileHandle, buffer[read..], offset + read, cancellationToken) is > 0 and var got)
            read += got;
        return read;
    }

    private static SiteException Damaged(ContentHash pack, string what) =>
        new($"The pack {pack} of this site {what}. Run `capstan content verify`, which mends it from a client access point.", "content_damaged");
}
