using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;

namespace Capstan.Testing.Fuzz;

public static class PackageManifestFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.PackageManifest, data);
}

/// <summary>A whole tree: refused, or each line written again says the same, and no path leads outside.</summary>
public static class TreeFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using var stream = new MemoryStream(data.ToArray());
        var reader = new TreeReader(stream);
        try
        {
            // A memory stream is never waited for.
            while (reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } line)
                Holds(line);
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }

    private static void Holds(TreeLine line)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        TreeLines.Write(output, line);
        var again = new System.Buffers.ArrayBufferWriter<byte>();
        TreeLines.Write(again, TreeLines.Parse(output.WrittenSpan[..^1]));
        if (!output.WrittenSpan.SequenceEqual(again.WrittenSpan))
            throw new InvalidOperationException("a line changes when it is written and read");
        if (line is TreeEntry entry && !Path.GetFullPath(entry.Path, "/root").StartsWith("/root/", StringComparison.Ordinal))
            throw new InvalidOperationException("a path leads outside");
    }
}

/// <summary>Stored bytes of a chunk: two bytes of plain length, then what lies in the pack.</summary>
public static class ChunkCodecFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        if (data.Length < 3)
            return;
        var length = Math.Max(1, data[0] << 8 | data[1]);
        var stored = data[2..];
        if (ChunkCodec.TryDecode(stored, new StoredChunk(stored.Length, length, ContentHash.Of("what these bytes are not"u8)), new byte[length]))
            throw new InvalidOperationException("bytes passed for a chunk that they are not");
    }
}
