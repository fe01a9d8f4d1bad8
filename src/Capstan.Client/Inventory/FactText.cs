using System.Text;

namespace Capstan.Client.Inventory;

/// <summary>Makes strings of machines fit for documents: decoded, without control characters, trimmed, bounded.</summary>
internal static class FactText
{
    /// <summary>Longer texts are cut; a fact of this length is garbage or an attack, not a name.</summary>
    public const int MaxChars = 4096;

    /// <summary>What firmware says when nobody filled in the field. Compared without case, after trimming.</summary>
    private static readonly HashSet<string> s_placeholders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Not Specified", "Not Available", "Not Applicable", "Not Present", "No Asset Tag", "No Asset Information", "None", "N/A", "NA", "Unknown", "Unspecified", "Undefined", "(none)",
        "To Be Filled By O.E.M.", "To be filled by O.E.M", "Default string", "System manufacturer", "System Product Name", "System Serial Number", "System Version",
        "Chassis Manufacture", "Chassis Serial Number", "Asset Tag", "Asset-1234567890", "Base Board Serial Number", "O.E.M.", "OEM", "INVALID", "Empty", "NO DIMM", "[Empty]",
        "0", "00000000", "FFFFFFFF", "0x00000000", "0123456789", "123456789", "1234567890", "xxxxxxxx", "............", "-", ".", "\"",
    };

    /// <summary>Null when nothing printable remains.</summary>
    public static string? Clean(ReadOnlySpan<byte> utf8)
    {
        // A UTF-8 sequence is at most four bytes; what lies beyond cannot reach the result.
        if (utf8.Length > MaxChars * 4)
        {
            utf8 = utf8[..(MaxChars * 4)];
        }
        return Clean(Encoding.UTF8.GetString(utf8));
    }

    /// <inheritdoc cref="Clean(ReadOnlySpan{byte})"/>
    public static string? Clean(string? text)
    {
        if (text is null)
        {
            return null;
        }
        var span = text.AsSpan();
        if (span.IndexOfAnyInRange('\0', '\u001f') < 0 && span.IndexOfAnyInRange('\u007f', '\u009f') < 0 && span.IndexOfAnyInRange('\ud800', '\udfff') < 0)
        {
            var trimmed = span.Trim();
            return trimmed.Length switch
            {
                0 => null,
                > MaxChars => trimmed[..MaxChars].TrimEnd().ToString(),
                _ => trimmed.Length == text.Length ? text : trimmed.ToString(),
            };
        }
        var clean = new StringBuilder(Math.Min(text.Length, MaxChars));
        foreach (var rune in span.EnumerateRunes())
        {
            if (clean.Length + rune.Utf16SequenceLength > MaxChars)
            {
                break;
            }
            // A control character becomes a blank, so that words stay apart; a lone surrogate comes as the replacement character.
            _ = Rune.IsControl(rune) ? clean.Append(' ') : clean.Append(rune.ToString());
        }
        return clean.ToString().Trim() is { Length: > 0 } result ? result : null;
    }

    /// <summary>As <see cref="Clean(string)"/>; also null for the fillers of firmware vendors ("To Be Filled By O.E.M.").</summary>
    public static string? CleanFirmware(string? text) => Clean(text) is { } clean && !s_placeholders.Contains(clean) ? clean : null;

    /// <summary>Decimal digits only; null for anything else or beyond a <see cref="long"/>.</summary>
    public static long? Number(ReadOnlySpan<char> text) =>
        long.TryParse(text.Trim(), System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>Unix seconds of the years 1970 to 9999; anything else is garbage and null.</summary>
    public static long? Seconds(long? seconds) => seconds is > 0 and <= 253_402_300_799 ? seconds : null;

    /// <summary>KEY=value lines with optional quotes, as in os-release and the files of systemd; the first line of a key counts.</summary>
    public static Dictionary<string, string> Assignments(string text)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var equals = line.IndexOf('=');
            if (equals <= 0 || line[0] == '#')
            {
                continue;
            }
            var value = line[(equals + 1)..].Trim();
            if (value.Length >= 2 && value[0] is '"' or '\'' && value[^1] == value[0])
            {
                value = value[1..^1];
            }
            // os-release escapes the characters that a shell would read: \" \$ \\ \`
            result.TryAdd(line[..equals].Trim().ToString(), value.Contains('\\') ? Unescape(value) : value.ToString());
        }
        return result;
    }

    private static string Unescape(ReadOnlySpan<char> value)
    {
        var result = new StringBuilder(value.Length);
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] == '\\' && i + 1 < value.Length)
            {
                i++;
            }
            result.Append(value[i]);
        }
        return result.ToString();
    }
}
