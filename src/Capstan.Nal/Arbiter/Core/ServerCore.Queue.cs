namespace Capstan.Nal.Arbiter.Core;

/// <summary>Who is served, who waits, who is refused: the rules behind the events.</summary>
internal sealed partial class ServerCore
{
    private void Pump(TimeSpan now, List<ArbiterAction> actions)
    {
        while (_queue.First is { } first && Serve(first.Value, now, actions))
            _queue.RemoveFirst();
    }

    /// <summary>False when the request has to go on waiting.</summary>
    private bool Serve(ConnectionRequest request, TimeSpan now, List<ArbiterAction> actions)
    {
        if (_entries.TryGetValue(request.Key, out var entry))
            return Join(entry, request, now, actions);
        if (IsFull(now))
            return false;
        if (_entries.Count < Rules.Budget)
        {
            Begin(request, now, actions);
            return true;
        }
        return TakeOver(request) || MakeRoom(actions);
    }

    private bool Join(Entry entry, ConnectionRequest request, TimeSpan now, List<ArbiterAction> actions)
    {
        switch (entry.State)
        {
            case ConnectionState.Open or ConnectionState.Idle when !IsOld(entry, now):
                entry.State = ConnectionState.Open;
                Grant(entry, request, now, actions);
                return true;
            // Who may not wait uses it once more: it closes with that lease.
            case ConnectionState.Idle when !request.MayQueue:
                entry.State = ConnectionState.Draining;
                Grant(entry, request, now, actions);
                return true;
            case ConnectionState.Idle:
                Close(entry, actions);
                return false;
            case ConnectionState.Claiming or ConnectionState.Connecting when HasRoom(entry):
            case ConnectionState.InLine when request.MayQueue && HasRoom(entry):
                entry.Attempting.Add(request);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Those who wait for an attempt are bounded as the queue is, beside the one whose attempt it is.</summary>
    private bool HasRoom(Entry entry) => entry.Attempting.Count <= Rules.MaxWaiting;

    private void Begin(ConnectionRequest request, TimeSpan now, List<ArbiterAction> actions)
    {
        var entry = new Entry(++_lastClaim, request.Key) { Attempting = { request }, Opened = now, LastUsed = now };
        _entries.Add(request.Key, entry);
        if (Rules.IsCounted)
        {
            actions.Add(new ArbiterAction.ClaimSlot(entry.Claim, entry.Key));
            return;
        }
        entry.State = ConnectionState.Connecting;
        actions.Add(new ArbiterAction.Connect(entry.Claim, entry.Key, request.Number));
    }

    /// <summary>A place in line that nobody waits for any more is as good for another account.</summary>
    private bool TakeOver(ConnectionRequest request)
    {
        if (!request.MayQueue || _entries.Values.FirstOrDefault(other => other.State == ConnectionState.InLine && other.Attempting.Count == 0) is not { } deserted)
            return false;
        _entries.Remove(deserted.Key);
        deserted.Key = request.Key;
        deserted.Attempting.Add(request);
        _entries.Add(request.Key, deserted);
        return true;
    }

    /// <summary>Closes a connection that nobody uses, one at a time. Always false: the request waits for its end.</summary>
    private bool MakeRoom(List<ArbiterAction> actions)
    {
        if (_entries.Values.All(other => other.State != ConnectionState.Closing) && _entries.Values.FirstOrDefault(other => other.State == ConnectionState.Idle) is { } idle)
            Close(idle, actions);
        return false;
    }

    private void Grant(Entry entry, ConnectionRequest request, TimeSpan now, List<ArbiterAction> actions)
    {
        entry.Leases.Add(request.Number, new Holder(request.Component, now));
        entry.LastUsed = now;
        if (request.KeepWarm)
            entry.Warm.Add(request.Component);
        else
            entry.Warm.Remove(request.Component);
        _leases.Add(request.Number, entry);
        actions.Add(new ArbiterAction.Grant(request.Number, entry.Key));
    }

    /// <summary>The idle rule: a connection without a lease closes, unless it may stay.</summary>
    private void Settle(Entry entry, TimeSpan now, List<ArbiterAction> actions)
    {
        if (entry.Leases.Count > 0 || entry.State is not (ConnectionState.Open or ConnectionState.Idle or ConnectionState.Draining))
            return;
        var mayStay = !_stopped && entry.State != ConnectionState.Draining && !_isWanted && !IsOld(entry, now)
            && (entry.Warm.Count > 0 || now - entry.LastUsed < Rules.Linger);
        if (mayStay)
            entry.State = ConnectionState.Idle;
        else
            Close(entry, actions);
    }

    private static void Close(Entry entry, List<ArbiterAction> actions)
    {
        entry.State = ConnectionState.Closing;
        actions.Add(new ArbiterAction.Close(entry.Claim, entry.Key));
    }

    private bool IsOld(Entry entry, TimeSpan now) =>
        now - entry.Opened >= Rules.Lifetime || (_isWanted && now - entry.Opened >= Rules.LifetimeWhileWanted);

    private bool IsFull(TimeSpan now) => _retryAt > now;

    private void Fail(Entry entry, TimeSpan now, List<ArbiterAction> actions)
    {
        _entries.Remove(entry.Key);
        foreach (var waiter in entry.Attempting)
            actions.Add(new ArbiterAction.Fail(waiter.Number, entry.Key));
        Pump(now, actions);
    }

    /// <summary>The server is full: whoever can wait for its next try goes back to the head of the queue, in order; the others are refused.</summary>
    private void Postpone(Entry entry, TimeSpan now, List<ArbiterAction> actions)
    {
        for (var i = entry.Attempting.Count - 1; i >= 0; i--)
        {
            if (MustRefuse(entry.Attempting[i], now) is null)
                _queue.AddFirst(entry.Attempting[i]);
        }
        foreach (var waiter in entry.Attempting)
        {
            if (MustRefuse(waiter, now) is { } kind)
                actions.Add(Refusal(waiter, kind, now));
        }
        entry.Attempting.Clear();
    }

    /// <summary>Why a request cannot wait at all; null when it can.</summary>
    private RefusalKind? MustRefuse(ConnectionRequest request, TimeSpan now) =>
        IsFull(now) ? (!request.MayQueue || !request.AsksAgain || request.Deadline <= _retryAt ? RefusalKind.ServerFull : null)
        : request.MayQueue ? null
        : RefusalKind.Busy;

    private void EndLongLeases(Entry entry, TimeSpan now, List<ArbiterAction> actions)
    {
        // What is removed while it is looped over does not disturb the loop.
        foreach (var (lease, holder) in entry.Leases)
        {
            if (now - holder.Since < Rules.LongestLease)
                continue;
            entry.Leases.Remove(lease);
            _leases.Remove(lease);
            actions.Add(new ArbiterAction.Lose(lease, entry.Key, LossKind.HeldTooLong));
        }
    }

    private void Expire(List<ConnectionRequest> waiters, RefusalKind kind, TimeSpan now, List<ArbiterAction> actions)
    {
        foreach (var waiter in waiters)
        {
            if (waiter.Deadline <= now)
                actions.Add(Refusal(waiter, kind, now));
        }
        if (waiters.Count > 0)
            waiters.RemoveAll(waiter => waiter.Deadline <= now);
    }

    private ArbiterAction.Refuse Refusal(ConnectionRequest request, RefusalKind kind, TimeSpan now) => new(request.Number, kind,
        new SlotReading(Rules.Budget, _entries.Count,
            [.. _entries.Values.SelectMany(entry => entry.Leases.Values).Select(holder => holder.Component).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            _queue.Count(other => other != request), now - request.Since, kind == RefusalKind.ServerFull ? _retryAt : null));

    private Entry? Find(long claim, params ReadOnlySpan<ConnectionState> states)
    {
        foreach (var entry in _entries.Values)
        {
            if (entry.Claim == claim)
                return states.Contains(entry.State) ? entry : null;
        }
        return null;
    }
}
