using Capstan.Cli;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Cli;

/// <summary>Times, repetitions, rings and command lines as people write them.</summary>
public sealed class ScheduleTextTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("now", 0)]
    [InlineData("+2h", 7_200)]
    [InlineData("+3d", 259_200)]
    [InlineData("2026-11-22T13:00", 3_600)]
    [InlineData("2026-11-22T13:00+02:00", -3_600)]
    [InlineData("2026-11-23", 43_200)]
    [InlineData("2026-11-22 13:00:01Z", 3_601)]
    public void A_time_is_a_distance_or_a_date_in_utc(string text, long fromNow)
    {
        Assert.True(ScheduleText.TryTime(text, Now, out var seconds));
        Assert.Equal(Now.ToUnixTimeSeconds() + fromNow, seconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("tomorrow")]
    [InlineData("+")]
    [InlineData("-2h")]
    [InlineData("2026-13-01")]
    [InlineData("1/2/2026")]
    [InlineData("12:30")]
    [InlineData("2026-12")]
    [InlineData("20261201")]
    [InlineData("+7")]
    public void What_is_no_time_is_none(string text) => Assert.False(ScheduleText.TryTime(text, Now, out _));

    [Fact]
    public void None_takes_a_time_away()
    {
        Assert.True(ScheduleText.TryTime("none", Now, out var seconds));
        Assert.Equal(0, seconds);
    }

    [Theory]
    [InlineData("12h", 43_200, null, null, null)]
    [InlineData("22:30", null, 1_350, null, "local")]
    [InlineData("mon,thu 22:30", null, 1_350, "1,4", "local")]
    [InlineData("SUN 3:05 Europe/Berlin", null, 185, "0", "Europe/Berlin")]
    [InlineData("03:00 UTC", null, 180, null, "utc")]
    public void A_repetition_is_an_interval_or_a_calendar_with_its_zone(string text, int? every, int? minute, string? days, string? zone)
    {
        Assert.True(ScheduleText.TryEvery(text, out var recurrence));
        Assert.Equal((every, minute, days, zone), (recurrence.EverySeconds, recurrence.MinuteOfDay, recurrence.DaysOfWeek is null ? null : string.Join(',', recurrence.DaysOfWeek), recurrence.TimeZone));
    }

    [Theory]
    [InlineData("30m")]
    [InlineData("7200")]
    [InlineData("400d")]
    [InlineData("24:00")]
    [InlineData("moon 22:30")]
    [InlineData("mon 22:30 Europe/Berlin now")]
    [InlineData("")]
    public void What_is_no_repetition_is_none(string text) => Assert.False(ScheduleText.TryEvery(text, out _));

    [Fact]
    public void Rings_rise_and_end_with_everybody()
    {
        Assert.True(ScheduleText.TryRings("5%,25%@+1d,100%@+3d", Now, out var rings));
        Assert.Equal([new RolloutRing(5, Now.ToUnixTimeSeconds()), new RolloutRing(25, Now.AddDays(1).ToUnixTimeSeconds()), new RolloutRing(100, Now.AddDays(3).ToUnixTimeSeconds())], rings);
        foreach (var text in (string[])["5%", "5,100%", "50%,25%,100%", "5%@+2d,100%@+1d", "0%,100%", "5%@soon,100%", "5%,100%@+3", "5%@none,100%", "100%,100%"])
            Assert.False(ScheduleText.TryRings(text, Now, out _), text);
        Assert.True(ScheduleText.TryRings("none", Now, out rings));
        Assert.Empty(rings);
    }

    [Theory]
    [InlineData("setup.sh --quiet", "setup.sh|--quiet")]
    [InlineData("  bin/x  \"a b\" 'c \"d\"' e\\ f \"\" g'h'i", "bin/x|a b|c \"d\"|e f||ghi")]
    [InlineData("\"a \\\"b\\\" \\\\\"", "a \"b\" \\")]
    [InlineData("$HOME *.txt", "$HOME|*.txt")]
    [InlineData("", "")]
    public void A_command_line_is_cut_as_a_shell_does_and_nothing_is_expanded(string text, string expected) => Assert.Equal(expected, string.Join('|', CommandText.Split(text)!));

    [Theory]
    [InlineData("\"a")]
    [InlineData("'a")]
    [InlineData("a\\")]
    public void An_open_quote_is_refused(string text) => Assert.Null(CommandText.Split(text));
}
