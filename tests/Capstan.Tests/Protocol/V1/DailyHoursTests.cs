using Capstan.Protocol.V1;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.V1;

/// <summary>Hours of each day.</summary>
public sealed class DailyHoursTests
{
    [Theory]
    [InlineData("08:00-17:00", "08:00", "00:00")]
    [InlineData("08:00-17:00", "16:59", "00:00")]
    [InlineData("08:00-17:00", "17:00", "15:00")]
    [InlineData("08:00-17:00", "07:30", "00:30")]
    [InlineData("22:00-06:00", "23:00", "00:00")]
    [InlineData("22:00-06:00", "05:59", "00:00")]
    [InlineData("22:00-06:00", "06:00", "16:00")]
    [InlineData("22:00-06:00", "21:45", "00:15")]
    [InlineData("any", "12:00", "00:00")]
    public void They_hold_or_say_how_long_until_they_do(string hours, string now, string until)
    {
        Assert.True(DailyHours.TryParse(hours, out var parsed));
        Assert.Equal(TimeSpan.Parse(until, System.Globalization.CultureInfo.InvariantCulture), parsed.Until(TimeOnly.Parse(now, System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Fact]
    public void They_hold_at_the_end_of_every_wait_and_have_one_form()
    {
        var minutes = Gen.Choose(0, 1_439).Select(minute => TimeOnly.MinValue.AddMinutes(minute));
        Prop.ForAll(Gen.Zip(Gen.Zip(minutes, minutes), minutes).ToArbitrary(), sample =>
        {
            var ((from, to), now) = sample;
            var hours = new DailyHours(from, to);
            Assert.True(hours.Holds(now.Add(hours.Until(now))));
            Assert.True(DailyHours.TryParse(hours.ToString(), out var again));
            Assert.Equal(hours.ToString(), again.ToString());
        }).QuickCheckThrowOnFailure();
    }
}
