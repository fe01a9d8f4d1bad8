using Capstan.Nal.Arbiter.Core;

namespace Capstan.Testing.Arbiter;

/// <summary>How the clients of a fleet ask a server that refused them.</summary>
public enum FleetRetry
{
    /// <summary>The production core and retry rule, which know the published mean hold.</summary>
    Capstan = 1,
    /// <summary>A loop that waits 5 s.</summary>
    FixedLoop = 2,
    /// <summary>A loop with decorrelated jitter from 1 s to 5 min, which knows nothing.</summary>
    JitteredLoop = 3,
}

/// <summary>Many clients, each a machine of its own with one server, in virtual time.</summary>
/// <param name="Clients">Spread evenly over the servers.</param>
/// <param name="Limit">Connections of each server.</param>
/// <param name="Window">Zero: all start within 0.1 s. Else client i starts at its even phase of this window, and again in each of <paramref name="Cycles"/> windows.</param>
/// <param name="Headroom">Connections below the limit that are to stay free.</param>
public sealed record FleetShape(int Clients, int Servers, int Limit, TimeSpan Window, int Cycles = 1, int Headroom = 0)
{
    /// <summary>A connection is held for 2 to 10 s, evenly drawn.</summary>
    public static readonly TimeSpan MeanHold = TimeSpan.FromSeconds(6);
}

/// <summary>What became of a fleet.</summary>
/// <param name="Makespan">From the first start to the last end.</param>
/// <param name="Ideal">N·t/L with the holds that were drawn.</param>
/// <param name="Central">A perfect central queue with the same holds.</param>
/// <param name="MedianWait">From the first wish to the connection.</param>
/// <param name="HeadroomShare">Part of the time in which the headroom was used.</param>
public sealed record FleetResult(int Completed, TimeSpan Makespan, TimeSpan Ideal, TimeSpan Central, int Peak, long Attempts, long Refused, TimeSpan MedianWait, TimeSpan LongWait, double HeadroomShare);

/// <summary>A fleet at its servers' doors: who gets in when, and how often the others ask.</summary>
public sealed class FleetSimulation
{
    private readonly WorldClock _clock = new();
    private readonly Random _random;
    private readonly FleetShape _shape;
    private readonly FleetRetry _retry;
    private readonly Door[] _doors;
    private readonly List<TimeSpan> _waits = [];
    private readonly List<(int Door, TimeSpan Hold)> _holds = [];
    private readonly List<ArbiterAction> _actions = [];
    private long _attempts;
    private long _refused;
    private int _completed;

    private FleetSimulation(FleetShape shape, FleetRetry retry, int seed)
    {
        (_shape, _retry, _random) = (shape, retry, new Random(seed));
        _doors = [.. Enumerable.Range(0, shape.Servers).Select(_ => new Door())];
    }

    public static FleetResult Run(FleetShape shape, FleetRetry retry, int seed) => new FleetSimulation(shape, retry, seed).Run();

    private FleetResult Run()
    {
        for (var number = 0; number < _shape.Clients; number++)
        {
            var door = number % _shape.Servers;
            for (var cycle = 0; cycle < _shape.Cycles; cycle++)
            {
                var start = _shape.Window == TimeSpan.Zero ? TimeSpan.FromSeconds(_random.NextDouble() / 10) : _shape.Window * (cycle + Phase((uint)(number / _shape.Servers)));
                var hold = TimeSpan.FromSeconds(2 + (8 * _random.NextDouble()));
                _holds.Add((door, hold));
                var guest = new Guest(_doors[door], start, hold);
                _clock.After(start, () => Begin(guest));
            }
        }
        while (_clock.Step())
        {
        }
        _waits.Sort();
        var busy = _doors.Aggregate(TimeSpan.Zero, (sum, door) => sum + door.OverHeadroom);
        return new FleetResult(_completed, _clock.Now, _holds.Aggregate(TimeSpan.Zero, (sum, hold) => sum + hold.Hold) / (_shape.Limit * _shape.Servers), Central(),
            _doors.Max(door => door.Peak), _attempts, _refused, _waits[_waits.Count / 2], _waits[(int)(_waits.Count * 0.99)], busy / (_clock.Now * _shape.Servers));
    }

    /// <summary>Bit reversal of the ordinal: any first so many clients are spread evenly.</summary>
    private static double Phase(uint ordinal)
    {
        var reversed = 0u;
        for (var bit = 0; bit < 32; bit++)
            reversed |= ((ordinal >> bit) & 1) << (31 - bit);
        return reversed / 4_294_967_296.0;
    }

    private TimeSpan Central()
    {
        var end = TimeSpan.Zero;
        foreach (var door in _holds.GroupBy(hold => hold.Door, hold => hold.Hold))
        {
            var free = new PriorityQueue<TimeSpan, TimeSpan>(Enumerable.Repeat((TimeSpan.Zero, TimeSpan.Zero), _shape.Limit));
            foreach (var hold in door)
            {
                var until = free.Dequeue() + hold;
                free.Enqueue(until, until);
                end = until > end ? until : end;
            }
        }
        return end;
    }

    private void Begin(Guest guest)
    {
        if (_retry != FleetRetry.Capstan)
        {
            Knock(guest, claim: 0);
            return;
        }
        guest.Core = new ServerCore(new ServerRules());
        var key = new ConnectionKey("MSWNET", "fs1:445", "account", "");
        Do(guest, actions => guest.Core.Request(new ConnectionRequest(1, key, "CCIM", KeepWarm: false, MayQueue: true, TimeSpan.MaxValue, _clock.Now), _clock.Now, actions));
    }

    /// <summary>Performs what the core of a client decides: its machine has its slot for itself.</summary>
    private void Do(Guest guest, Action<List<ArbiterAction>> happen)
    {
        _actions.Clear();
        happen(_actions);
        foreach (var action in _actions.ToArray())
        {
            switch (action)
            {
                case ArbiterAction.ClaimSlot claim:
                    Do(guest, actions => guest.Core!.SlotTaken(claim.Claim, _clock.Now, actions));
                    break;
                case ArbiterAction.Connect connect:
                    Knock(guest, connect.Claim);
                    break;
                case ArbiterAction.Grant:
                    _clock.After(guest.Hold, () => Do(guest, actions => guest.Core!.Release(1, _clock.Now, actions)));
                    break;
                case ArbiterAction.Close:
                    Leave(guest);
                    break;
            }
        }
    }

    private void Knock(Guest guest, long claim)
    {
        _attempts++;
        var door = guest.Door;
        if (door.Count < _shape.Limit)
        {
            Change(door, 1);
            _waits.Add(_clock.Now - guest.Start);
            if (guest.Core is { } core)
                Do(guest, actions => core.Connected(claim, _clock.Now, actions));
            else
                _clock.After(guest.Hold, () => Leave(guest));
            return;
        }
        _refused++;
        guest.LastWait = _retry switch
        {
            FleetRetry.FixedLoop => TimeSpan.FromSeconds(5),
            FleetRetry.JitteredLoop => RetryRule.Wait(null, guest.LastWait, guest.Refusals, _random.NextDouble()),
            _ => RetryRule.Wait(FleetShape.MeanHold, guest.LastWait, guest.Refusals, _random.NextDouble()),
        };
        guest.Refusals++;
        if (guest.Core is null)
        {
            _clock.After(guest.LastWait, () => Knock(guest, claim));
            return;
        }
        Do(guest, actions => guest.Core.ConnectFailed(claim, _clock.Now + guest.LastWait, _clock.Now, actions));
        _clock.After(guest.LastWait, () => Do(guest, actions => guest.Core.Tick(isWanted: false, _clock.Now, actions)));
    }

    private void Leave(Guest guest)
    {
        Change(guest.Door, -1);
        _completed++;
    }

    private void Change(Door door, int by)
    {
        if (door.Count > _shape.Limit - _shape.Headroom)
            door.OverHeadroom += _clock.Now - door.Since;
        door.Since = _clock.Now;
        door.Count += by;
        door.Peak = Math.Max(door.Peak, door.Count);
    }

    private sealed class Door
    {
        public int Count { get; set; }
        public int Peak { get; set; }
        public TimeSpan Since { get; set; }
        public TimeSpan OverHeadroom { get; set; }
    }

    private sealed class Guest(Door door, TimeSpan start, TimeSpan hold)
    {
        public Door Door => door;
        public TimeSpan Start => start;
        public TimeSpan Hold => hold;
        public ServerCore? Core { get; set; }
        public TimeSpan LastWait { get; set; }
        public int Refusals { get; set; }
    }
}
