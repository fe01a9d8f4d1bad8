using System.Buffers;
using System.Globalization;

namespace Capstan.Site.Console;

/// <summary>Comma-separated values by RFC 4180: lines end in CR LF, a cell with a comma, quote or line break is quoted.</summary>
/// <remarks>Text that a spreadsheet would run as a formula (<c>= + - @</c>, tab or CR first) gets a leading apostrophe, and what would move a terminal or hide text stands as
/// <c>\u{1B}</c> (<see cref="VisibleText"/>): host names are hostile input, and people look at these lines, too.</remarks>
public static class Csv
{
    private static readonly SearchValues<char> NeedsQuotes = SearchValues.Create(",\"\r\n");

    /// <summary>One line with its line end.</summary>
    /// <param name="cells">Null gives an empty cell; times are ISO 8601 in UTC; numbers are invariant.</param>
    public static string Line(IEnumerable<object?> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        return string.Join(',', cells.Select(cell => Quoted(Text(cell)))) + "\r\n";
    }

    private static string Text(object? cell) => cell switch
    {
        null => "",
        string text => Defused(VisibleText.Lines(text)),
        DateTimeOffset time => Display.Iso(time),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => Defused(VisibleText.Lines(cell.ToString())),
    };

    private static string Defused(string text) => text is ['=' or '+' or '-' or '@' or '\t' or '\r', ..] ? "'" + text : text;

    private static string Quoted(string text) =>
        text.AsSpan().ContainsAny(NeedsQuotes) ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
