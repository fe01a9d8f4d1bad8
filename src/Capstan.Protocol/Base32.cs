namespace Capstan.Protocol;

/// <summary>RFC 4648 section 6 in lower case without padding: device ids, and whatever a person may have to read aloud.</summary>
public static class Base32
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new char[(bytes.Length * 8 + 4) / 5];
        for (var i = 0; i < text.Length; i++)
        {
            var bit = i * 5;
            var pair = bytes[bit / 8] << 8 | (bit / 8 + 1 < bytes.Length ? bytes[bit / 8 + 1] : 0);
            text[i] = Alphabet[pair >> (11 - bit % 8) & 31];
        }
        return new string(text);
    }
}
