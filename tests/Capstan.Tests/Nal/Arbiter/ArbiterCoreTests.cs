using Capstan.Nal.Arbiter;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Arbiter;

public sealed class ArbiterCoreTests
{
    private static readonly ConnectionKey Fs1 = new("MSWNET", "fs1:445", "one", "");
    private static readonly ConnectionKey Fs1Other = Fs1 with { Account = "two" };
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);

    private readonly ArbiterCore _core = new(budgetPerServer: 1, maxWaiting: 2);

    [Fact]
    public void The_first_request_connects_and_the_second_shares_the_attempt()
    {
        Assert.Equal([new ArbiterAction.Connect(Fs1, 1)], Ask(1, Fs1));
        Assert.Empty(Ask(2, Fs1));
        Assert.Equal([new ArbiterAction.Grant(1, Fs1), new ArbiterAction.Grant(2, Fs1)], _core.Connected(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void A_failed_attempt_fails_for_all_who_waited_and_the_next_request_connects_anew()
    {
        Ask(1, Fs1);
        Ask(2, Fs1);
        Assert.Equal([new ArbiterAction.Fail(1, Fs1), new ArbiterAction.Fail(2, Fs1)], _core.ConnectFailed(Fs1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Connect(Fs1, 3)], Ask(3, Fs1));
    }

    [Fact]
    public void A_caller_who_gives_up_leaves_the_attempt_to_the_next_one()
    {
        Ask(1, Fs1);
        Assert.Empty(_core.Release(1, TimeSpan.Zero));
        Assert.Empty(Ask(2, Fs1));
        Assert.Equal([new ArbiterAction.Grant(2, Fs1)], _core.Connected(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void An_attempt_that_nobody_waits_for_any_more_is_closed()
    {
        Ask(1, Fs1);
        _core.Release(1, TimeSpan.Zero);
        Assert.Equal([new ArbiterAction.Close(Fs1)], _core.Connected(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void The_last_lease_closes_and_giving_back_twice_is_as_once()
    {
        Ask(1, Fs1);
        Ask(2, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        Assert.Empty(_core.Release(1, TimeSpan.Zero));
        Assert.Empty(_core.Release(1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Close(Fs1)], _core.Release(2, TimeSpan.Zero));
        Assert.Empty(_core.Closed(Fs1, TimeSpan.Zero));
        Assert.Empty(_core.Read());
    }

    [Fact]
    public void Whoever_comes_while_it_closes_waits_for_the_slot()
    {
        Ask(1, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        _core.Release(1, TimeSpan.Zero);
        Assert.Empty(Ask(2, Fs1));
        Assert.Equal([new ArbiterAction.Connect(Fs1, 2)], _core.Closed(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void Another_account_waits_in_turn_and_nobody_overtakes_it()
    {
        Ask(1, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        Assert.Empty(Ask(2, Fs1Other));
        Assert.Empty(Ask(3, Fs1));
        Assert.Equal([new ArbiterAction.Close(Fs1)], _core.Release(1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Connect(Fs1Other, 2)], _core.Closed(Fs1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Grant(2, Fs1Other)], _core.Connected(Fs1Other, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Close(Fs1Other)], _core.Release(2, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Connect(Fs1, 3)], _core.Closed(Fs1Other, TimeSpan.Zero));
    }

    [Fact]
    public void A_warm_connection_gives_way_to_another_account()
    {
        _core.Request(1, Fs1, "CCIM", keepWarm: true, mayQueue: true, Never, TimeSpan.Zero);
        _core.Connected(Fs1, TimeSpan.Zero);
        Assert.Empty(_core.Release(1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Close(Fs1)], Ask(2, Fs1Other));
        Assert.Equal([new ArbiterAction.Connect(Fs1Other, 2)], _core.Closed(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void The_queue_is_bounded_and_says_who_is_in_the_way()
    {
        Ask(1, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        Ask(2, Fs1Other);
        Ask(3, Fs1Other);
        var refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(Ask(4, Fs1Other)));
        Assert.Equal(RefusalKind.QueueFull, refused.Kind);
        Assert.Equal((1, 1, 2), (refused.Reading.Limit, refused.Reading.Used, refused.Reading.Waiting));
        Assert.Equal(["c1"], refused.Reading.Holders);
    }

    [Fact]
    public void Whoever_may_not_queue_is_refused_at_once()
    {
        Ask(1, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        var refused = Assert.IsType<ArbiterAction.Refuse>(Assert.Single(_core.Request(2, Fs1Other, "c2", keepWarm: false, mayQueue: false, Never, TimeSpan.Zero)));
        Assert.Equal(RefusalKind.Busy, refused.Kind);
    }

    [Fact]
    public void Time_ends_requests_in_the_queue_and_in_the_attempt()
    {
        var soon = TimeSpan.FromSeconds(30);
        _core.Request(1, Fs1, "c1", keepWarm: false, mayQueue: true, soon, TimeSpan.Zero);
        _core.Request(2, Fs1Other, "c2", keepWarm: false, mayQueue: true, soon, TimeSpan.Zero);
        Assert.Empty(_core.Tick(soon - TimeSpan.FromTicks(1)));
        var refused = _core.Tick(soon).Cast<ArbiterAction.Refuse>().ToDictionary(action => action.Request, action => action.Kind);
        Assert.Equal(RefusalKind.WaitedForAnswer, refused[1]);
        Assert.Equal(RefusalKind.WaitedForSlot, refused[2]);
    }

    [Fact]
    public void What_nobody_counts_has_no_budget()
    {
        var local = new ConnectionKey("LOCAL", null, "", @"LOCAL:\\a\");
        Assert.Equal([new ArbiterAction.Connect(local, 1)], Ask(1, local));
        var other = local with { Place = @"LOCAL:\\b\" };
        Assert.Equal([new ArbiterAction.Connect(other, 2)], Ask(2, other));
    }

    [Fact]
    public void A_broken_connection_ends_its_leases_and_is_never_granted_again()
    {
        Ask(1, Fs1);
        Ask(2, Fs1);
        _core.Connected(Fs1, TimeSpan.Zero);
        Assert.Equal([new ArbiterAction.Lose(1, Fs1), new ArbiterAction.Lose(2, Fs1), new ArbiterAction.Close(Fs1)], _core.Broken(Fs1));
        Assert.False(_core.IsOpen(Fs1));
        Assert.Empty(Ask(3, Fs1));
        Assert.Empty(_core.Release(1, TimeSpan.Zero));
        Assert.Equal([new ArbiterAction.Connect(Fs1, 3)], _core.Closed(Fs1, TimeSpan.Zero));
    }

    [Fact]
    public void A_warm_connection_that_breaks_is_kept_by_nobody()
    {
        _core.Request(1, Fs1, "CCIM", keepWarm: true, mayQueue: true, Never, TimeSpan.Zero);
        _core.Connected(Fs1, TimeSpan.Zero);
        _core.Release(1, TimeSpan.Zero);
        Assert.Equal([new ArbiterAction.Close(Fs1)], _core.Broken(Fs1));
        Assert.Empty(_core.Closed(Fs1, TimeSpan.Zero));
        Assert.Empty(_core.Read());
    }

    [Fact]
    public void What_breaks_while_it_closes_or_is_not_there_changes_nothing()
    {
        Assert.Empty(_core.Broken(Fs1));
        Ask(1, Fs1);
        Assert.Empty(_core.Broken(Fs1));
        _core.Connected(Fs1, TimeSpan.Zero);
        _core.Release(1, TimeSpan.Zero);
        Assert.Empty(_core.Broken(Fs1));
        Assert.Equal(ConnectionState.Closing, Assert.Single(_core.Read()).State);
    }

    /// <summary>Design, section 10: 1 (open only while needed) and 2 (never more than the budget), and 3 for requests (each ends, once).</summary>
    [Fact]
    public void No_schedule_breaks_invariants_1_and_2_and_every_request_ends_once() =>
        Prop.ForAll(Gen.Choose(0, 1_000_000).ListOf(120).ToArbitrary(), Gen.Choose(1, 3).ToArbitrary(), (choices, budget) =>
        {
            new Schedule(budget).Run(choices);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithQuietOnSuccess(true));

    private List<ArbiterAction> Ask(long request, ConnectionKey key) =>
        _core.Request(request, key, $"c{request}", keepWarm: false, mayQueue: true, Never, TimeSpan.Zero);

    /// <summary>Plays the shell, the servers and the callers of one random schedule; throws where an invariant is broken.</summary>
    private sealed class Schedule(int budget)
    {
        private readonly ArbiterCore _core = new(budget, maxWaiting: 5);
        private readonly HashSet<ConnectionKey> _attempts = [], _open = [], _closing = [];
        private readonly HashSet<long> _asked = [], _leases = [];
        private readonly Dictionary<long, string> _ended = [];
        private TimeSpan _now;
        private long _last;

        public void Run(IReadOnlyList<int> choices)
        {
            foreach (var choice in choices)
                Step(choice);
            // Progress: when servers answer and holders give back, everything ends.
            for (var round = 0; round < 1_000 && (_attempts.Count + _closing.Count + _leases.Count > 0); round++)
            {
                if (_attempts.Count > 0)
                    Answer(_attempts.First(), works: true);
                else if (_closing.Count > 0)
                    Closed(_closing.First());
                else
                    GiveBack(_leases.First());
            }
            Assert.Empty(_asked);
            // What is left was asked to stay warm.
            Assert.All(_core.Read(), reading => Assert.True(reading.PersistenceCount > 0 && reading.ReferenceCount == 0));
        }

        private void Step(int choice)
        {
            var what = choice % 9;
            var pick = choice / 9;
            if (what <= 2)
                Ask(pick);
            else if (what == 3 && _attempts.Count > 0)
                Answer(_attempts.ElementAt(pick % _attempts.Count), works: pick % 3 != 0);
            else if (what == 4 && _closing.Count > 0)
                Closed(_closing.ElementAt(pick % _closing.Count));
            else if (what == 5 && _leases.Count > 0)
                GiveBack(_leases.ElementAt(pick % _leases.Count));
            else if (what == 6 && _asked.Count > 0)
                Abandon(_asked.ElementAt(pick % _asked.Count));
            else if (what == 7 && _open.Count > 0)
                Do(_core.Broken(_open.ElementAt(pick % _open.Count)));
            else
                Do(_core.Tick(_now += TimeSpan.FromSeconds(pick % 5)));
            Check();
        }

        private void Ask(int pick)
        {
            var key = new ConnectionKey("MSWNET", pick % 2 == 0 ? "fs1:445" : "fs2:445", pick / 2 % 3 == 0 ? "one" : "two", "");
            _asked.Add(++_last);
            Do(_core.Request(_last, key, $"c{pick % 4}", keepWarm: pick % 7 == 0, mayQueue: pick % 5 != 0, _now + TimeSpan.FromSeconds(pick % 20), _now));
        }

        private void Answer(ConnectionKey key, bool works)
        {
            _attempts.Remove(key);
            if (works)
                _open.Add(key);
            Do(works ? _core.Connected(key, _now) : _core.ConnectFailed(key, _now));
        }

        private void Closed(ConnectionKey key)
        {
            _closing.Remove(key);
            Do(_core.Closed(key, _now));
        }

        private void GiveBack(long lease)
        {
            _leases.Remove(lease);
            Do(_core.Release(lease, _now));
        }

        private void Abandon(long request)
        {
            _asked.Remove(request);
            _ended.Add(request, "abandoned");
            Do(_core.Release(request, _now));
        }

        private void Do(List<ArbiterAction> actions)
        {
            foreach (var action in actions)
            {
                switch (action)
                {
                    case ArbiterAction.Connect connect: Assert.True(_attempts.Add(connect.Key)); break;
                    case ArbiterAction.Close close: Assert.True(_open.Remove(close.Key) && _closing.Add(close.Key)); break;
                    case ArbiterAction.Grant grant: End(grant.Request, "granted"); _leases.Add(grant.Request); Assert.Contains(grant.Key, _open); break;
                    case ArbiterAction.Refuse refuse: End(refuse.Request, "refused"); break;
                    case ArbiterAction.Lose lose: Assert.True(_leases.Remove(lose.Request) && _open.Contains(lose.Key)); break;
                    case ArbiterAction.Fail fail: End(fail.Request, "failed"); break;
                }
            }
        }

        private void End(long request, string how)
        {
            Assert.True(_ended.TryAdd(request, how), $"request {request} was {_ended.GetValueOrDefault(request)} and then {how}");
            Assert.True(_asked.Remove(request));
        }

        private void Check()
        {
            foreach (var server in _attempts.Concat(_open).Concat(_closing).GroupBy(key => key.Server))
                Assert.InRange(server.Count(), 0, budget);
            foreach (var reading in _core.Read().Where(reading => reading.State == ConnectionState.Open))
                Assert.True(reading.ReferenceCount + reading.PersistenceCount > 0, $"{reading.Key} is open for nobody");
            Assert.Equal(_leases.Count, _core.Read().Sum(reading => reading.ReferenceCount));
        }
    }
}
