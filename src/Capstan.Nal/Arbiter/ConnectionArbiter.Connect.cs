using System.Globalization;
using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    /// <summary>A connection that the request now holds, or why not.</summary>
    private async Task<Outcome> HoldAsync(long request, ConnectionKey key, NalPath path, ConnectionAccount? account, LeasePurpose purpose, bool mayQueue, TimeSpan deadline,
        CancellationToken cancellationToken)
    {
        var pending = new Pending(key.Server, path, account, purpose);
        Desk desk;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            desk = DeskOf(key);
            NoticeBroken(desk, key);
            _pending.Add(request, pending);
            _ = Do(desk, actions => desk.Core.Request(new ConnectionRequest(request, key, purpose.Component, purpose.KeepWarm, mayQueue, deadline, Now) { AsksAgain = purpose.AsksFullServerAgain }, Now, actions));
        }
        while (true)
        {
            try
            {
                var left = deadline - Now;
                return await pending.Outcome.Task.WaitAsync(left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1), _time, cancellationToken);
            }
            catch (TimeoutException)
            {
                lock (_gate)
                    _ = Do(desk, actions => desk.Core.Tick(desk.IsWanted, Now, actions));
            }
            catch (OperationCanceledException)
            {
                // The request may have become a lease in the meantime: giving it back covers both.
                await GiveBackAsync(key, request);
                throw;
            }
        }
    }

    private long NextRequest() => Interlocked.Increment(ref _lastRequest);

    /// <summary>Opens the store of a lease. The caller gives the lease back when this fails.</summary>
    private async Task<LeasedStore> OpenStoreAsync(long request, ConnectionKey key, NalPath path, CancellationToken cancellationToken)
    {
        IStorageConnection connection;
        AbandonedCalls? abandoned;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            ThrowIfLost(request, path);
            connection = DeskOf(key).Open[key].Connection;
            if (!_abandoned.TryGetValue(key, out abandoned))
                _abandoned.Add(key, abandoned = new AbandonedCalls());
        }
        await AfterAbandonedAsync(abandoned, key, path, cancellationToken);
        // Waited for apart: a provider that hangs in the kernel does not look at the token.
        var opening = connection.OpenAsync(path, cancellationToken).AsTask();
        try
        {
            await opening.WaitAsync(cancellationToken);
        }
        finally
        {
            if (!opening.IsCompleted)
                abandoned.Add(opening);
        }
        var store = new LeasedStore(await opening, path, abandoned);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            ThrowIfLost(request, path);
            _stores.Add(request, store);
        }
        return store;
    }

    /// <summary>While something that a caller gave up still hangs, nothing new begins there: it would hang as well, with a thread of its own, and a write that ends late
    /// would undo a newer one.</summary>
    private async Task AfterAbandonedAsync(AbandonedCalls abandoned, ConnectionKey key, NalPath path, CancellationToken cancellationToken)
    {
        try
        {
            await abandoned.EndAsync().WaitAsync(AbandonedGrace, _time, cancellationToken);
        }
        catch (TimeoutException cause)
        {
            throw new NalException(NalError.Connect, $"{path} was not opened: an earlier operation there was given up and has not ended; it may be a mount that hangs",
                path.ToString(), Completion.NotSent, isTransient: true, key.Server, inner: cause);
        }
    }

    private void ThrowIfLost(long request, NalPath path)
    {
        if (_lost.TryGetValue(request, out var cause))
            throw LeasedStore.Over(cause, path);
    }

    private async ValueTask GiveBackAsync(ConnectionKey key, long request)
    {
        Task closing;
        lock (_gate)
        {
            if (_stores.Remove(request, out var store))
                store.End();
            _pending.Remove(request);
            _lost.Remove(request);
            var desk = DeskOf(key);
            closing = Do(desk, actions => desk.Core.Release(request, Now, actions));
        }
        await closing;
    }

    /// <summary>One event of a server, and what its core decides then. Called under the lock: it starts work and completes waits, and waits for nothing itself.</summary>
    /// <returns>Completes when the connections that had to be closed are closed.</returns>
    private Task Do(Desk desk, Action<List<ArbiterAction>> happen)
    {
        var actions = new List<ArbiterAction>();
        happen(actions);
        List<Task>? closings = null;
        foreach (var action in actions)
        {
            if (action is ArbiterAction.Close close)
                (closings ??= []).Add(Close(desk, close));
            else
                Perform(desk, action);
        }
        TellTurns(desk);
        Forget(desk);
        return closings is null ? Task.CompletedTask : Task.WhenAll(closings);
    }

    private void TellTurns(Desk desk)
    {
        try
        {
            desk.TellTurns();
        }
        catch (IOException cause)
        {
            // Told again at the next event; a place that holders do not see waits for them all the same.
            SlotsNotTended(desk.Name, cause);
        }
    }

    private Task Close(Desk desk, ArbiterAction.Close close)
    {
        desk.Open.Remove(close.Key, out var kept);
        return Start(() => CloseAsync(desk, close.Claim, close.Key, kept!));
    }

    private void Perform(Desk desk, ArbiterAction action)
    {
        switch (action)
        {
            case ArbiterAction.ClaimSlot claim:
                _ = Start(() =>
                {
                    ClaimSlot(desk, claim.Claim, claim.Key);
                    return Task.CompletedTask;
                });
                break;
            case ArbiterAction.StandInLine line:
                StandInLine(desk, line.Claim);
                break;
            case ArbiterAction.ReturnSlot back:
                desk.GiveBack(back.Claim);
                break;
            case ArbiterAction.Connect connect:
                // Path and account are read here: the request may be abandoned while the attempt goes on.
                var first = _pending[connect.Request];
                _ = Start(() => ConnectAsync(desk, connect.Claim, connect.Key, first));
                break;
            case ArbiterAction.Grant grant:
                Take(grant.Request)?.SetResult(default);
                break;
            case ArbiterAction.Refuse refuse:
                Take(refuse.Request)?.SetResult(new Outcome(refuse, desk.FullCause));
                break;
            case ArbiterAction.Fail fail:
                // Without a cause it is the arbiter that stops.
                if (desk.Cause is { } cause)
                    Take(fail.Request)?.SetResult(new Outcome(null, cause));
                else
                    Take(fail.Request)?.SetException(new ObjectDisposedException(nameof(ConnectionArbiter)));
                break;
            case ArbiterAction.Lose lose:
                Lose(desk, lose);
                break;
        }
    }

    private void Lose(Desk desk, ArbiterAction.Lose lost)
    {
        var cause = lost.Kind == LossKind.Broken ? desk.Cause! : new NalException(NalError.Connect,
            $"the lease was held for longer than {_options.LongestLease.TotalMinutes:F0} min, the most that any may have, so that its connection to {lost.Key.Show} could be given back",
            path: null, Completion.NotSent, isTransient: true, lost.Key.Server);
        if (lost.Kind == LossKind.HeldTooLong)
            LeaseHeldTooLong(lost.Key.Show, lost.Request, _options.LongestLease.TotalMinutes);
        if (_stores.TryGetValue(lost.Request, out var store))
            store.Lose(cause);
        else
            _lost.Add(lost.Request, cause);
    }

    private TaskCompletionSource<Outcome>? Take(long request) => _pending.Remove(request, out var pending) ? pending.Outcome : null;

    /// <summary>Starts work that <see cref="DisposeAsync"/> waits for. Called under the lock.</summary>
    private Task Start(Func<Task> work)
    {
        var number = ++_lastWork;
        var task = Task.Run(async () =>
        {
            try
            {
                await work();
            }
            finally
            {
                lock (_gate)
                    _running.Remove(number);
            }
        }, CancellationToken.None);
        _running.Add(number, task);
        return task;
    }

    private async Task ConnectAsync(Desk desk, long claim, ConnectionKey key, Pending first)
    {
        var started = Now;
        NalException cause;
        try
        {
            ThrowIfStopped(key, first);
            var provider = _providers[key.Provider];
            var opening = new OpeningOf(provider, key.Server, key.Show, first.Path, first.Account, () => KnownAccounts(key, first), desk.Terms, first.Purpose.Component,
                (account, refusal) =>
                {
                    // An account that somebody typed stops nothing.
                    if (first.Purpose.Accounts is null)
                        Stop(key.Show, account, refusal);
                });
            var kept = await _keeper.OpenAsync(opening, desk.SlotOf(claim), _stopping.Token);
            await UseAsync(desk, claim, key, first, kept);
            ConnectionOpened(key.Show, (Now - started).TotalMilliseconds);
            return;
        }
        catch (NalException failure)
        {
            cause = failure;
        }
        catch (Exception surprise)
        {
            // Whatever a provider throws must end the attempt for everybody who waits for it.
            cause = new NalException(NalError.Connect, $"connecting to {key.Show} ended: {surprise.Message}", first.Path.ToString(), Completion.Unknown,
                isTransient: true, key.Server, inner: surprise);
        }
        if (!_stopping.IsCancellationRequested)
            ConnectFailed(key.Show, cause.Error, (Now - started).TotalMilliseconds, cause);
        if (cause.Error == NalError.Authenticate && first is { Account: { } refused, Purpose.Accounts: null } && key.Server is not null)
            Stop(key.Show, refused, cause);
        lock (_gate)
        {
            desk.GiveBack(claim);
            TimeSpan? retryAt = null;
            if (cause.Error == NalError.ServerFull)
            {
                desk.LastWait = RetryRule.Wait(desk.Terms.MeanHold, desk.LastWait, desk.Refusals++, _random.NextDouble());
                desk.FullCause = cause;
                retryAt = Now + desk.LastWait;
            }
            FailWith(desk, cause, actions => desk.Core.ConnectFailed(claim, retryAt, Now, actions));
            if (retryAt is { } later)
                TellWaiting(desk, cause, later);
        }
    }

    /// <summary>A connection begins to serve. Whatever fails before that closes it: its slot is never given back under an open one.</summary>
    private async Task UseAsync(Desk desk, long claim, ConnectionKey key, Pending first, KeptConnection kept)
    {
        Task<NalException>? broken;
        try
        {
            broken = kept.Connection.Broken;
            if (first.Account is { } account && key.Server is not null)
                Resume(key.Show, account);
            NoticeName(key, kept.Connection.Identity?.Id);
        }
        catch
        {
            await _keeper.CloseAsync(kept);
            throw;
        }
        lock (_gate)
        {
            desk.Open.Add(key, kept);
            desk.LastWait = TimeSpan.Zero;
            desk.Refusals = 0;
            desk.FullCause = null;
            _ = Do(desk, actions => desk.Core.Connected(claim, Now, actions));
            // Found to be another's while it was opened: it is the last one on these slots.
            if (key.Server is not null && SlotsOf(key.Show) != key.Server)
                _ = Do(desk, actions => desk.Core.Retire(claim, Now, actions));
        }
        // Not under the lock: one that is broken already says so here.
        if (broken is not null)
            _ = WatchAsync(desk, key, kept, broken);
    }

    private void TellWaiting(Desk desk, NalException cause, TimeSpan retryAt)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{cause.Message}; next try {_time.GetUtcNow() + (retryAt - Now):HH:mm:ss}");
        foreach (var waiting in _pending.Values.Where(waiting => waiting.Server == desk.Name))
            waiting.Purpose.Waiting?.Invoke(text);
    }

    /// <summary>Another process of this machine may have been refused with this account while this one stood in line: each would else try one wrong password.</summary>
    private void ThrowIfStopped(ConnectionKey key, Pending first)
    {
        if (first.Account is not { } account || key.Server is null || first.Purpose.Accounts is not null)
            return;
        bool IsNamed(ConnectionAccount known) => string.Equals(known.Name, account.Name, StringComparison.OrdinalIgnoreCase);
        // One that no server refused may always be tried; of refused ones it depends on the others.
        if ((AccountsOf(key.Show).Any(IsNamed) && !_stops.Has(key.Show, account.Name)) || KnownAccounts(key, first).Any(IsNamed))
            return;
        throw new NalException(NalError.Authenticate, $"{account.Name} is not tried at server {key.Show} any more: while this request waited, another process of this machine was refused with it, or it was replaced", first.Path.ToString(), Completion.NotSent, server: key.Show);
    }

    /// <summary>An event whose cause those who waited for it are told. Called under the lock.</summary>
    private void FailWith(Desk desk, NalException cause, Action<List<ArbiterAction>> happen)
    {
        desk.Cause = cause;
        _ = Do(desk, happen);
        desk.Cause = null;
    }

    /// <summary>Ends the connection on this side when it has broken. Ends with the connection, which holds the task.</summary>
    private async Task WatchAsync(Desk desk, ConnectionKey key, KeptConnection kept, Task<NalException> broken)
    {
        await broken;
        lock (_gate)
        {
            // The next connection under this key is another one.
            if (desk.Open.TryGetValue(key, out var held) && held == kept)
                NoticeBroken(desk, key);
        }
    }

    /// <summary>Called under the lock, also before a request: one that is known to be broken is not granted, whoever hears of it first.</summary>
    private void NoticeBroken(Desk desk, ConnectionKey key)
    {
        if (!desk.Open.TryGetValue(key, out var kept) || kept.Connection.Broken is not { IsCompletedSuccessfully: true } broken)
            return;
        if (desk.Core.Read().FirstOrDefault(reading => reading.Key == key) is not { } reading)
            return;
        ConnectionBroken(key.Show, broken.Result.Message);
        FailWith(desk, broken.Result, actions => desk.Core.Broken(reading.Claim, actions));
    }

    private async Task CloseAsync(Desk desk, long claim, ConnectionKey key, KeptConnection kept)
    {
        try
        {
            if (await _keeper.CloseAsync(kept))
                ConnectionClosed(key.Show);
            else
                CloseNotConfirmed(key.Show, cause: null);
        }
        catch (Exception failure)
        {
            // The slot must come free whatever the provider throws; what the server still counts is what the journal says.
            CloseNotConfirmed(key.Show, failure);
        }
        lock (_gate)
        {
            desk.GiveBack(claim);
            // What still hangs there outlasts the connection, and is looked for again when the next one ends.
            foreach (var over in _abandoned.Where(calls => calls.Value.IsEmpty && _desks.Values.All(other => !other.Open.ContainsKey(calls.Key))).Select(calls => calls.Key).ToArray())
                _abandoned.Remove(over);
            _ = Do(desk, actions => desk.Core.Closed(claim, Now, actions));
        }
    }
}
