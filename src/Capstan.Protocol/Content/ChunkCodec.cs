using System.IO.Compression;

namespace Capstan.Protocol.Content;

/// <summary>A chunk as it lies in a pack: raw, or Brotli (RFC 7932) where that is shorter; the lengths tell which. Pure; thread-safe.</summary>
public static class ChunkCodec
{
    /// <summary>What compression costs in speed grows faster than what it saves: 1 keeps up with a disk.</summary>
    private const int Quality = 1;

    /// <summary>log2 of Brotli's window: no chunk is longer than 64 KiB.</summary>
    private const int Window = 16;

    /// <summary>Writes the stored form and returns its length: below the plain length exactly when it is compressed.</summary>
    /// <remarks>Compressed only when at least a twentieth is saved: reading raw costs nothing.</remarks>
    /// <param name="plain">1 to <see cref="ContentFormat.MaxChunkBytes"/> bytes.</param>
    /// <param name="stored">At least as long as <paramref name="plain"/>.</param>
    public static int Encode(ReadOnlySpan<byte> plain, Span<byte> stored)
    {
        if (Compress(plain, stored) is > 0 and var length)
            return length;
        plain.CopyTo(stored);
        return plain.Length;
    }

    /// <summary>As <see cref="Encode"/>, but 0 for a chunk that is stored raw: it is its own stored form, and nothing is copied.</summary>
    public static int Compress(ReadOnlySpan<byte> plain, Span<byte> stored)
    {
        ArgumentOutOfRangeException.ThrowIfZero(plain.Length, nameof(plain));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plain.Length, ContentFormat.MaxChunkBytes, nameof(plain));
        var most = plain.Length - plain.Length / 20 - 1;
        return !LooksRandom(plain) && BrotliEncoder.TryCompress(plain, stored[..Math.Max(most, 0)], out var length, Quality, Window) && length < plain.Length ? length : 0;
    }

    /// <summary>Each byte about as frequent as the others, in four samples of a quarter kilobyte: packed or encrypted already, and not worth the four nanoseconds a byte that trying costs.</summary>
    private static bool LooksRandom(ReadOnlySpan<byte> plain)
    {
        const int Samples = 4, SampleBytes = 256, Sampled = Samples * SampleBytes;
        if (plain.Length < Sampled)
            return false;
        Span<int> counts = stackalloc int[256];
        counts.Clear();
        for (var sample = 0; sample < Samples; sample++)
        {
            foreach (var value in plain.Slice((plain.Length - SampleBytes) / (Samples - 1) * sample, SampleBytes))
                counts[value]++;
        }
        var squares = 0L;
        foreach (var count in counts)
            squares += (long)count * count;
        // Evenly distributed bytes give Sampled² / 256, and chance a quarter more (give or take a fiftieth); what saves a twentieth lies beyond three quarters more.
        return squares * 256 < (long)Sampled * Sampled * 3 / 2;
    }

    /// <summary>Unpacks one chunk and believes it only by its hash.</summary>
    /// <param name="stored">The chunk's stored bytes.</param>
    /// <param name="chunk">What the tree says of it.</param>
    /// <param name="plain">At least <see cref="StoredChunk.LengthBytes"/> long. Holds the chunk when the answer is true, anything otherwise.</param>
    /// <returns>False: these are not the bytes of that chunk.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> stored, StoredChunk chunk, Span<byte> plain)
    {
        if (stored.Length != chunk.StoredBytes || chunk.Problem() is not null)
            return false;
        plain = plain[..chunk.LengthBytes];
        if (!chunk.IsCompressed)
            stored.CopyTo(plain);
        else if (!BrotliDecoder.TryDecompress(stored, plain, out var written) || written != plain.Length)
            return false;
        return ContentHash.Of(plain) == chunk.Hash;
    }
}
