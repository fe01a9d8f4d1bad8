using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Cli;

/// <summary>Times, repetitions and rings of a roll-out as a person writes them. Pure: the present moment is given.</summary>
internal static class ScheduleText
{
    public const string TimeForm = "+2h, +3d, 2026-12-01T22:00 (UTC unless it ends with an offset), now or none";
    public const string EveryForm = "12h, 7d, 22:30, 'mon,thu 22:30' or 'mon,thu 22:30 Europe/Berlin' (local, the machine's own, where no zone is given)";
    public const string RingsForm = "5%,25%@+1d,100%@+3d: how much begins when, counted from the start";

    /// <summary>No other form: 1/2 is a day in January here, and one in February there.</summary>
    private static readonly string[] s_dates = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd HH:mmK", "yyyy-MM-dd HH:mm:ssK"];

    private static readonly string[] s_days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    /// <summary>Unix seconds; 0 for <c>none</c>.</summary>
    public static bool TryTime(string text, DateTimeOffset now, out long seconds)
    {
        seconds = 0;
        if (text == "none")
            return true;
        if (text == "now")
            seconds = now.ToUnixTimeSeconds();
        else if (text.StartsWith('+') && TryDistance(text[1..], out var after))
            seconds = (now + after).ToUnixTimeSeconds();
        else if (DateTimeOffset.TryParseExact(text, s_dates, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            seconds = at.ToUnixTimeSeconds();
        return seconds > 0;
    }

    public static bool TryEvery(string text, out Recurrence recurrence)
    {
        recurrence = new Recurrence();
        if (!text.Contains(':', StringComparison.Ordinal))
        {
            if (!TryDistance(text, out var every) || every < TimeSpan.FromHours(1) || every > TimeSpan.FromDays(366))
                return false;
            recurrence = new Recurrence { EverySeconds = (int)every.TotalSeconds };
            return true;
        }
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        IReadOnlyList<int>? days = null;
        if (parts.Count > 1 && !parts[0].Contains(':', StringComparison.Ordinal))
        {
            days = [.. parts[0].Split(',').Select(day => Array.IndexOf(s_days, day.ToLowerInvariant())).Distinct().Order()];
            if (days.Contains(-1))
                return false;
            parts.RemoveAt(0);
        }
        if (parts.Count is 0 or > 2 || !TimeOnly.TryParseExact(parts[0], "H:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
            return false;
        recurrence = new Recurrence { MinuteOfDay = (time.Hour * 60) + time.Minute, DaysOfWeek = days, TimeZone = parts.Count < 2 ? Recurrence.Local : parts[1].Equals(Recurrence.Utc, StringComparison.OrdinalIgnoreCase) ? Recurrence.Utc : parts[1] };
        return true;
    }

    /// <summary>A time with its unit: of +7 nobody knows whether days were meant, and seconds never were.</summary>
    private static bool TryDistance(string text, out TimeSpan distance)
    {
        distance = default;
        return text.Length > 1 && char.IsAsciiLetter(text[^1]) && Arguments.TryReadDuration(text, out distance);
    }

    /// <param name="start">From which the times of rings are counted.</param>
    public static bool TryRings(string text, DateTimeOffset start, out IReadOnlyList<RolloutRing> rings)
    {
        var result = new List<RolloutRing>();
        rings = result;
        if (text == "none")
            return true;
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var at = part.IndexOf('@', StringComparison.Ordinal);
            var share = at < 0 ? part : part[..at];
            if (!share.EndsWith('%') || !int.TryParse(share[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var percent) || percent is < 1 or > 100)
                return false;
            var seconds = start.ToUnixTimeSeconds();
            if (at >= 0 && (!TryTime(part[(at + 1)..], start, out seconds) || seconds == 0))
                return false;
            result.Add(new RolloutRing(percent, seconds));
        }
        return result is [.., { Percent: 100 }] && result.Zip(result.Skip(1)).All(pair => pair.First.Percent < pair.Second.Percent && pair.First.At <= pair.Second.At);
    }
}
