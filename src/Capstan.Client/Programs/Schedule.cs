using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>The times of one advertisement on one device. Pure.</summary>
/// <param name="Occasion">What a run is for, in Unix seconds: the start, or the last time that came round; 0 for as soon as it is offered. A run for it is not repeated for it.</param>
/// <param name="Begins">When that may begin; in the future, or past.</param>
/// <param name="Following">When it comes round again; null for once.</param>
internal sealed record Schedule(long Occasion, DateTimeOffset Begins, DateTimeOffset? Following)
{
    /// <summary>A gap of a clock that is set forward is never longer.</summary>
    private static readonly TimeSpan s_longestGap = TimeSpan.FromHours(3);
    private static readonly TimeSpan s_quarter = TimeSpan.FromMinutes(15);

    private const int DaysOfWeek = 7;

    /// <param name="local">The machine's own zone.</param>
    /// <returns>Null for a time zone that this machine does not know.</returns>
    public static Schedule? Of(KnownAdvertisement known, DateTimeOffset now, TimeZoneInfo local)
    {
        var document = known.Document;
        var start = document.StartAt is { } at ? DateTimeOffset.FromUnixTimeSeconds(at) : known.ReceivedAt;
        if (document.Recurrence is not { } recurrence)
            return new Schedule(document.StartAt ?? 0, start, null);
        if (recurrence.EverySeconds is { } every)
        {
            if (now < start)
                return new Schedule(start.ToUnixTimeSeconds(), start, null);
            var length = TimeSpan.FromSeconds(every);
            var last = start + length * Math.Floor((now - start) / length);
            return new Schedule(last.ToUnixTimeSeconds(), last, last + length);
        }
        if (Zone(recurrence.TimeZone!, local) is not { } zone)
            return null;
        // From a day before, since a zone's date may be another than ours; a week and a day hold each day of the week.
        var today = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now > start ? now : start, zone).DateTime);
        var times = Enumerable.Range(-DaysOfWeek - 1, 2 * DaysOfWeek + 3)
            .Select(today.AddDays)
            .Where(day => recurrence.DaysOfWeek is not { } days || days.Contains((int)day.DayOfWeek))
            .Select(day => At(day, recurrence.MinuteOfDay!.Value, zone))
            .Where(time => time >= start)
            .ToList();
        var next = times.Find(time => time > now);
        return times.FindLast(time => time <= now) is var past && past != default
            ? new Schedule(past.ToUnixTimeSeconds(), past, next)
            : new Schedule(next.ToUnixTimeSeconds(), next, null);
    }

    /// <summary>A time of a day: the first of two where the clock is set back, the first after it where the clock leaves it out.</summary>
    public static DateTimeOffset At(DateOnly day, int minute, TimeZoneInfo zone)
    {
        var time = day.ToDateTime(TimeOnly.MinValue).AddMinutes(minute);
        for (var gap = TimeSpan.Zero; zone.IsInvalidTime(time) && gap < s_longestGap; gap += s_quarter)
            time = time.AddMinutes(s_quarter.TotalMinutes - (time.Minute % s_quarter.TotalMinutes));
        return new DateTimeOffset(time, zone.IsAmbiguousTime(time) ? zone.GetAmbiguousTimeOffsets(time).Max() : zone.GetUtcOffset(time));
    }

    private static TimeZoneInfo? Zone(string name, TimeZoneInfo local) => name switch
    {
        Recurrence.Local => local,
        Recurrence.Utc => TimeZoneInfo.Utc,
        _ => TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null,
    };
}
