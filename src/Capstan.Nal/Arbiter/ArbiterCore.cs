namespace Capstan.Nal.Arbiter;

/// <summary>
/// Decides who may use which connection: <c>connecting → open → closing → gone</c> per connection, one first-come queue per server.
/// Pure: events in, actions out; <c>now</c> is monotonic time since any fixed origin.
/// </summary>
/// <remarks>
/// <para>A connection is open only while a lease needs it or a component asked to keep it warm; a component withdraws that by its next lease
/// without the wish. A warm connection that nobody uses gives way to a request for another account of the same server.</para>
/// <para>A request joins an open connection at once, unless somebody else waits before it: otherwise a busy account would starve the others.</para>
/// <para>Not thread-safe: the shell serialises.</para>
/// </remarks>
/// <param name="budgetPerServer">Connections that one server may be asked to count, from 1.</param>
/// <param name="maxWaiting">Bound of the queue of one server.</param>
internal sealed class ArbiterCore(int budgetPerServer, int maxWaiting)
{
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Dictionary<long, Entry> _leases = [];
    private bool _stopped;

    /// <summary>A request for a connection. Ends in exactly one of Grant, Refuse or Fail, unless it is abandoned before.</summary>
    /// <param name="request">A number that was not used before.</param>
    /// <param name="mayQueue">False: refuse at once when the budget is used up. An attempt that is under way is awaited all the same.</param>
    public List<ArbiterAction> Request(long request, ConnectionKey key, string component, bool keepWarm, bool mayQueue, TimeSpan deadline, TimeSpan now)
    {
        ObjectDisposedException.ThrowIf(_stopped, this);
        var actions = new List<ArbiterAction>();
        var lane = LaneOf(key);
        var waiter = new Waiter(request, key, component, keepWarm, deadline, now);
        lane.Queue.AddLast(waiter);
        Pump(lane, now, actions);
        if (lane.Queue.Last?.Value == waiter && (!mayQueue || lane.Queue.Count > maxWaiting))
        {
            lane.Queue.RemoveLast();
            actions.Add(Refusal(lane, waiter, mayQueue ? RefusalKind.QueueFull : RefusalKind.Busy, now));
        }
        return actions;
    }

    public List<ArbiterAction> Connected(ConnectionKey key, TimeSpan now)
    {
        var actions = new List<ArbiterAction>();
        var lane = LaneOf(key);
        var entry = lane.Entries[key];
        entry.State = ConnectionState.Open;
        entry.Opened = entry.LastUsed = now;
        foreach (var waiter in entry.Attempting)
            Grant(entry, waiter, now, actions);
        entry.Attempting.Clear();
        CloseIfUnused(entry, actions);
        Pump(lane, now, actions);
        return actions;
    }

    public List<ArbiterAction> ConnectFailed(ConnectionKey key, TimeSpan now)
    {
        var lane = LaneOf(key);
        lane.Entries.Remove(key, out var entry);
        var actions = entry!.Attempting.Select(ArbiterAction (waiter) => new ArbiterAction.Fail(waiter.Request, key)).ToList();
        Pump(lane, now, actions);
        return actions;
    }

    public List<ArbiterAction> Closed(ConnectionKey key, TimeSpan now)
    {
        var actions = new List<ArbiterAction>();
        var lane = LaneOf(key);
        lane.Entries.Remove(key);
        Pump(lane, now, actions);
        return actions;
    }

    /// <summary>An open connection is over, and nobody asked for it: its leases end, nobody is granted it any more, and it is closed on this side, so that
    /// its slot becomes free. No effect on one that is closing already.</summary>
    public List<ArbiterAction> Broken(ConnectionKey key)
    {
        var actions = new List<ArbiterAction>();
        if (!_lanes.TryGetValue(LaneName(key), out var lane) || !lane.Entries.TryGetValue(key, out var entry) || entry.State != ConnectionState.Open)
            return actions;
        foreach (var lease in entry.Leases.Keys)
        {
            _leases.Remove(lease);
            actions.Add(new ArbiterAction.Lose(lease, key));
        }
        entry.Leases.Clear();
        entry.Warm.Clear();
        CloseIfUnused(entry, actions);
        return actions;
    }

    /// <summary>Gives a lease back, or withdraws a request that is not one yet. Twice is as once.</summary>
    public List<ArbiterAction> Release(long request, TimeSpan now)
    {
        var actions = new List<ArbiterAction>();
        if (_leases.Remove(request, out var entry))
        {
            entry.Leases.Remove(request);
            entry.LastUsed = now;
            CloseIfUnused(entry, actions);
            Pump(LaneOf(entry.Key), now, actions);
            return actions;
        }
        foreach (var lane in _lanes.Values)
        {
            foreach (var attempt in lane.Entries.Values)
                attempt.Attempting.RemoveAll(waiter => waiter.Request == request);
            if (lane.Queue.FirstOrDefault(waiter => waiter.Request == request) is { } queued)
            {
                lane.Queue.Remove(queued);
                Pump(lane, now, actions);
                break;
            }
        }
        return actions;
    }

    /// <summary>Ends the requests whose time is over.</summary>
    public List<ArbiterAction> Tick(TimeSpan now)
    {
        var actions = new List<ArbiterAction>();
        foreach (var lane in _lanes.Values.ToArray())
        {
            foreach (var entry in lane.Entries.Values)
            {
                actions.AddRange(entry.Attempting.Where(waiter => waiter.Deadline <= now).Select(waiter => Refusal(lane, waiter, RefusalKind.WaitedForAnswer, now)));
                entry.Attempting.RemoveAll(waiter => waiter.Deadline <= now);
            }
            foreach (var waiter in lane.Queue.Where(waiter => waiter.Deadline <= now).ToArray())
            {
                actions.Add(Refusal(lane, waiter, RefusalKind.WaitedForSlot, now));
                lane.Queue.Remove(waiter);
            }
            Pump(lane, now, actions);
        }
        return actions;
    }

    /// <summary>Ends all leases and requests; what is connecting closes as soon as it is connected. No request is accepted afterwards.</summary>
    public List<ArbiterAction> Stop()
    {
        _stopped = true;
        var actions = new List<ArbiterAction>();
        _leases.Clear();
        foreach (var lane in _lanes.Values)
        {
            actions.AddRange(lane.Queue.Select(waiter => new ArbiterAction.Fail(waiter.Request, waiter.Key)));
            lane.Queue.Clear();
            foreach (var entry in lane.Entries.Values)
            {
                actions.AddRange(entry.Attempting.Select(waiter => new ArbiterAction.Fail(waiter.Request, waiter.Key)));
                entry.Attempting.Clear();
                entry.Leases.Clear();
                entry.Warm.Clear();
                CloseIfUnused(entry, actions);
            }
        }
        return actions;
    }

    /// <summary>Whether a lease on this connection would need no new one.</summary>
    public bool IsOpen(ConnectionKey key) =>
        _lanes.TryGetValue(LaneName(key), out var lane) && lane.Entries.TryGetValue(key, out var entry) && entry.State == ConnectionState.Open;

    public IReadOnlyList<ConnectionReading> Read() => _lanes.Values.SelectMany(lane => lane.Entries.Values)
        .Select(entry => new ConnectionReading(entry.Key, entry.State, entry.Leases.Count, entry.Warm.Count,
            [.. entry.Leases.Values.Order(StringComparer.Ordinal)], entry.Opened, entry.LastUsed))
        .ToArray();

    private void Pump(Lane lane, TimeSpan now, List<ArbiterAction> actions)
    {
        while (lane.Queue.First is { } first && Serve(lane, first.Value, now, actions))
            lane.Queue.RemoveFirst();
        // An empty lane would stay for every server that was ever named.
        if (lane.Queue.Count == 0 && lane.Entries.Count == 0)
            _lanes.Remove(lane.Name);
    }

    /// <summary>False when the first in the queue has to go on waiting.</summary>
    private bool Serve(Lane lane, Waiter waiter, TimeSpan now, List<ArbiterAction> actions)
    {
        if (lane.Entries.TryGetValue(waiter.Key, out var entry))
        {
            if (entry.State == ConnectionState.Open)
                Grant(entry, waiter, now, actions);
            else if (entry.State == ConnectionState.Connecting)
                entry.Attempting.Add(waiter);
            return entry.State != ConnectionState.Closing;
        }
        if (lane.Entries.Count < lane.Budget)
        {
            lane.Entries.Add(waiter.Key, new Entry(waiter.Key) { Attempting = { waiter } });
            actions.Add(new ArbiterAction.Connect(waiter.Key, waiter.Request));
            return true;
        }
        if (lane.Entries.Values.All(other => other.State != ConnectionState.Closing)
            && lane.Entries.Values.FirstOrDefault(other => other.State == ConnectionState.Open && other.Leases.Count == 0) is { } idle)
        {
            idle.Warm.Clear();
            CloseIfUnused(idle, actions);
        }
        return false;
    }

    private void Grant(Entry entry, Waiter waiter, TimeSpan now, List<ArbiterAction> actions)
    {
        entry.Leases.Add(waiter.Request, waiter.Component);
        entry.LastUsed = now;
        if (waiter.KeepWarm)
            entry.Warm.Add(waiter.Component);
        else
            entry.Warm.Remove(waiter.Component);
        _leases.Add(waiter.Request, entry);
        actions.Add(new ArbiterAction.Grant(waiter.Request, entry.Key));
    }

    private static void CloseIfUnused(Entry entry, List<ArbiterAction> actions)
    {
        if (entry.State != ConnectionState.Open || entry.Leases.Count > 0 || entry.Warm.Count > 0)
            return;
        entry.State = ConnectionState.Closing;
        actions.Add(new ArbiterAction.Close(entry.Key));
    }

    private static ArbiterAction.Refuse Refusal(Lane lane, Waiter waiter, RefusalKind kind, TimeSpan now) => new(waiter.Request, kind,
        new SlotReading(lane.Budget, lane.Entries.Count, [.. lane.Entries.Values.SelectMany(entry => entry.Leases.Values).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            lane.Queue.Count(other => other != waiter), now - waiter.Since));

    private Lane LaneOf(ConnectionKey key)
    {
        var name = LaneName(key);
        if (!_lanes.TryGetValue(name, out var lane))
            _lanes.Add(name, lane = new Lane(name, key.Server is null ? int.MaxValue : budgetPerServer));
        return lane;
    }

    private static string LaneName(ConnectionKey key) => key.Server ?? $"{key.Provider}|{key.Place}";

    private sealed record Waiter(long Request, ConnectionKey Key, string Component, bool KeepWarm, TimeSpan Deadline, TimeSpan Since);

    private sealed class Lane(string name, int budget)
    {
        public string Name => name;
        public int Budget => budget;
        public Dictionary<ConnectionKey, Entry> Entries { get; } = [];
        public LinkedList<Waiter> Queue { get; } = [];
    }

    private sealed class Entry(ConnectionKey key)
    {
        public ConnectionKey Key => key;
        public ConnectionState State { get; set; } = ConnectionState.Connecting;
        public List<Waiter> Attempting { get; init; } = [];
        public Dictionary<long, string> Leases { get; } = [];
        public HashSet<string> Warm { get; } = new(StringComparer.Ordinal);
        public TimeSpan Opened { get; set; }
        public TimeSpan LastUsed { get; set; }
    }
}
