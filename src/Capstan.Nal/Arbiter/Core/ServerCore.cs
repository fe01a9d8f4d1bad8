namespace Capstan.Nal.Arbiter.Core;

/// <summary>
/// Decides who may use which connection to one server: <c>claiming → (in line) → connecting → open ⇄ idle → (draining) → closing</c>, and one first-come queue.
/// Pure: events in, actions out; <c>now</c> is monotonic time since any fixed origin, and never goes back.
/// </summary>
/// <remarks>
/// <para>A connection is open only while a lease needs it, a component asked to keep it warm, or it lingers. A component withdraws its wish by its next lease
/// without it. A connection that nobody uses gives way to a request for another account, and to whoever else waits on this machine.</para>
/// <para>A request joins an open connection at once, unless somebody else waits before it: otherwise a busy account would starve the others.</para>
/// <para>An event that does not fit the state (a second <c>Closed</c>, say) changes nothing: the table in docs/arbiter.md, which a test makes, shows every pair.</para>
/// <para>Not thread-safe: the shell serialises. Each event appends its actions to the list it is given.</para>
/// </remarks>
internal sealed partial class ServerCore(ServerRules rules)
{
    private readonly Dictionary<ConnectionKey, Entry> _entries = [];
    private readonly Dictionary<long, Entry> _leases = [];
    private readonly LinkedList<ConnectionRequest> _queue = [];
    /// <summary>Shown of one connection.</summary>
    private const int MostHolders = 16;

    private long _lastClaim;
    /// <summary>The server is full, and asked again at this time.</summary>
    private TimeSpan? _retryAt;
    /// <summary>Somebody else on this machine waits for a slot of this server.</summary>
    private bool _isWanted;
    private bool _stopped;

    /// <summary>May change at any time: the site's terms for a server arrive with its list. What is open beyond a lower budget stays until it is given back.</summary>
    public ServerRules Rules { get; set; } = rules;

    /// <summary>Nothing here needs to be remembered.</summary>
    public bool IsEmpty => _entries.Count == 0 && _queue.Count == 0 && _retryAt is null;

    /// <summary>When the server is asked again; null while it is not full.</summary>
    public TimeSpan? RetryAt => _retryAt;

    /// <summary>Requests in the queue, besides those that wait for an attempt.</summary>
    public int Waiting => _queue.Count;

    /// <summary>A request for a connection. Ends in exactly one of Grant, Refuse or Fail, unless it is given back before.</summary>
    public void Request(ConnectionRequest request, TimeSpan now, List<ArbiterAction> actions)
    {
        ObjectDisposedException.ThrowIf(_stopped, this);
        // Whoever waits for a full server's next try is not kept from it by another lease on what is open.
        if ((_queue.Count == 0 || (IsFull(now) && IsOpen(request.Key))) && Serve(request, now, actions))
            return;
        if (MustRefuse(request, now) is { } kind)
            actions.Add(Refusal(request, kind, now));
        else if (_queue.Count >= Rules.MaxWaiting)
            actions.Add(Refusal(request, RefusalKind.QueueFull, now));
        else
            _queue.AddLast(request);
    }

    /// <summary>Gives a lease back, or withdraws a request that is not one yet. Twice is as once.</summary>
    public void Release(long request, TimeSpan now, List<ArbiterAction> actions)
    {
        if (_leases.Remove(request, out var entry))
        {
            entry.Leases.Remove(request);
            entry.LastUsed = now;
            Settle(entry, now, actions);
            Pump(now, actions);
            return;
        }
        // What a caller gives up before it is a lease goes on, for the next one.
        foreach (var attempt in _entries.Values)
            attempt.Attempting.RemoveAll(waiter => waiter.Number == request);
        for (var node = _queue.First; node is not null; node = node.Next)
        {
            if (node.Value.Number != request)
                continue;
            _queue.Remove(node);
            break;
        }
        Pump(now, actions);
    }

    public void SlotTaken(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Claiming, ConnectionState.InLine) is not { } entry)
        {
            // Asked for by a claim that ended meanwhile. Said twice of one that goes on, it is the slot that this one uses.
            if (_entries.Values.All(other => other.Claim != claim))
                actions.Add(new ArbiterAction.ReturnSlot(claim));
            return;
        }
        if (IsFull(now))
            Postpone(entry, now, actions);
        if (entry.Attempting.Count > 0)
        {
            entry.State = ConnectionState.Connecting;
            actions.Add(new ArbiterAction.Connect(claim, entry.Key, entry.Attempting[0].Number));
            return;
        }
        _entries.Remove(entry.Key);
        actions.Add(new ArbiterAction.ReturnSlot(claim));
        Pump(now, actions);
    }

    /// <summary>Others on this machine hold every slot.</summary>
    public void SlotBusy(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Claiming) is not { } entry)
            return;
        entry.State = ConnectionState.InLine;
        foreach (var waiter in entry.Attempting.Where(waiter => !waiter.MayQueue))
            actions.Add(Refusal(waiter, RefusalKind.Busy, now));
        entry.Attempting.RemoveAll(waiter => !waiter.MayQueue);
        if (entry.Attempting.Count > 0)
        {
            actions.Add(new ArbiterAction.StandInLine(claim, entry.Key));
            return;
        }
        _entries.Remove(entry.Key);
        Pump(now, actions);
    }

    /// <summary>There is no slot, and waiting in line would not give one.</summary>
    public void SlotFailed(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Claiming, ConnectionState.InLine) is { } entry)
            Fail(entry, now, actions);
    }

    public void Connected(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Connecting) is not { } entry)
            return;
        _retryAt = null;
        entry.State = ConnectionState.Open;
        entry.Opened = entry.LastUsed = now;
        foreach (var waiter in entry.Attempting)
            Grant(entry, waiter, now, actions);
        entry.Attempting.Clear();
        Settle(entry, now, actions);
        Pump(now, actions);
    }

    /// <param name="retryAt">When to ask again a server that is full; null for every other failure.</param>
    public void ConnectFailed(long claim, TimeSpan? retryAt, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Connecting) is not { } entry)
            return;
        if (retryAt is { } later && later > now && !_stopped)
        {
            _retryAt = later;
            Postpone(entry, now, actions);
        }
        Fail(entry, now, actions);
    }

    /// <summary>A connection is over, and nobody asked for it: its leases end, nobody is granted it any more, and it is closed on this side, so that
    /// its slot becomes free. No effect on one that is closing already.</summary>
    public void Broken(long claim, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Open, ConnectionState.Idle, ConnectionState.Draining) is not { } entry)
            return;
        foreach (var lease in entry.Leases.Keys)
        {
            _leases.Remove(lease);
            actions.Add(new ArbiterAction.Lose(lease, entry.Key, LossKind.Broken));
        }
        entry.Leases.Clear();
        Close(entry, actions);
    }

    /// <summary>A connection that must not stay: nobody joins it any more, and it closes with its last lease.</summary>
    public void Retire(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Open, ConnectionState.Idle) is not { } entry)
            return;
        entry.State = ConnectionState.Draining;
        Settle(entry, now, actions);
    }

    public void Closed(long claim, TimeSpan now, List<ArbiterAction> actions)
    {
        if (Find(claim, ConnectionState.Closing) is not { } entry)
            return;
        _entries.Remove(entry.Key);
        Pump(now, actions);
    }

    /// <summary>Ends what has had its time: requests, leases, lingering and old connections; asks a full server again.</summary>
    /// <param name="isWanted">Somebody else on this machine waits for a slot of this server.</param>
    public void Tick(bool isWanted, TimeSpan now, List<ArbiterAction> actions)
    {
        if (_retryAt <= now)
            _retryAt = null;
        _isWanted = isWanted;
        foreach (var entry in _entries.Values)
        {
            Expire(entry.Attempting, entry.State == ConnectionState.Connecting ? RefusalKind.WaitedForAnswer : RefusalKind.WaitedForSlot, now, actions);
            EndLongLeases(entry, now, actions);
            if (entry.State == ConnectionState.Open && IsOld(entry, now))
                entry.State = ConnectionState.Draining;
            Settle(entry, now, actions);
        }
        for (var node = _queue.First; node is not null;)
        {
            var (waiter, next) = (node.Value, node.Next);
            if (waiter.Deadline <= now)
            {
                actions.Add(Refusal(waiter, IsFull(now) ? RefusalKind.ServerFull : RefusalKind.WaitedForSlot, now));
                _queue.Remove(node);
            }
            node = next;
        }
        Pump(now, actions);
    }

    /// <summary>Ends all leases and requests; what is connecting closes as soon as it is connected. No request is accepted afterwards.</summary>
    public void Stop(TimeSpan now, List<ArbiterAction> actions)
    {
        _stopped = true;
        _retryAt = null;
        _leases.Clear();
        foreach (var waiter in _queue)
            actions.Add(new ArbiterAction.Fail(waiter.Number, waiter.Key));
        _queue.Clear();
        foreach (var entry in _entries.Values)
        {
            foreach (var waiter in entry.Attempting)
                actions.Add(new ArbiterAction.Fail(waiter.Number, waiter.Key));
            entry.Attempting.Clear();
            entry.Leases.Clear();
            Settle(entry, now, actions);
        }
    }

    /// <summary>Whether a lease on this connection would need no new one.</summary>
    public bool IsOpen(ConnectionKey key) => _entries.TryGetValue(key, out var entry) && entry.State is ConnectionState.Open or ConnectionState.Idle;

    /// <summary>Whether somebody still waits for what this claim stands in line for. True for every other claim.</summary>
    public bool IsAwaited(long claim) => Find(claim, ConnectionState.InLine) is not { Attempting.Count: 0 };

    public IEnumerable<ConnectionReading> Read() => _entries.Values.Select(entry => new ConnectionReading(entry.Claim, entry.Key, entry.State, entry.Leases.Count, entry.Warm.Count,
        entry.Leases.Count == 0 ? [] : [.. entry.Leases.Values.Select(holder => holder.Component).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Take(MostHolders)], entry.Opened, entry.LastUsed));

    private readonly record struct Holder(string Component, TimeSpan Since);

    private sealed class Entry(long claim, ConnectionKey key)
    {
        public long Claim => claim;
        public ConnectionKey Key { get; set; } = key;
        public ConnectionState State { get; set; } = ConnectionState.Claiming;
        public List<ConnectionRequest> Attempting { get; init; } = [];
        public Dictionary<long, Holder> Leases { get; } = [];
        public HashSet<string> Warm { get; } = new(StringComparer.Ordinal);
        public TimeSpan Opened { get; set; }
        public TimeSpan LastUsed { get; set; }
    }
}
