using System.Globalization;
using System.Text;

namespace Capstan.Site.Distribution.Content;

/// <summary>What one block of 512 bytes says of the entry that it begins: ustar, the older form without a magic, and GNU's. Pure.</summary>
/// <param name="Type">One character of POSIX or GNU; <c>0</c> also for what the oldest form writes as NUL.</param>
/// <param name="Name">As it stands there; what is not UTF-8 has U+FFFD.</param>
/// <param name="Target">Of a link; empty otherwise.</param>
/// <param name="Mode">Permission bits and whatever else stands there.</param>
/// <param name="SizeBytes">Of what follows, without the padding.</param>
internal sealed record TarHeader(char Type, string Name, string Target, int Mode, long SizeBytes)
{
    /// <summary>Of one number in a header: with padding and all it stays within 64 bits.</summary>
    private const long MaxNumber = 1L << 62;

    /// <summary>Everything in an archive begins at a multiple of it.</summary>
    public const int BlockBytes = 512;

    /// <exception cref="InvalidDataException">The block is no header.</exception>
    public static TarHeader Parse(ReadOnlySpan<byte> block)
    {
        var sum = 0;
        for (var i = 0; i < BlockBytes; i++)
            sum += i is >= 148 and < 156 ? ' ' : block[i];
        if (Number(block[148..156]) != sum)
            throw new InvalidDataException("an entry begins with bytes that are no header");
        var type = block[156] == 0 ? '0' : (char)block[156];
        var name = Text(block[..100]);
        // GNU's own form has times where POSIX has the beginning of a long name.
        if (block[257..263].SequenceEqual("ustar\0"u8) && Text(block[345..500]) is { Length: > 0 } prefix)
            name = $"{prefix}/{name}";
        return new TarHeader(type, name, Text(block[157..257]), (int)(Number(block[100..108]) & 0xFFFF), Number(block[124..136]));
    }

    /// <summary>Up to the first NUL.</summary>
    public static string Text(ReadOnlySpan<byte> field) => Encoding.UTF8.GetString(field.IndexOf((byte)0) is >= 0 and var end ? field[..end] : field);

    /// <summary>Octal digits between blanks and NULs, or, with the highest bit set, big-endian binary.</summary>
    private static long Number(ReadOnlySpan<byte> field)
    {
        var value = 0L;
        if (field[0] == 0x80)
        {
            foreach (var b in field[1..])
                value = value < 1L << 54 ? (value << 8) + b : throw TooLarge();
            return value;
        }
        foreach (var digit in field.Trim(" \0"u8))
        {
            if (digit is < (byte)'0' or > (byte)'7')
                throw new InvalidDataException("a number in a header is none");
            value = value < 1L << 59 ? value * 8 + digit - '0' : throw TooLarge();
        }
        return value;
    }

    /// <summary>A size of a POSIX extended header, in decimal.</summary>
    /// <exception cref="InvalidDataException">It is none, or too large.</exception>
    public static long Size(string text) =>
        !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? throw new InvalidDataException("the size of an entry is no number")
            : size <= MaxNumber ? size : throw TooLarge();

    private static InvalidDataException TooLarge() => new("a number in a header is too large");
}
