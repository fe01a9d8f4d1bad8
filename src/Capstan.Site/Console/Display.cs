using System.Globalization;
using Capstan.Site.Api;

namespace Capstan.Site.Console;

/// <summary>How values look to a person, the same in the console and on the command line. Times are UTC.</summary>
public static class Display
{
    /// <summary>What stands for a value that nobody told.</summary>
    public const string None = "–";

    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Three significant digits in binary units: <c>15.6 GiB</c>.</summary>
    public static string Bytes(long? bytes)
    {
        if (bytes is not { } number)
            return None;
        double value = number;
        var unit = 0;
        while (Math.Abs(value) >= 1000 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        var format = unit == 0 || Math.Abs(value) >= 99.95 ? "0" : Math.Abs(value) >= 9.995 ? "0.0" : "0.00";
        return $"{value.ToString(format, CultureInfo.InvariantCulture)} {Units[unit]}";
    }

    /// <summary>With thousands separated by commas.</summary>
    public static string Count(long? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? None;

    /// <summary><c>2026-11-22 12:00:05 UTC</c></summary>
    public static string Utc(DateTimeOffset? time) =>
        time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture) ?? None;

    /// <summary><c>2026-11-22T12:00:05.123Z</c></summary>
    public static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    /// <summary>Unix seconds as a time; null where they are missing or beyond what a calendar holds (a client may report anything).</summary>
    public static DateTimeOffset? FromUnixSeconds(long? seconds) =>
        seconds is >= -62_135_596_800 and <= 253_402_300_799 ? DateTimeOffset.FromUnixTimeSeconds(seconds.Value) : null;

    /// <summary>The state of a client for people: one that said that it leaves is not lost.</summary>
    public static string State(ClientSummary client) => client is { State: "approved", MovedTo: { } site } ? $"moved to {site}" : client.State;

    /// <summary>Distance from now in its largest unit: <c>3 min ago</c>, <c>in 2 days</c>, <c>now</c> below a second.</summary>
    public static string Relative(DateTimeOffset? time, DateTimeOffset now)
    {
        if (time is not { } at)
            return None;
        var distance = (now - at).Duration();
        if (distance < TimeSpan.FromSeconds(1))
            return "now";
        var text = Duration(distance);
        return at <= now ? $"{text} ago" : $"in {text}";
    }

    /// <summary>In its largest unit, rounded down: <c>45 s</c>, <c>3 min</c>, <c>5 h</c>, <c>2 days</c>.</summary>
    public static string Duration(TimeSpan duration) => duration switch
    {
        { TotalMinutes: < 1 } => $"{(int)duration.TotalSeconds} s",
        { TotalHours: < 1 } => $"{(int)duration.TotalMinutes} min",
        { TotalDays: < 2 } => $"{(int)duration.TotalHours} h",
        { TotalDays: < 730 } => $"{(int)duration.TotalDays} days",
        _ => $"{(int)(duration.TotalDays / 365.25)} years",
    };

    /// <summary>Of a row of the audit log; see <see cref="Api.AuditRow.Outcome"/>.</summary>
    public static string Outcome(int status) => status switch
    {
        0 => "begun, end unknown",
        < 400 => "done",
        _ => $"refused ({status})",
    };

    /// <summary><paramref name="count"/> with its noun: <c>1 client</c>, <c>1,204 clients</c>.</summary>
    public static string Plural(long count, string singular, string? plural = null) =>
        $"{Count(count)} {(count == 1 ? singular : plural ?? singular + "s")}";
}
