using System.Collections.Frozen;

namespace Capstan.Ncp.Wire;

/// <summary>Names as bytes: code page 437, the one that DOS and NetWare were born with. A server with another code page agrees in its first 128 characters.</summary>
internal static class NcpText
{
    public const int MostBytes = 255;

    /// <summary>0x80 to 0xFF.</summary>
    private const string Upper =
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0";

    private static readonly FrozenDictionary<char, byte> Codes = Upper.Select((character, at) => KeyValuePair.Create(character, (byte)(0x80 + at))).ToFrozenDictionary();

    public static string Read(ReadOnlySpan<byte> bytes) =>
        string.Create(bytes.Length, bytes, static (text, source) =>
        {
            for (var at = 0; at < text.Length; at++)
                text[at] = source[at] < 0x80 ? (char)source[at] : Upper[source[at] - 0x80];
        });

    /// <exception cref="NcpException"><see cref="NcpFailure.Unsupported"/>.</exception>
    public static byte[] Write(string text)
    {
        if (text.Length > MostBytes)
            throw new NcpException(NcpFailure.Unsupported, $"'{text[..32]}…' has {text.Length} characters; a name in NCP has {MostBytes} at most", NcpCompletion.NotSent);
        var bytes = new byte[text.Length];
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] < 0x80)
                bytes[at] = (byte)text[at];
            else if (!Codes.TryGetValue(text[at], out bytes[at]))
                throw new NcpException(NcpFailure.Unsupported, $"'{text}' cannot be named on a NetWare server: '{text[at]}' is not in code page 437; use a name without it", NcpCompletion.NotSent);
        }
        return bytes;
    }

    /// <summary>Upper case as servers compare names and passwords: ASCII and the letters of the code page.</summary>
    public static string Upcase(string text) => string.Create(text.Length, text, static (result, source) =>
    {
        for (var at = 0; at < source.Length; at++)
        {
            var upper = char.ToUpperInvariant(source[at]);
            result[at] = upper < 0x80 || Codes.ContainsKey(upper) ? upper : source[at];
        }
    });
}
