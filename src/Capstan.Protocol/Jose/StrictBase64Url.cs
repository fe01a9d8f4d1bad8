using System.Buffers;
using System.Buffers.Text;

namespace Capstan.Protocol.Jose;

/// <summary>RFC 4648 section 5 with exactly one text per value: no padding, no white space, unused trailing bits zero.</summary>
/// <remarks>The base library's decoder forgives all three, so two texts could carry one signature.</remarks>
internal static class StrictBase64Url
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    private static readonly SearchValues<char> Characters = SearchValues.Create(Alphabet);

    public static string Encode(ReadOnlySpan<byte> bytes) => Base64Url.EncodeToString(bytes);

    public static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        var rest = text.Length % 4;
        if (rest == 1 || text.ContainsAnyExcept(Characters))
            return false;
        if (rest != 0 && (Alphabet.IndexOf(text[^1], StringComparison.Ordinal) & (rest == 2 ? 0b1111 : 0b11)) != 0)
            return false;
        bytes = Base64Url.DecodeFromChars(text);
        return true;
    }

    /// <param name="what">Named in the message, for example <c>the JWS signature</c>.</param>
    /// <exception cref="ProtocolException"><see cref="ProtocolError.Malformed"/>.</exception>
    public static byte[] Decode(ReadOnlySpan<char> text, string what) =>
        TryDecode(text, out var bytes) ? bytes : throw new ProtocolException(ProtocolError.Malformed, $"{what} is not canonical base64url");
}
