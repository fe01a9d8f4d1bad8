using Capstan.Client.Programs;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

public sealed class ScheduleTests
{
    private static readonly TimeZoneInfo s_berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    // The clock is set forward at 02:00 on 2026-03-29, and back at 03:00 on 2026-10-25.
    [InlineData("2026-03-28", 150, "2026-03-28T01:30:00Z")]
    [InlineData("2026-03-29", 150, "2026-03-29T01:00:00Z")]
    [InlineData("2026-03-30", 150, "2026-03-30T00:30:00Z")]
    [InlineData("2026-10-25", 150, "2026-10-25T00:30:00Z")]
    [InlineData("2026-10-26", 150, "2026-10-26T01:30:00Z")]
    public void Time_of_day_is_once_a_day_whatever_the_clock_does(string day, int minute, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, null), Schedule.At(DateOnly.Parse(day, null), minute, s_berlin));

    [Theory]
    // Received on Monday, 2026-11-16 at noon, UTC.
    [InlineData("2026-11-16T13:00:00Z", null, "2026-11-17T02:00:00Z", null)]
    [InlineData("2026-11-17T02:00:00Z", null, "2026-11-17T02:00:00Z", "2026-11-18T02:00:00Z")]
    [InlineData("2026-11-19T01:59:59Z", null, "2026-11-18T02:00:00Z", "2026-11-19T02:00:00Z")]
    [InlineData("2026-11-16T13:00:00Z", 0, "2026-11-22T02:00:00Z", null)]
    [InlineData("2026-11-25T00:00:00Z", 0, "2026-11-22T02:00:00Z", "2026-11-29T02:00:00Z")]
    public void Calendar_comes_round_from_when_it_was_offered(string now, int? day, string occasion, string? following)
    {
        var known = Known(new Recurrence { MinuteOfDay = 180, DaysOfWeek = day is { } one ? [one] : null, TimeZone = Recurrence.Local }, "2026-11-16T12:00:00Z");
        var schedule = Schedule.Of(known, Time(now), s_berlin)!;

        Assert.Equal((Time(occasion), following is null ? null : (DateTimeOffset?)Time(following)), (schedule.Begins, schedule.Following));
        Assert.Equal(Time(occasion).ToUnixTimeSeconds(), schedule.Occasion);
    }

    [Fact]
    public void Interval_is_counted_from_the_start_and_what_was_missed_is_due_once()
    {
        var known = Known(new Recurrence { EverySeconds = 3_600 }, "2026-11-16T12:00:00Z");

        Assert.Equal(Time("2026-11-16T14:00:00Z"), Schedule.Of(known, Time("2026-11-16T14:59:59Z"), s_berlin)!.Begins);
        Assert.Equal(Time("2026-12-16T14:00:00Z"), Schedule.Of(known, Time("2026-12-16T14:10:00Z"), s_berlin)!.Begins);
    }

    private static KnownAdvertisement Known(Recurrence recurrence, string received) => new() { Document = PlannedMachine.Offer() with { Recurrence = recurrence }, ReceivedAt = Time(received) };

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
