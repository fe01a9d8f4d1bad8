namespace Capstan.Protocol.Content;

/// <summary>Reads the line of an extent exactly as <see cref="TreeLines"/> writes it: nearly all bytes of a tree are such lines. Every other form is left to the reader of JSON. Pure.</summary>
internal static class ExtentLine
{
    /// <summary>What every such line begins with. A line that has this member is an extent or no line of a tree.</summary>
    public static ReadOnlySpan<byte> Begin => "{\"pack\":\""u8;

    private const int HexBytes = 2 * ContentHash.Bytes;

    /// <summary>Of one chunk as it is written, about: lengths of five digits, a hash and what stands between.</summary>
    private const int ChunkBytes = 80;

    /// <returns>Null for any other form; of its values nothing was checked but that they are numbers and hashes.</returns>
    public static Extent? TryRead(ReadOnlySpan<byte> line)
    {
        if (!Take(ref line, Begin) || !TakeHash(ref line, out var pack) || !Take(ref line, "\",\"offset\":"u8) || !TakeNumber(ref line, out var offset) || !Take(ref line, ",\"chunks\":["u8))
            return null;
        var chunks = new List<StoredChunk>(line.Length / ChunkBytes + 1);
        do
        {
            if (!Take(ref line, "["u8) || !TakeNumber(ref line, out var stored) || !Take(ref line, ","u8) || !TakeNumber(ref line, out var length) || !Take(ref line, ",\""u8)
                || !TakeHash(ref line, out var hash) || !Take(ref line, "\"]"u8))
            {
                return null;
            }
            chunks.Add(new StoredChunk(stored, length, hash));
        }
        while (Take(ref line, ","u8));
        return line.SequenceEqual("]}"u8) ? new Extent(pack, offset, chunks) : null;
    }

    private static bool Take(ref ReadOnlySpan<byte> line, ReadOnlySpan<byte> text)
    {
        if (!line.StartsWith(text))
            return false;
        line = line[text.Length..];
        return true;
    }

    private static bool TakeHash(ref ReadOnlySpan<byte> line, out ContentHash hash)
    {
        hash = default;
        if (line.Length < HexBytes || !ContentHash.TryParse(line[..HexBytes], out hash))
            return false;
        line = line[HexBytes..];
        return true;
    }

    /// <summary>Up to nine digits, without a zero in front: the longest that fit whatever they are.</summary>
    private static bool TakeNumber(ref ReadOnlySpan<byte> line, out int number)
    {
        const int MostDigits = 9;
        number = 0;
        var digits = 0;
        for (; digits < line.Length && line[digits] is >= (byte)'0' and <= (byte)'9'; digits++)
        {
            if (digits == MostDigits)
                return false;
            number = number * 10 + (line[digits] - '0');
        }
        if (digits == 0 || (digits > 1 && line[0] == (byte)'0'))
            return false;
        line = line[digits..];
        return true;
    }
}
