using Capstan.Nal.Arbiter.Core;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>Any order of events keeps the invariants of docs/architecture.md, and everything ends when the world behaves.</summary>
public sealed class ServerCoreScheduleTests
{
    /// <summary>Invariants 1 (open only while needed), 2 (never more than the budget), and 3 for requests (each ends, once).</summary>
    [Fact]
    public void No_schedule_breaks_invariants_1_and_2_and_every_request_ends_once() =>
        Prop.ForAll(Gen.Choose(0, 1_000_000).ListOf(160).ToArbitrary(), Gen.Choose(0, 5).ToArbitrary(), (choices, shape) =>
        {
            new Schedule(budget: 1 + (shape % 3), linger: shape < 3 ? TimeSpan.Zero : TimeSpan.FromSeconds(5)).Run(choices);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(400).WithQuietOnSuccess(true));

    /// <summary>Plays the shell, the machine, the server and the callers of one random schedule; throws where an invariant is broken.</summary>
    private sealed class Schedule(int budget, TimeSpan linger)
    {
        private readonly CoreRun _run = new(new ServerRules
        {
            Budget = budget,
            MaxWaiting = 5,
            Linger = linger,
            Lifetime = TimeSpan.FromSeconds(120),
            LifetimeWhileWanted = TimeSpan.FromSeconds(20),
            LongestLease = TimeSpan.FromSeconds(90),
        });
        private readonly HashSet<long> _claiming = [], _inLine = [], _slots = [], _attempts = [], _open = [], _closing = [], _asked = [], _leases = [];
        private readonly Dictionary<long, string> _ended = [];
        private long _last;
        private bool _stopped;

        public void Run(IReadOnlyList<int> choices)
        {
            foreach (var choice in choices)
                Step(choice);
            // Progress: when slots come, servers answer and holders give back, everything ends.
            for (var round = 0; round < 2_000 && !IsQuiet; round++)
            {
                GoOn();
                Check();
            }
            Assert.Empty(_asked);
            // What is left was asked to stay warm, or lingers.
            _ = Do(_run.Tick(_run.Now + linger));
            Assert.All(_run.Core.Read(), reading => Assert.True(reading.State == ConnectionState.Closing || (reading.PersistenceCount > 0 && reading.ReferenceCount == 0)));
            if (!_stopped)
                _ = Do(_run.Stop());
            while (_closing.Count > 0)
                Closed(_closing.First());
            Assert.True(_run.Core.IsEmpty);
            Assert.Empty(_slots);
        }

        private bool IsQuiet => _claiming.Count + _inLine.Count + _attempts.Count + _closing.Count + _leases.Count + _asked.Count == 0;

        private void GoOn()
        {
            if (_claiming.Count > 0)
                Slot(_claiming.First(), taken: true);
            else if (_inLine.Count > 0)
                Slot(_inLine.First(), taken: true);
            else if (_attempts.Count > 0)
                Answer(_attempts.First(), works: true, isFull: false);
            else if (_closing.Count > 0)
                Closed(_closing.First());
            else if (_leases.Count > 0)
                GiveBack(_leases.First());
            else
                _ = Do(_run.Tick(_run.Now + TimeSpan.FromSeconds(1)));
        }

        private void Step(int choice)
        {
            var what = choice % 16;
            var pick = choice / 16;
            if (what <= 3 && !_stopped)
                Ask(pick);
            else if (what is 4 or 5 && _claiming.Count > 0)
                Claimed(_claiming.ElementAt(pick % _claiming.Count), pick / 7);
            else if (what == 6 && _inLine.Count > 0)
                Slot(_inLine.ElementAt(pick % _inLine.Count), taken: pick % 5 != 0);
            else if (what is 7 or 8 && _attempts.Count > 0)
                Answer(_attempts.ElementAt(pick % _attempts.Count), works: pick % 3 != 0, isFull: pick % 2 == 0);
            else if (what == 9 && _closing.Count > 0)
                Closed(_closing.ElementAt(pick % _closing.Count));
            else if (what is 10 or 11 && _leases.Count > 0)
                GiveBack(_leases.ElementAt(pick % _leases.Count));
            else if (what == 12 && _asked.Count > 0)
                Abandon(_asked.ElementAt(pick % _asked.Count));
            else if (what == 13 && _open.Count > 0)
                _ = Do(_run.Broken(_open.ElementAt(pick % _open.Count)));
            else if (what == 14 && pick % 40 == 0)
                Stop();
            else
                _ = Do(_run.Tick(_run.Now + TimeSpan.FromSeconds(pick % 6), isWanted: pick % 4 == 0));
            // An event that nothing asked for changes nothing.
            if (pick % 11 == 0)
                Assert.Empty(Do(_run.Closed(_last + 1_000)));
            Check();
        }

        private void Ask(int pick)
        {
            var key = CoreRun.One with { Account = (pick % 3) switch { 0 => "one", 1 => "two", _ => "three" } };
            _asked.Add(++_last);
            _ = Do(_run.Ask(_last, key, $"c{pick % 4}", keepWarm: pick % 7 == 0, mayQueue: pick % 5 != 0, deadline: _run.Now + TimeSpan.FromSeconds(pick % 40)));
        }

        private void Claimed(long claim, int pick)
        {
            if (pick % 3 != 0)
            {
                Slot(claim, taken: pick % 3 == 1 || pick % 2 == 0);
                return;
            }
            _claiming.Remove(claim);
            _ = Do(_run.SlotBusy(claim));
        }

        private void Slot(long claim, bool taken)
        {
            _claiming.Remove(claim);
            _inLine.Remove(claim);
            if (taken)
                Assert.True(_slots.Add(claim));
            _ = Do(taken ? _run.SlotTaken(claim) : _run.SlotFailed(claim));
        }

        private void Answer(long claim, bool works, bool isFull)
        {
            _attempts.Remove(claim);
            if (works)
                _open.Add(claim);
            else
                _slots.Remove(claim);
            _ = Do(works ? _run.Connected(claim) : _run.ConnectFailed(claim, isFull ? _run.Now + TimeSpan.FromSeconds(4) : null));
        }

        private void Closed(long claim)
        {
            _closing.Remove(claim);
            _slots.Remove(claim);
            _ = Do(_run.Closed(claim));
        }

        private void GiveBack(long lease)
        {
            _leases.Remove(lease);
            _ = Do(_run.Release(lease));
        }

        private void Abandon(long request)
        {
            _asked.Remove(request);
            _ended.Add(request, "abandoned");
            _ = Do(_run.Release(request));
        }

        private void Stop()
        {
            _stopped = true;
            // The shell ends the leases itself.
            _leases.Clear();
            _ = Do(_run.Stop());
            Assert.Empty(_asked);
        }

        private List<ArbiterAction> Do(List<ArbiterAction> actions)
        {
            foreach (var action in actions)
            {
                switch (action)
                {
                    case ArbiterAction.ClaimSlot claim: Assert.True(_claiming.Add(claim.Claim)); break;
                    case ArbiterAction.StandInLine line: Assert.True(_inLine.Add(line.Claim)); break;
                    case ArbiterAction.ReturnSlot back: Assert.True(_slots.Remove(back.Claim)); break;
                    case ArbiterAction.Connect connect: Assert.True(_slots.Contains(connect.Claim) && _attempts.Add(connect.Claim)); break;
                    case ArbiterAction.Close close: Assert.True(_open.Remove(close.Claim) && _closing.Add(close.Claim)); break;
                    case ArbiterAction.Grant grant: End(grant.Request, "granted"); _leases.Add(grant.Request); break;
                    case ArbiterAction.Refuse refuse: End(refuse.Request, "refused"); break;
                    case ArbiterAction.Lose lose: Assert.True(_leases.Remove(lose.Request)); break;
                    case ArbiterAction.Fail fail: End(fail.Request, "failed"); break;
                }
            }
            return actions;
        }

        private void End(long request, string how)
        {
            Assert.True(_ended.TryAdd(request, how), $"request {request} was {_ended.GetValueOrDefault(request)} and then {how}");
            Assert.True(_asked.Remove(request));
        }

        private void Check()
        {
            var readings = _run.Core.Read().ToArray();
            Assert.InRange(readings.Length, 0, budget);
            Assert.InRange(_slots.Count, 0, budget);
            Assert.InRange(_attempts.Count + _open.Count + _closing.Count, 0, _slots.Count);
            Assert.Equal(_leases.Count, readings.Sum(reading => reading.ReferenceCount));
            foreach (var reading in readings)
            {
                var isNeeded = reading.State switch
                {
                    ConnectionState.Open or ConnectionState.Draining => reading.ReferenceCount > 0,
                    ConnectionState.Idle => reading.ReferenceCount == 0 && !_stopped && (reading.PersistenceCount > 0 || _run.Now - reading.LastUsed <= linger + TimeSpan.FromSeconds(6)),
                    _ => reading.ReferenceCount == 0,
                };
                Assert.True(isNeeded, $"{reading} is needed by nobody");
                Assert.Equal(reading.State is ConnectionState.Open or ConnectionState.Idle or ConnectionState.Draining, _open.Contains(reading.Claim));
            }
        }
    }
}
