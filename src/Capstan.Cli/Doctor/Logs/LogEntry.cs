using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>One line of a log, in whichever form. Pure.</summary>
/// <param name="Time">As it was written: UTC where the line says so, else of an unspecified zone; null where it has none.</param>
/// <param name="IsPlain">Neither of the two structured forms: a person may have wrapped it.</param>
/// <param name="IsFailure">What its level says; null where it has none.</param>
internal sealed partial record LogEntry(string Text, DateTime? Time, bool IsPlain, bool? IsFailure = null)
{
    private const int LongestTimeout = 5_000;

    /// <summary>The form of the file: <c>text $$&lt;COMP&gt;&lt;Www Mon dd hh:mm:ss.mmm yyyy[ zone]&gt;&lt;thread=…&gt;</c>, a JSON object of ours, or anything else.</summary>
    /// <exception cref="RegexMatchTimeoutException">The machine is too busy to judge this line.</exception>
    public static LogEntry Parse(string line)
    {
        var mark = line.LastIndexOf("$$<", StringComparison.Ordinal);
        if (mark >= 0)
        {
            var text = line[..mark].TrimEnd(' ', '~');
            return new LogEntry(text, SmsTime(line.AsSpan(mark)), IsPlain: false);
        }
        return line is ['{', .., '}'] && TryParseJson(line) is { } json ? json : new LogEntry(line.Trim(), PlainTime(line), IsPlain: true);
    }

    /// <summary>Two lines of plain text as one, for what was wrapped.</summary>
    public LogEntry Join(LogEntry next) => this with { Text = $"{Text} {next.Text}", Time = Time ?? next.Time };

    /// <summary>By its level where it has one, else by its words.</summary>
    /// <exception cref="RegexMatchTimeoutException">The machine is too busy to judge this line.</exception>
    public bool LooksLikeFailure() => IsFailure ?? (Failure().IsMatch(Text) && !NoFailure().IsMatch(Text));

    /// <summary>The old form names no zone, or one in words: the time stays as it is.</summary>
    private static DateTime? SmsTime(ReadOnlySpan<char> tail)
    {
        var start = tail.IndexOf("><", StringComparison.Ordinal);
        if (start < 0)
            return null;
        var date = tail[(start + 2)..];
        // "Tue Jan 04 15:19:28.663 2000": 28 characters, then perhaps the zone. A line of another length has a date that nobody wrote.
        const int Length = 28;
        return date.Length >= Length && DateTime.TryParseExact(date[4..Length], "MMM dd HH:mm:ss.fff yyyy", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time : null;
    }

    private static DateTime? PlainTime(string line) =>
        StartsWithTime().Match(line) is { Success: true } match
        && DateTime.TryParse(match.Groups["time"].Value.Replace('/', '-'), CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var time) ? time : null;

    private static LogEntry? TryParseJson(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 8 });
            var root = document.RootElement;
            if (TextOf(root, "message") is not { } message)
                return null;
            var text = TextOf(root, "cause") is { } cause ? $"{message} {cause}" : message;
            var time = DateTimeOffset.TryParse(TextOf(root, "time"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var written) ? written.UtcDateTime : (DateTime?)null;
            return new LogEntry(text.ReplaceLineEndings(" "), time, IsPlain: false, TextOf(root, "level") is "Warning" or "Error" or "Critical");
        }
        catch (JsonException)
        {
            // Looks like JSON and is none, or too deep: it is a line of text.
            return null;
        }
    }

    private static string? TextOf(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    [GeneratedRegex(@"^NAL ?\[[12]\]|\b(?:error|errors|fail|fails|failed|failure|fatal|exception|denied|refused|rejected|cannot|could not|unable|timed? ?out|corrupt\w*|panic|not accessible)\b|\b0x8[0-9a-f]{7}\b|\b(?:0x)?c0[0-9a-f]{6}\b|\b(?:NT_)?STATUS_[A-Z]|SEV=E\b",
        RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, LongestTimeout)]
    private static partial Regex Failure();

    [GeneratedRegex(@"\b(?:0|no) (?:errors?|failures?)\b|\b(?:errors?|failures?|rc|code)\s?[:=]\s?0\b|\bSTATUS_SUCCESS\b", RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, LongestTimeout)]
    private static partial Regex NoFailure();

    [GeneratedRegex(@"^\s*\[?(?<time>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,7})?(?:Z|[+-]\d\d:\d\d)?)", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, LongestTimeout)]
    private static partial Regex StartsWithTime();
}
