using Capstan.Site.Access;

namespace Capstan.Tests.Site;

public sealed class SignInThrottleTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 0)]
    [InlineData(6, 1)]
    [InlineData(7, 2)]
    [InlineData(10, 16)]
    [InlineData(30, 900)]
    [InlineData(2_000, 900)]
    public void Each_failure_beyond_five_doubles_the_wait_to_a_quarter_of_an_hour(int failures, int seconds)
    {
        var throttle = new SignInThrottle();
        for (var i = 0; i < failures; i++)
            throttle.Failed("anna", $"192.0.2.{i % 200}", Start);
        Assert.Equal(TimeSpan.FromSeconds(seconds), throttle.Wait("anna", "198.51.100.1", Start));
        Assert.Equal(TimeSpan.Zero, throttle.Wait("anna", "198.51.100.1", Start.AddSeconds(seconds)));
    }

    [Fact]
    public void Who_tries_many_names_from_one_address_waits_as_well_and_others_do_not()
    {
        var throttle = new SignInThrottle();
        for (var i = 0; i < 8; i++)
            throttle.Failed($"user{i}", "192.0.2.1", Start);
        Assert.Equal(TimeSpan.FromSeconds(4), throttle.Wait("somebody", "192.0.2.1", Start));
        Assert.Equal(TimeSpan.Zero, throttle.Wait("user1", "192.0.2.2", Start));
    }

    [Fact]
    public void A_success_forgets_the_names_failures_and_an_hour_forgets_all()
    {
        var throttle = new SignInThrottle();
        for (var i = 0; i < 30; i++)
            throttle.Failed("anna", $"192.0.2.{i}", Start);
        throttle.Succeeded("anna");
        Assert.Equal(TimeSpan.Zero, throttle.Wait("anna", "198.51.100.1", Start));
        for (var i = 0; i < 30; i++)
            throttle.Failed("ben", "192.0.2.1", Start);
        Assert.NotEqual(TimeSpan.Zero, throttle.Wait("ben", "192.0.2.1", Start));
        Assert.Equal(TimeSpan.Zero, throttle.Wait("ben", "192.0.2.1", Start.AddHours(2)));
        // A clock that was set back by a year keeps nobody out for one.
        Assert.Equal(TimeSpan.Zero, throttle.Wait("ben", "192.0.2.1", Start.AddYears(-1)));
    }

    [Fact]
    public void What_is_remembered_is_bounded()
    {
        var throttle = new SignInThrottle();
        for (var i = 0; i < SignInThrottle.MaxEntries * 3; i++)
            throttle.Failed($"user{i}", "192.0.2.1", Start.AddMilliseconds(i));
        // The address failed last of all, and is not forgotten.
        Assert.NotEqual(TimeSpan.Zero, throttle.Wait("x", "192.0.2.1", Start.AddSeconds(40)));
    }
}
