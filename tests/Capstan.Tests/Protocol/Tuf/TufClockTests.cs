using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>Clocks that are years off, on either side. Versions keep from going back; times only decide whether new orders are taken.</summary>
public sealed class TufClockTests
{
    private static readonly TimeSpan Years = TimeSpan.FromDays(3000);

    [Fact]
    public async Task A_client_years_behind_uses_the_time_that_the_site_signed()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Jump(world.Time.GetUtcNow() - Years);

        var update = await world.RefreshAsync();

        Assert.Equal(TufState.Unchanged, update.State);
        Assert.Equal(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero), update.SignedAt);
    }

    [Fact]
    public async Task A_client_years_ahead_takes_no_new_orders_and_recovers_with_its_clock()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Jump(world.Time.GetUtcNow() + Years);
        Assert.Equal(TufState.Stale, (await world.RefreshAsync()).State);
        Assert.True((await world.Client.ReadTargetAsync("policy/a.json", 100, default))!.IsStale);

        world.Time.Jump(world.Time.GetUtcNow() - Years);

        Assert.Equal(TufState.Unchanged, (await world.RefreshAsync()).State);
        Assert.False((await world.Client.ReadTargetAsync("policy/a.json", 100, default))!.IsStale);
    }

    [Fact]
    public async Task A_site_whose_clock_ran_years_ahead_recovers_with_the_next_publish()
    {
        var world = await TufWorld.RunningAsync();
        var sane = world.Time.GetUtcNow();
        var ahead = sane + TimeSpan.FromDays(4000);
        world.Set("policy/a.json", "policy from the future");
        world.Cap.Write(world.Repository.Publish(world.Keys, ahead, 0));
        // The root of ten years is over by the time that the site signed.
        Assert.Equal(TufState.Stale, (await world.RefreshAsync()).State);

        world.Set("policy/a.json", "policy of today");
        world.Cap.Write(world.Repository.Publish(world.Keys, sane, 0));
        var update = await world.RefreshAsync();

        Assert.Equal((TufState.Updated, sane, ahead.ToUnixTimeSeconds() + 1), (update.State, update.SignedAt, update.TimestampVersion));
        Assert.Equal("policy of today", await world.ReadAsync("policy/a.json"));
    }

    [Fact]
    public async Task A_new_client_that_finds_a_stale_timestamp_keeps_it_and_says_so()
    {
        var world = new TufWorld();
        world.Set("site/site.json", "site");
        world.Publish();
        world.Time.Advance(TimeSpan.FromDays(31));
        await world.EnrolAsync();

        Assert.Equal(TufState.Stale, (await world.RefreshAsync()).State);
        Assert.Equal("site", await world.ReadAsync("site/site.json"));
        world.Publish();
        Assert.Equal(TufState.Updated, (await world.RefreshAsync()).State);
    }

    [Fact]
    public async Task An_expired_root_is_stale_until_a_new_one_is_signed()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Advance(TimeSpan.FromDays(3651));
        world.Publish();
        Assert.Equal(TufState.Stale, (await world.RefreshAsync()).State);

        var root = world.Keys.ByRole["root"];
        world.Repository.RotateRoot([root], [root], 1, world.Keys, world.Time.GetUtcNow());
        world.Publish();

        Assert.Equal(TufState.Updated, (await world.RefreshAsync()).State);
    }
}
