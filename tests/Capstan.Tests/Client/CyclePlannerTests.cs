using Capstan.Client.Configuration;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client;

public sealed class CyclePlannerTests
{
    private static readonly TimeSpan Now = TimeSpan.FromHours(1);

    private static readonly CycleFacts Quiet = new()
    {
        Lifecycle = ClientLifecycle.Approved,
        Intervals = CycleIntervals.Default,
        Ordinal = 0,
        LastPoll = Now,
        LastComplete = Now,
        LastHeartbeat = Now,
        LastInventory = Now,
    };

    [Fact]
    public void When_nothing_is_due_the_plan_is_to_wait_for_the_next_poll()
    {
        var plan = CyclePlanner.Plan(Quiet, Now);
        Assert.False(plan.Contact);
        Assert.InRange(plan.Wake - Now, TimeSpan.FromMinutes(2.5), TimeSpan.FromMinutes(7.5));
    }

    [Fact]
    public void A_due_poll_is_a_pointer_poll_and_nothing_else()
    {
        var plan = CyclePlanner.Plan(Quiet, Now + TimeSpan.FromMinutes(8));
        Assert.Equal(new CyclePlan(Contact: true, Complete: false, Heartbeat: false, Inventory: false, ReadReceipts: false, Now + TimeSpan.FromMinutes(8)), plan);
    }

    [Fact]
    public void A_new_client_polls_at_once_and_reports_nothing_before_it_is_approved()
    {
        var plan = CyclePlanner.Plan(new CycleFacts { Lifecycle = ClientLifecycle.Installed, Intervals = CycleIntervals.Default }, TimeSpan.Zero);
        Assert.True(plan.Contact);
        Assert.False(plan.Complete || plan.Heartbeat || plan.Inventory);
    }

    [Fact]
    public void A_client_that_waits_for_approval_reads_receipts_once_a_cycle()
    {
        var facts = new CycleFacts
        {
            Lifecycle = ClientLifecycle.Installed,
            Intervals = CycleIntervals.Default,
            LastPoll = Now,
            LastComplete = Now,
            NextApprovalPoll = Now + TimeSpan.FromDays(30),
        };
        Assert.False(CyclePlanner.Plan(facts, Now + TimeSpan.FromHours(22)).Contact);
        var plan = CyclePlanner.Plan(facts, Now + CycleIntervals.Default.Complete);
        Assert.True(plan.Contact && plan.Complete && plan.ReadReceipts);
        Assert.False(plan.Heartbeat || plan.Inventory);
    }

    [Fact]
    public void An_approved_client_sends_heartbeat_and_inventory_at_once()
    {
        var plan = CyclePlanner.Plan(Quiet with { LastHeartbeat = null, LastInventory = null }, Now);
        Assert.True(plan.Contact && plan.Heartbeat && plan.Inventory);
        Assert.False(plan.Complete);
    }

    [Fact]
    public void Receipts_are_read_while_records_are_unacknowledged_and_with_each_complete_cycle()
    {
        var due = Now + TimeSpan.FromMinutes(8);
        Assert.True(CyclePlanner.Plan(Quiet with { Unacknowledged = true }, due).ReadReceipts);
        var complete = CyclePlanner.Plan(Quiet with { LastComplete = null }, due);
        Assert.True(complete.Complete && complete.ReadReceipts);
    }

    [Fact]
    public void After_a_failure_nothing_touches_a_CAP_before_the_next_try()
    {
        var facts = Quiet with { LastPoll = null, LastHeartbeat = null, UploadWaits = true, RetryAt = Now + TimeSpan.FromSeconds(30) };
        var plan = CyclePlanner.Plan(facts, Now);
        Assert.False(plan.Contact);
        Assert.Equal(Now + TimeSpan.FromSeconds(30), plan.Wake);
        Assert.True(CyclePlanner.Plan(facts, Now + TimeSpan.FromSeconds(30)).Contact);
    }

    [Fact]
    public void A_retired_client_looks_hourly_and_reports_nothing()
    {
        var facts = Quiet with { Lifecycle = ClientLifecycle.Retired, LastHeartbeat = null, LastInventory = null, UploadWaits = true };
        Assert.Equal(Now + TimeSpan.FromHours(1), CyclePlanner.Plan(facts, Now).Wake);
        var later = CyclePlanner.Plan(facts, Now + TimeSpan.FromHours(1));
        Assert.True(later.Contact);
        Assert.False(later.Heartbeat || later.Inventory || later.Complete);
    }

    [Fact]
    public void A_plan_either_acts_now_or_wakes_later_and_is_a_pure_function() =>
        Prop.ForAll(Facts(), facts =>
        {
            var plan = CyclePlanner.Plan(facts, Now);
            var again = CyclePlanner.Plan(facts, Now);
            var idle = !(plan.Complete || plan.Heartbeat || plan.Inventory || plan.ReadReceipts);
            return plan == again && (plan.Contact ? plan.Wake == Now : plan.Wake > Now && idle);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Work_that_was_just_done_is_not_due_again() =>
        Prop.ForAll(Facts(), facts =>
        {
            var done = facts with
            {
                LastPoll = Now,
                LastComplete = Now,
                LastHeartbeat = Now,
                LastInventory = Now,
                NextApprovalPoll = Now + TimeSpan.FromSeconds(1),
                RetryAt = null,
                UploadWaits = false,
            };
            return !CyclePlanner.Plan(done, Now).Contact;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0, 0.0)]
    [InlineData(1, 0.5)]
    [InlineData(2, 0.25)]
    [InlineData(3, 0.75)]
    [InlineData(4, 0.125)]
    [InlineData(6, 0.375)]
    public void The_phase_is_the_bit_reversal_of_the_ordinal(long ordinal, double fraction) => Assert.Equal(fraction, EvenPhase.Fraction(ordinal));

    [Theory]
    [InlineData(16)]
    [InlineData(100)]
    [InlineData(1000)]
    public void However_many_devices_there_are_their_phases_are_even(int devices)
    {
        // In each of 8 parts of the window the count is the mean, one more or less for each level of the reversal.
        var parts = Enumerable.Range(0, devices).GroupBy(n => (int)(EvenPhase.Fraction(n) * 8)).Select(part => part.Count()).ToList();
        Assert.Equal(8, parts.Count);
        Assert.InRange(parts.Max() - parts.Min(), 0, 1);
    }

    [Fact]
    public void A_poll_in_phase_is_followed_by_the_next_one_window_later() =>
        Prop.ForAll(Phases(), phase =>
        {
            var (last, window, ordinal, origin) = phase;
            var first = EvenPhase.Next(last, window, ordinal, origin);
            var gap = first - last;
            return gap >= window / 2 && gap <= window * 1.5 && EvenPhase.Next(first, window, ordinal, origin) - first == window;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_fleet_that_verified_at_one_moment_spreads_over_the_whole_cycle()
    {
        // All 64 were switched on together; the windows of each part of the cycle are as full as the others.
        var due = Enumerable.Range(0, 64).Select(ordinal => CompleteAt(Quiet with { Ordinal = ordinal })).ToList();
        Assert.All(due, moment => Assert.InRange(moment - Now, CycleIntervals.Default.Complete / 2, CycleIntervals.Default.Complete * 1.5));
        var parts = due.GroupBy(moment => (moment - Now).Ticks % CycleIntervals.Default.Complete.Ticks * 8 / CycleIntervals.Default.Complete.Ticks).Select(part => part.Count()).ToList();
        Assert.Equal(8, parts.Count);
        Assert.InRange(parts.Max() - parts.Min(), 0, 2);
    }

    [Fact]
    public void A_device_verifies_once_in_each_cycle_at_the_same_place()
    {
        var first = CompleteAt(Quiet with { Ordinal = 11 });
        Assert.Equal(first + CycleIntervals.Default.Complete, CompleteAt(Quiet with { Ordinal = 11, LastComplete = first }));
    }

    private static TimeSpan CompleteAt(CycleFacts facts)
    {
        // Nothing else is ever due.
        var only = facts with { LastPoll = TimeSpan.FromDays(300), LastHeartbeat = TimeSpan.FromDays(300), LastInventory = TimeSpan.FromDays(300) };
        var plan = CyclePlanner.Plan(only, Now);
        Assert.True(CyclePlanner.Plan(only, plan.Wake).Complete);
        return plan.Wake;
    }

    [Fact]
    public void Retries_stay_between_five_seconds_and_their_ceiling() =>
        Prop.ForAll(Gen.Zip(Gen.Choose(0, 2_000_000), Gen.Zip(Gen.Choose(0, 1000), ArbMap.Default.GeneratorFor<bool>())).ToArbitrary(), pair =>
        {
            var (previous, (chance, local)) = pair;
            var pause = Backoff.Retry(TimeSpan.FromMilliseconds(previous), local, chance / 1000.0);
            return pause >= TimeSpan.FromSeconds(5) && pause <= (local ? TimeSpan.FromSeconds(60) : TimeSpan.FromMinutes(15));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_wait_for_approval_grows_from_one_second_to_a_minute_on_local_storage()
    {
        Assert.Equal(TimeSpan.FromSeconds(1), Backoff.Approval(0, localStorage: true, 0));
        Assert.Equal(TimeSpan.FromSeconds(60), Backoff.Approval(1000, localStorage: true, 1));
        Assert.Equal(TimeSpan.FromSeconds(30), Backoff.Approval(0, localStorage: false, 0));
        Assert.Equal(TimeSpan.FromMinutes(15), Backoff.Approval(1000, localStorage: false, 1));
    }

    private static Arbitrary<CycleFacts> Facts()
    {
        var moment = Gen.OneOf(Gen.Constant<TimeSpan?>(null), Gen.Choose(0, 3600).Select(seconds => (TimeSpan?)TimeSpan.FromSeconds(seconds)));
        var generator =
            from lifecycle in Gen.Elements(ClientLifecycle.Installed, ClientLifecycle.Approved, ClientLifecycle.Retired)
            from poll in moment
            from complete in moment
            from heartbeat in moment
            from inventory in moment
            from approval in moment
            from retry in Gen.OneOf(Gen.Constant<TimeSpan?>(null), Gen.Choose(3000, 9000).Select(seconds => (TimeSpan?)TimeSpan.FromSeconds(seconds)))
            from ordinal in Gen.OneOf(Gen.Constant<long?>(null), Gen.Choose(0, 20_000).Select(n => (long?)n))
            from upload in ArbMap.Default.GeneratorFor<bool>()
            from unacknowledged in ArbMap.Default.GeneratorFor<bool>()
            select new CycleFacts
            {
                Lifecycle = lifecycle,
                Intervals = CycleIntervals.Default,
                Ordinal = ordinal,
                LastPoll = poll,
                LastComplete = complete,
                LastHeartbeat = heartbeat,
                LastInventory = inventory,
                NextApprovalPoll = approval,
                RetryAt = retry,
                UploadWaits = upload,
                Unacknowledged = unacknowledged,
            };
        return generator.ToArbitrary();
    }

    private static Arbitrary<(TimeSpan Last, TimeSpan Window, long Ordinal, TimeSpan Origin)> Phases() =>
        (from last in Gen.Choose(0, 1_000_000)
         from window in Gen.Choose(5, 90_000)
         from ordinal in Gen.Choose(0, 1_000_000)
         from origin in Gen.Choose(int.MinValue, int.MaxValue)
         select (TimeSpan.FromMilliseconds(last), TimeSpan.FromSeconds(window), (long)ordinal, TimeSpan.FromSeconds(origin))).ToArbitrary();
}
