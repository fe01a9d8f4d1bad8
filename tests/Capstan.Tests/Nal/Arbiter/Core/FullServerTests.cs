using Capstan.Nal.Arbiter.Core;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>A server that refuses for capacity is asked again by one request, for all who wait.</summary>
public sealed class FullServerTests
{
    private static readonly ConnectionKey One = CoreRun.One;
    private static readonly ConnectionKey Two = CoreRun.Two;
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private readonly CoreRun _run = new(new ServerRules { MaxWaiting = 4 });

    [Fact]
    public void Whoever_can_wait_for_the_next_try_waits_in_order_and_the_others_are_refused()
    {
        _run.Ask(1, One);
        _run.Ask(2, One, deadline: Retry);
        _run.Ask(3, One, mayQueue: false);
        _run.Ask(4, One, deadline: Retry + TimeSpan.FromTicks(1));
        _run.SlotTaken(1);
        var refused = _run.ConnectFailed(1, Retry).Cast<ArbiterAction.Refuse>().ToArray();
        Assert.Equal([(2L, RefusalKind.ServerFull, Retry), (3L, RefusalKind.ServerFull, Retry)], refused.Select(action => (action.Request, action.Kind, action.Reading.RetryAt!.Value)));
        Assert.Equal(Retry, _run.Core.RetryAt);
        Assert.Empty(_run.Core.Read());
        Assert.False(_run.Core.IsEmpty);
        // One try; then all have joined.
        Assert.Empty(_run.Tick(Retry - TimeSpan.FromTicks(1)));
        Assert.Equal([new ArbiterAction.ClaimSlot(2, One)], _run.Tick(Retry));
        Assert.Equal([new ArbiterAction.Connect(2, One, 1)], _run.SlotTaken(2));
        Assert.Equal([new ArbiterAction.Grant(1, One), new ArbiterAction.Grant(4, One)], _run.Connected(2));
        Assert.Null(_run.Core.RetryAt);
    }

    [Fact]
    public void While_it_is_full_newcomers_stand_behind_or_are_refused_with_its_next_try()
    {
        Full(1);
        Assert.Empty(_run.Ask(2, One));
        var refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(_run.Ask(3, Two, mayQueue: false)));
        Assert.Equal((RefusalKind.ServerFull, Retry), (refused.Kind, refused.Reading.RetryAt));
        refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(_run.Ask(4, Two, deadline: Retry)));
        Assert.Equal(RefusalKind.ServerFull, refused.Kind);
    }

    [Fact]
    public void Refused_again_it_is_asked_again_and_those_whose_time_ends_before_are_refused_then()
    {
        Full(1);
        _run.Ask(2, One, deadline: 2 * Retry);
        _run.Tick(Retry);
        _run.SlotTaken(2);
        var refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(_run.ConnectFailed(2, 3 * Retry)));
        Assert.Equal((2, RefusalKind.ServerFull), (refused.Request, refused.Kind));
        Assert.Equal([new ArbiterAction.ClaimSlot(3, One)], _run.Tick(3 * Retry));
    }

    [Fact]
    public void Another_account_in_the_queue_is_told_at_its_time_that_the_server_is_full()
    {
        _run.Ask(1, One);
        _run.SlotTaken(1);
        _run.Ask(2, Two, deadline: Retry / 2);
        Assert.Empty(_run.ConnectFailed(1, Retry));
        var refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(_run.Tick(Retry / 2)));
        Assert.Equal((2, RefusalKind.ServerFull, Retry), (refused.Request, refused.Kind, refused.Reading.RetryAt));
    }

    [Fact]
    public void A_slot_that_comes_while_it_is_full_is_given_back_and_its_requests_wait()
    {
        var run = new CoreRun(new ServerRules { Budget = 2 });
        run.Ask(1, One);
        run.Ask(2, Two);
        run.SlotBusy(2);
        run.SlotTaken(1);
        run.ConnectFailed(1, Retry);
        Assert.Equal([new ArbiterAction.ReturnSlot(2)], run.SlotTaken(2));
        Assert.Equal([new ArbiterAction.ClaimSlot(3, Two), new ArbiterAction.ClaimSlot(4, One)], run.Tick(Retry));
    }

    [Fact]
    public void What_is_open_there_is_shared_although_others_wait_for_its_next_try()
    {
        var run = new CoreRun(new ServerRules { Budget = 2 }).Open();
        run.Ask(2, Two);
        run.SlotTaken(2);
        run.ConnectFailed(2, Retry);
        Assert.Equal([new ArbiterAction.Grant(3, One)], run.Ask(3, One));
        // When its time has come the waiting ones are before everybody else.
        run.Now = Retry;
        Assert.Empty(run.Ask(4, One));
        Assert.Equal([new ArbiterAction.ClaimSlot(3, Two), new ArbiterAction.Grant(4, One)], run.Tick(Retry));
    }

    [Fact]
    public void The_time_of_the_next_try_is_forgotten_when_nobody_waits_for_it()
    {
        Full(1);
        _run.Release(1);
        Assert.False(_run.Core.IsEmpty);
        Assert.Empty(_run.Tick(Retry));
        Assert.True(_run.Core.IsEmpty);
    }

    [Fact]
    public void A_next_try_that_is_not_later_is_a_failure_like_any_other()
    {
        _run.Ask(1, One);
        _run.SlotTaken(1);
        _run.Now = Retry;
        Assert.Equal([new ArbiterAction.Fail(1, One)], _run.ConnectFailed(1, Retry));
        Assert.Null(_run.Core.RetryAt);
    }

    private void Full(long request)
    {
        _run.Ask(request, One);
        _run.SlotTaken(1);
        Assert.Empty(_run.ConnectFailed(1, Retry));
    }
}
