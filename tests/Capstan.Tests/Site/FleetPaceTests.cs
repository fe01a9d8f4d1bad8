using Capstan.Site.Fleet;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site;

/// <summary>Design.md 5: how often a fleet may come to a CAP.</summary>
public sealed class FleetPaceTests
{
    private static readonly TimeSpan TwoSeconds = TimeSpan.FromSeconds(2);

    [Theory]
    [InlineData(0, null, 300)]
    [InlineData(1, null, 300)]
    [InlineData(1_500, null, 300)]
    [InlineData(1_505, null, 301)]
    [InlineData(20_000, null, 4_000)]
    [InlineData(1_000, "per-server:10", 2_000)]
    [InlineData(1_000, "per-server:100", 300)]
    [InlineData(1_000, "per-seat:10", 300)]
    [InlineData(20_000, "per-server:20", 20_000)]
    [InlineData(1_000_000, "per-server:1", 86_400)]
    public void The_fleet_at_the_door_stays_small(int clients, string? licensing, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), FleetPace.Interval(clients, licensing, TwoSeconds));

    [Fact]
    public void Below_a_day_regular_work_uses_a_tenth_of_the_limit_at_most_and_five_logons_a_second() =>
        Prop.ForAll(Fleets(), fleet =>
        {
            var (clients, limit, hold) = fleet;
            var interval = FleetPace.Interval(clients, $"per-server:{limit}", hold);
            var atTheDoor = clients * hold.TotalSeconds / interval.TotalSeconds;
            return interval >= FleetPace.Shortest && interval <= FleetPace.Longest && (interval == FleetPace.Longest
                ? true
                : atTheDoor <= limit * FleetPace.ShareOfLimit + 1e-9 && clients / interval.TotalSeconds <= FleetPace.LogonsPerSecond + 1e-9)
                && (!FleetPace.IsTooSmall(clients, $"per-server:{limit}", hold) || interval == FleetPace.Longest);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void More_clients_longer_holds_and_lower_limits_never_shorten_the_interval() =>
        Prop.ForAll(Fleets(), fleet =>
        {
            var (clients, limit, hold) = fleet;
            var interval = FleetPace.Interval(clients, $"per-server:{limit}", hold);
            return FleetPace.Interval(clients + 100, $"per-server:{limit}", hold) >= interval
                && FleetPace.Interval(clients, $"per-server:{limit + 1}", hold) <= interval
                && FleetPace.Interval(clients, $"per-server:{limit}", hold * 2) >= interval
                && FleetPace.Interval(clients, null, hold) <= interval;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void What_is_published_is_never_notably_wrong_and_does_not_change_for_a_little() =>
        Prop.ForAll(Gen.Zip(Fleet(), Fleet()).ToArbitrary(), pair =>
        {
            var (before, now) = pair;
            var published = FleetPace.Next(null, before.Clients, $"per-server:{before.Limit}", before.Hold);
            var next = FleetPace.Next(published, now.Clients, $"per-server:{now.Limit}", now.Hold);
            var right = FleetPace.Interval(now.Clients, $"per-server:{now.Limit}", now.Hold);
            return IsClose(next.PollInterval, right) && IsClose(next.MeanHold, now.Hold)
                && (!IsClose(published.PollInterval, right) || next.PollInterval == published.PollInterval)
                && FleetPace.Next(next, now.Clients, $"per-server:{now.Limit}", now.Hold) == next;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0, 0, 2_000)]
    [InlineData(9, 90_000, 2_000)]
    [InlineData(10, 15_000, 1_500)]
    [InlineData(1_000, 0, 100)]
    [InlineData(10, 999_999_999, 3_600_000)]
    public void The_hold_is_what_clients_measured_once_they_measured_enough(long connections, long held, double milliseconds) =>
        Assert.Equal(milliseconds, FleetPace.MeanHold(connections, held).TotalMilliseconds);

    private static bool IsClose(TimeSpan published, TimeSpan right) => (right - published).Duration() <= published * FleetPace.Tolerance;

    private static Gen<(int Clients, int Limit, TimeSpan Hold)> Fleet() =>
        from clients in Gen.OneOf(Gen.Choose(0, 300), Gen.Choose(0, 200_000))
        from limit in Gen.OneOf(Gen.Choose(1, 20), Gen.Choose(1, 10_000))
        from hold in Gen.Choose(100, 60_000)
        select (clients, limit, TimeSpan.FromMilliseconds(hold));

    private static Arbitrary<(int Clients, int Limit, TimeSpan Hold)> Fleets() => Fleet().ToArbitrary();
}
