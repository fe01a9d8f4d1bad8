using Capstan.Nal.Arbiter.Core;

namespace Capstan.Tests.Nal.Arbiter.Core;

public sealed class ServerCoreTests
{
    private static readonly ConnectionKey One = CoreRun.One;
    private static readonly ConnectionKey Two = CoreRun.Two;

    private readonly CoreRun _run = new(new ServerRules { MaxWaiting = 2 });

    [Fact]
    public void The_first_request_claims_a_slot_and_connects_on_it_and_the_second_shares_the_attempt()
    {
        Assert.Equal([new ArbiterAction.ClaimSlot(1, One)], _run.Ask(1, One));
        Assert.Equal([new ArbiterAction.Connect(1, One, 1)], _run.SlotTaken(1));
        Assert.Empty(_run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Grant(1, One), new ArbiterAction.Grant(2, One)], _run.Connected(1));
        Assert.Equal([new ArbiterAction.Grant(3, One)], _run.Ask(3, One));
    }

    [Fact]
    public void A_failed_attempt_fails_for_all_who_waited_and_the_next_request_connects_anew()
    {
        _run.Ask(1, One);
        _run.Ask(2, One);
        _run.SlotTaken(1);
        Assert.Equal([new ArbiterAction.Fail(1, One), new ArbiterAction.Fail(2, One)], _run.ConnectFailed(1));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], _run.Ask(3, One));
    }

    [Fact]
    public void A_caller_who_gives_up_leaves_the_attempt_to_the_next_one()
    {
        _run.Ask(1, One);
        _run.SlotTaken(1);
        Assert.Empty(_run.Release(1));
        Assert.Empty(_run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Grant(2, One)], _run.Connected(1));
    }

    [Fact]
    public void An_attempt_that_nobody_waits_for_any_more_is_closed()
    {
        _run.Ask(1, One);
        _run.SlotTaken(1);
        _run.Release(1);
        Assert.Equal([new ArbiterAction.Close(1, One)], _run.Connected(1));
    }

    [Fact]
    public void The_last_lease_closes_and_giving_back_twice_is_as_once()
    {
        _run.Open();
        _run.Ask(2, One);
        Assert.Empty(_run.Release(1));
        Assert.Empty(_run.Release(1));
        Assert.Equal([new ArbiterAction.Close(1, One)], _run.Release(2));
        Assert.Empty(_run.Closed(1));
        Assert.Empty(_run.Closed(1));
        Assert.True(_run.Core.IsEmpty);
    }

    [Fact]
    public void Whoever_comes_while_it_closes_waits_for_the_end_and_connects_anew()
    {
        _run.Open();
        _run.Release(1);
        Assert.Empty(_run.Ask(2, One));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], _run.Closed(1));
    }

    [Fact]
    public void Another_account_waits_in_turn_and_nobody_overtakes_it()
    {
        _run.Open();
        Assert.Empty(_run.Ask(2, Two));
        Assert.Empty(_run.Ask(3, One));
        Assert.Equal([new ArbiterAction.Close(1, One)], _run.Release(1));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, Two)], _run.Closed(1));
        Assert.Equal([new ArbiterAction.Connect(2, Two, 2)], _run.SlotTaken(2));
        Assert.Equal([new ArbiterAction.Grant(2, Two)], _run.Connected(2));
        Assert.Equal([new ArbiterAction.Close(2, Two)], _run.Release(2));
        Assert.Equal([new ArbiterAction.ClaimSlot(3, One)], _run.Closed(2));
    }

    [Fact]
    public void A_budget_of_two_serves_two_accounts_at_once()
    {
        var run = new CoreRun(new ServerRules { Budget = 2 }).Open();
        Assert.Equal([new ArbiterAction.ClaimSlot(2, Two)], run.Ask(2, Two));
    }

    [Fact]
    public void What_is_open_beyond_a_lowered_budget_stays_until_it_is_given_back()
    {
        var run = new CoreRun(new ServerRules { Budget = 2 }).Open();
        run.Ask(2, Two);
        run.SlotTaken(2);
        run.Connected(2);
        run.Core.Rules = new ServerRules();
        Assert.Empty(run.Tick(TimeSpan.FromSeconds(1)));
        Assert.Equal([new ArbiterAction.Close(1, One)], run.Release(1));
        Assert.Empty(run.Closed(1));
        Assert.Empty(run.Ask(3, One));
        Assert.Equal([new ArbiterAction.Close(2, Two)], run.Release(2));
        Assert.Equal([new ArbiterAction.ClaimSlot(3, One)], run.Closed(2));
    }

    [Fact]
    public void The_queue_is_bounded_and_says_who_is_in_the_way()
    {
        _run.Open();
        _run.Ask(2, Two);
        _run.Now = TimeSpan.FromSeconds(7);
        _run.Ask(3, Two);
        var refused = Refused(_run.Ask(4, Two));
        Assert.Equal(RefusalKind.QueueFull, refused.Kind);
        Assert.Equal((1, 1, 2, TimeSpan.Zero, null), (refused.Reading.Limit, refused.Reading.Used, refused.Reading.Waiting, refused.Reading.Waited, refused.Reading.RetryAt));
        Assert.Equal(["c1"], refused.Reading.Holders);
    }

    [Fact]
    public void Those_who_share_an_attempt_are_bounded_as_the_queue_is()
    {
        // One whose attempt it is, two beside it, two in the queue.
        for (var request = 1; request <= 5; request++)
            Assert.All(_run.Ask(request, One), action => Assert.IsType<ArbiterAction.ClaimSlot>(action));
        Assert.Equal(RefusalKind.QueueFull, Refused(_run.Ask(6, One)).Kind);
        _run.SlotTaken(1);
        Assert.Equal([1, 2, 3, 4, 5], _run.Connected(1).Cast<ArbiterAction.Grant>().Select(grant => grant.Request));
    }

    [Fact]
    public void Whoever_may_not_queue_is_refused_at_once()
    {
        _run.Open();
        Assert.Equal(RefusalKind.Busy, Refused(_run.Ask(2, Two, mayQueue: false)).Kind);
    }

    [Fact]
    public void Whoever_may_not_queue_still_awaits_an_attempt_that_is_under_way()
    {
        _run.Ask(1, One);
        Assert.Empty(_run.Ask(2, One, mayQueue: false));
        _run.SlotTaken(1);
        Assert.Empty(_run.Ask(3, One, mayQueue: false));
        Assert.Equal(3, _run.Connected(1).Count);
    }

    [Fact]
    public void Time_ends_requests_in_the_queue_and_in_the_attempt()
    {
        var soon = TimeSpan.FromSeconds(30);
        _run.Ask(1, One, deadline: soon);
        _run.Ask(2, Two, deadline: soon);
        _run.SlotTaken(1);
        Assert.Empty(_run.Tick(soon - TimeSpan.FromTicks(1)));
        Assert.Equal([(1, RefusalKind.WaitedForAnswer), (2, RefusalKind.WaitedForSlot)],
            _run.Tick(soon).Cast<ArbiterAction.Refuse>().Select(action => (action.Request, action.Kind)));
    }

    [Fact]
    public void Time_ends_a_request_in_the_machines_line_and_leaves_its_place_to_the_next()
    {
        _run.Ask(1, One, deadline: TimeSpan.FromSeconds(30));
        Assert.Equal([new ArbiterAction.StandInLine(1, One)], _run.SlotBusy(1));
        Assert.Equal(RefusalKind.WaitedForSlot, Refused(_run.Tick(TimeSpan.FromSeconds(30))).Kind);
        Assert.Empty(_run.Ask(2, One));
        Assert.Equal([new ArbiterAction.Connect(1, One, 2)], _run.SlotTaken(1));
    }

    [Fact]
    public void A_place_in_line_that_nobody_waits_for_serves_another_account()
    {
        _run.Ask(1, One);
        _run.SlotBusy(1);
        Assert.Empty(_run.Ask(2, Two));
        // At once, not with the next tick.
        Assert.Empty(_run.Release(1));
        Assert.Equal((1, Two, ConnectionState.InLine), (_run.Only.Claim, _run.Only.Key, _run.Only.State));
        Assert.Equal([new ArbiterAction.Connect(1, Two, 2)], _run.SlotTaken(1));
    }

    [Fact]
    public void A_slot_for_a_place_that_nobody_needs_any_more_is_given_back()
    {
        _run.Ask(1, One);
        _run.SlotBusy(1);
        _run.Release(1);
        Assert.Equal([new ArbiterAction.ReturnSlot(1)], _run.SlotTaken(1));
        Assert.True(_run.Core.IsEmpty);
        // And one that comes for a claim of the past.
        Assert.Equal([new ArbiterAction.ReturnSlot(1)], _run.SlotTaken(1));
    }

    [Fact]
    public void A_slot_in_use_is_not_given_back_when_it_is_reported_twice()
    {
        _run.Ask(1, One);
        _run.SlotTaken(1);
        Assert.Empty(_run.SlotTaken(1));
        _run.Connected(1);
        Assert.Empty(_run.SlotTaken(1));
        _run.Release(1);
        Assert.Empty(_run.SlotTaken(1));
    }

    [Fact]
    public void Where_every_slot_is_taken_only_those_who_may_queue_stand_in_line()
    {
        _run.Ask(1, One, mayQueue: false);
        _run.Ask(2, One);
        var actions = _run.SlotBusy(1);
        Assert.Equal((1, RefusalKind.Busy), (((ArbiterAction.Refuse)actions[0]).Request, ((ArbiterAction.Refuse)actions[0]).Kind));
        Assert.Equal(new ArbiterAction.StandInLine(1, One), actions[1]);
        Assert.Equal(RefusalKind.Busy, Refused(_run.Ask(3, One, mayQueue: false)).Kind);
        Assert.Equal([new ArbiterAction.Connect(1, One, 2)], _run.SlotTaken(1));
    }

    [Fact]
    public void Where_every_slot_is_taken_and_nobody_may_queue_nobody_stands_in_line()
    {
        _run.Ask(1, One, mayQueue: false);
        Assert.Equal(RefusalKind.Busy, Refused(_run.SlotBusy(1)).Kind);
        Assert.True(_run.Core.IsEmpty);
    }

    [Fact]
    public void Without_slots_all_who_asked_fail_whether_they_stood_in_line_or_not()
    {
        _run.Ask(1, One);
        Assert.Equal([new ArbiterAction.Fail(1, One)], _run.SlotFailed(1));
        _run.Ask(2, One);
        _run.SlotBusy(2);
        _run.Ask(3, Two);
        Assert.Equal([new ArbiterAction.Fail(2, One), new ArbiterAction.ClaimSlot(3, Two)], _run.SlotFailed(2));
    }

    [Fact]
    public void What_nobody_counts_needs_no_slot_and_has_no_limit_in_time()
    {
        var local = new ConnectionKey("LOCAL", null, "", @"LOCAL:\\a\");
        var run = new CoreRun(ServerRules.Uncounted);
        Assert.Equal([new ArbiterAction.Connect(1, local, 1)], run.Ask(1, local));
        run.Connected(1);
        Assert.Empty(run.Tick(TimeSpan.FromDays(400)));
        Assert.Equal([new ArbiterAction.Grant(2, local)], run.Ask(2, local, deadline: TimeSpan.FromDays(500)));
    }

    [Fact]
    public void A_broken_connection_ends_its_leases_and_is_never_granted_again()
    {
        _run.Open();
        _run.Ask(2, One);
        Assert.Equal([new ArbiterAction.Lose(1, One, LossKind.Broken), new ArbiterAction.Lose(2, One, LossKind.Broken), new ArbiterAction.Close(1, One)], _run.Broken(1));
        Assert.False(_run.Core.IsOpen(One));
        Assert.Empty(_run.Ask(3, One));
        Assert.Empty(_run.Release(1));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], _run.Closed(1));
    }

    [Fact]
    public void A_warm_connection_that_breaks_is_kept_by_nobody()
    {
        _run.Open(keepWarm: true).Release(1);
        Assert.Equal([new ArbiterAction.Close(1, One)], _run.Broken(1));
        Assert.Empty(_run.Closed(1));
        Assert.True(_run.Core.IsEmpty);
    }

    [Fact]
    public void What_breaks_while_it_closes_or_is_not_there_changes_nothing()
    {
        Assert.Empty(_run.Broken(1));
        _run.Ask(1, One);
        _run.SlotTaken(1);
        Assert.Empty(_run.Broken(1));
        _run.Connected(1);
        _run.Release(1);
        Assert.Empty(_run.Broken(1));
        Assert.Equal(ConnectionState.Closing, _run.Only.State);
    }

    [Fact]
    public void Events_of_an_earlier_connection_do_not_touch_the_present_one()
    {
        _run.Open().Release(1);
        _run.Closed(1);
        _run.Ask(2, One);
        _run.SlotTaken(2);
        _run.Connected(2);
        Assert.Empty(_run.Broken(1));
        Assert.Empty(_run.Closed(1));
        Assert.Empty(_run.Connected(1));
        Assert.Empty(_run.ConnectFailed(1));
        Assert.Equal((2, ConnectionState.Open, 1), (_run.Only.Claim, _run.Only.State, _run.Only.ReferenceCount));
    }

    [Theory]
    [InlineData("absent", 0)]
    [InlineData("claiming", 1)]
    [InlineData("in line", 1)]
    [InlineData("connecting", 1)]
    [InlineData("closing", 0)]
    [InlineData("full", 1)]
    public void Stop_ends_all_who_wait_and_grants_nothing_afterwards(string state, int failed)
    {
        if (state != "absent")
            _run.Ask(1, One);
        if (state == "in line")
            _run.SlotBusy(1);
        if (state is "connecting" or "closing" or "full")
            _run.SlotTaken(1);
        if (state == "closing")
        {
            _run.Connected(1);
            _run.Release(1);
        }
        if (state == "full")
            _run.ConnectFailed(1, TimeSpan.FromMinutes(1));
        Assert.Equal(failed, _run.Stop().OfType<ArbiterAction.Fail>().Count());
        Assert.Empty(_run.Stop());
        Assert.Throws<ObjectDisposedException>(() => _run.Ask(9, One));
        // The shell reports what was under way.
        Assert.Empty(state switch
        {
            "claiming" or "in line" => _run.SlotFailed(1),
            "connecting" => _run.ConnectFailed(1, TimeSpan.FromMinutes(1)),
            _ => _run.Closed(1),
        });
        Assert.True(_run.Core.IsEmpty);
    }

    [Fact]
    public void Stop_closes_what_is_open_or_lingers_at_once_and_what_is_connecting_when_it_is_connected()
    {
        var run = new CoreRun(new ServerRules { Budget = 3, Linger = TimeSpan.FromMinutes(1) }).Open(keepWarm: true);
        run.Release(1);
        run.Ask(2, Two);
        run.SlotTaken(2);
        run.Connected(2);
        var three = One with { Account = "three" };
        run.Ask(3, three);
        run.SlotTaken(3);
        Assert.Equal([new ArbiterAction.Close(1, One), new ArbiterAction.Close(2, Two), new ArbiterAction.Fail(3, three)], run.Stop());
        Assert.Equal([new ArbiterAction.Close(3, three)], run.Connected(3));
        Assert.Empty(run.Release(2));
    }

    [Fact]
    public void A_slot_that_comes_after_the_stop_is_given_back()
    {
        _run.Ask(1, One);
        _run.Stop();
        Assert.Equal([new ArbiterAction.ReturnSlot(1)], _run.SlotTaken(1));
        Assert.True(_run.Core.IsEmpty);
    }

    private static ArbiterAction.Refuse Refused(List<ArbiterAction> actions) => Assert.IsType<ArbiterAction.Refuse>(Assert.Single(actions));
}
