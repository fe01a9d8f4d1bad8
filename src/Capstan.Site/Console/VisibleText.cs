using System.Globalization;
using System.Text;

namespace Capstan.Site.Console;

/// <summary>Makes text that a client reported harmless to look at. Host names and status texts are hostile input.</summary>
public static class VisibleText
{
    /// <summary>
    /// One line in which every character is seen: control characters (terminal escapes among them), format characters that turn or hide
    /// text (bidirectional overrides, zero-width), line separators and lone surrogates stand as <c>\u{1B}</c>.
    /// </summary>
    /// <param name="text">Null gives the empty text.</param>
    public static string Of(string? text) => Of(text, keepsLines: false);

    /// <summary>As <see cref="Of(string?)"/>, but tabs and line ends stay: for what is data and may all the same be looked at.</summary>
    public static string Lines(string? text) => Of(text, keepsLines: true);

    private static string Of(string? text, bool keepsLines)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        StringBuilder? changed = null;
        for (var index = 0; index < text.Length;)
        {
            var valid = Rune.TryGetRuneAt(text, index, out var rune);
            var length = valid ? rune.Utf16SequenceLength : 1;
            if (valid && (IsVisible(rune) || (keepsLines && text[index] is ('\t' or '\r' or '\n'))))
                changed?.Append(text, index, length);
            else
                (changed ??= new StringBuilder(text, 0, index, text.Length + 16)).Append(CultureInfo.InvariantCulture, $"\\u{{{(valid ? rune.Value : text[index]):X2}}}");
            index += length;
        }
        return changed?.ToString() ?? text;
    }

    /// <summary>As <see cref="Of(string?)"/>, and at most <paramref name="maxCharacters"/> long; a cut shows as <c>…</c>.</summary>
    public static string Of(string? text, int maxCharacters)
    {
        var visible = Of(text);
        if (visible.Length <= maxCharacters)
            return visible;
        var cut = char.IsHighSurrogate(visible[maxCharacters - 2]) ? maxCharacters - 2 : maxCharacters - 1;
        return visible[..cut] + "…";
    }

    private static bool IsVisible(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse);
}
