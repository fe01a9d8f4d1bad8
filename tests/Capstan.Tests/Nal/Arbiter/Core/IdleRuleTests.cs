using Capstan.Nal.Arbiter.Core;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>How long a connection stays: lingering, warmth, wishes of others, lifetime, the longest lease.</summary>
public sealed class IdleRuleTests
{
    private static readonly ConnectionKey One = CoreRun.One;
    private static readonly ConnectionKey Two = CoreRun.Two;
    private static readonly TimeSpan Tiny = TimeSpan.FromTicks(1);
    private static readonly ServerRules Lingering = new() { Linger = TimeSpan.FromSeconds(60) };

    [Fact]
    public void One_that_lingers_is_shared_again_and_closes_when_its_time_is_over()
    {
        var run = new CoreRun(Lingering).Open();
        Assert.Empty(run.Release(1));
        Assert.Equal(ConnectionState.Idle, run.Only.State);
        run.Now = TimeSpan.FromSeconds(30);
        Assert.Equal([new ArbiterAction.Grant(2, One)], run.Ask(2, One));
        run.Release(2);
        Assert.Empty(run.Tick(TimeSpan.FromSeconds(90) - Tiny));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Tick(TimeSpan.FromSeconds(90)));
    }

    [Fact]
    public void Kept_warm_it_stays_without_a_lease_until_the_wish_is_withdrawn()
    {
        var run = new CoreRun(new ServerRules());
        run.Ask(1, One, "CCIM", keepWarm: true);
        run.SlotTaken(1);
        run.Connected(1);
        run.Ask(2, One, "APM");
        run.Release(1);
        Assert.Empty(run.Release(2));
        Assert.Empty(run.Tick(TimeSpan.FromMinutes(50)));
        Assert.Equal((0, 1), (run.Only.ReferenceCount, run.Only.PersistenceCount));
        run.Ask(3, One, "CCIM");
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(3));
    }

    [Fact]
    public void One_that_nobody_uses_and_that_is_too_old_serves_whoever_may_not_wait_once_more()
    {
        var run = new CoreRun(new ServerRules()).Open(keepWarm: true);
        run.Release(1);
        run.Now = TimeSpan.FromHours(1);
        Assert.Equal([new ArbiterAction.Grant(2, One)], run.Ask(2, One, mayQueue: false));
        Assert.Equal(ConnectionState.Draining, run.Only.State);
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(2));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_that_must_not_stay_closes_with_its_last_lease_however_warm_it_was_to_be_kept(bool isUsed)
    {
        var run = new CoreRun(Lingering).Open(keepWarm: true);
        if (!isUsed)
        {
            run.Release(1);
            Assert.Equal([new ArbiterAction.Close(1, One)], run.Retire(1));
            return;
        }
        Assert.Empty(run.Retire(1));
        Assert.Empty(run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(1));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_that_nobody_uses_gives_way_to_another_account(bool keepWarm)
    {
        var run = new CoreRun(Lingering).Open(keepWarm: keepWarm);
        run.Release(1);
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Ask(2, Two));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, Two)], run.Closed(1));
    }

    [Fact]
    public void Of_several_that_nobody_uses_one_at_a_time_gives_way()
    {
        var run = new CoreRun(Lingering with { Budget = 2 }).Open();
        run.Release(1);
        run.Ask(2, Two);
        run.SlotTaken(2);
        run.Connected(2);
        run.Release(2);
        Assert.Single(run.Ask(3, One with { Account = "three" }));
        Assert.Empty(run.Ask(4, One with { Account = "four" }));
        Assert.Equal([ConnectionState.Closing, ConnectionState.Idle], run.Core.Read().Select(reading => reading.State));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Wanted_by_others_on_the_machine_it_closes_without_a_lease_at_once(bool keepWarm)
    {
        var run = new CoreRun(Lingering).Open(keepWarm: keepWarm);
        run.Tick(TimeSpan.FromSeconds(1), isWanted: true);
        Assert.Equal(ConnectionState.Open, run.Only.State);
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(1));
        run = new CoreRun(Lingering).Open(keepWarm: keepWarm);
        run.Release(1);
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Tick(TimeSpan.FromSeconds(1), isWanted: true));
    }

    [Fact]
    public void Wanted_no_more_it_lingers_as_before()
    {
        var run = new CoreRun(Lingering).Open();
        run.Tick(TimeSpan.FromSeconds(1), isWanted: true);
        run.Tick(TimeSpan.FromSeconds(2));
        Assert.Empty(run.Release(1));
    }

    [Fact]
    public void Wanted_it_drains_after_its_shorter_lifetime_and_nobody_joins_it_any_more()
    {
        var run = new CoreRun(Lingering).Open();
        run.Tick(TimeSpan.FromSeconds(30) - Tiny, isWanted: true);
        Assert.Equal([new ArbiterAction.Grant(2, One)], run.Ask(2, One));
        Assert.Empty(run.Tick(TimeSpan.FromSeconds(30), isWanted: true));
        Assert.Equal(ConnectionState.Draining, run.Only.State);
        Assert.Empty(run.Ask(3, One));
        Assert.Empty(run.Release(1));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(2));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], run.Closed(1));
    }

    [Fact]
    public void A_draining_one_goes_on_draining_when_it_is_wanted_no_more()
    {
        var run = new CoreRun(Lingering).Open();
        run.Tick(TimeSpan.FromSeconds(30), isWanted: true);
        run.Tick(TimeSpan.FromSeconds(31));
        Assert.Empty(run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(1));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_its_lifetime_it_takes_no_further_lease_whether_a_tick_came_or_not(bool ticked)
    {
        var run = new CoreRun(Lingering with { LongestLease = TimeSpan.FromHours(2) }).Open(keepWarm: true);
        run.Now = TimeSpan.FromHours(1);
        if (ticked)
            run.Tick(run.Now);
        Assert.Empty(run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(1));
    }

    [Fact]
    public void An_idle_one_that_lived_long_enough_is_replaced_by_the_next_request()
    {
        var run = new CoreRun(Lingering).Open(keepWarm: true);
        run.Release(1);
        run.Now = TimeSpan.FromHours(1);
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Ask(2, One));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], run.Closed(1));
    }

    [Fact]
    public void A_lease_that_is_held_too_long_ends_without_its_holder_and_the_others_go_on()
    {
        var run = new CoreRun(new ServerRules { LongestLease = TimeSpan.FromMinutes(10) }).Open();
        run.Now = TimeSpan.FromMinutes(1);
        run.Ask(2, One);
        Assert.Empty(run.Tick(TimeSpan.FromMinutes(10) - Tiny));
        Assert.Equal([new ArbiterAction.Lose(1, One, LossKind.HeldTooLong)], run.Tick(TimeSpan.FromMinutes(10)));
        Assert.Equal([new ArbiterAction.Lose(2, One, LossKind.HeldTooLong), new ArbiterAction.Close(1, One)], run.Tick(TimeSpan.FromMinutes(11)));
        Assert.Empty(run.Release(1));
    }
}
