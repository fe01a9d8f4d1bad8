using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    /// <summary>A store on a connection that the request now holds, or why not.</summary>
    private async Task<Outcome> HoldAsync(long request, ConnectionKey key, NalPath path, ConnectionAccount? account, LeasePurpose purpose, bool mayQueue, TimeSpan deadline,
        CancellationToken cancellationToken)
    {
        var pending = new Pending(path, account);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            NoticeBroken(key);
            _pending.Add(request, pending);
            _ = Perform(_core.Request(request, key, purpose.Component, purpose.KeepWarm, mayQueue, deadline, Now));
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
                    _ = Perform(_core.Tick(Now));
            }
            catch (OperationCanceledException)
            {
                // The request may have become a lease in the meantime: giving it back covers both.
                await GiveBackAsync(request);
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
            connection = _connections[key];
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

    private async ValueTask GiveBackAsync(long request)
    {
        Task closing;
        lock (_gate)
        {
            if (_stores.Remove(request, out var store))
                store.End();
            _pending.Remove(request);
            _lost.Remove(request);
            closing = Perform(_core.Release(request, Now));
        }
        await closing;
    }

    /// <summary>Does what the core decided. Called under the lock: it starts work and completes waits, and waits for nothing itself.</summary>
    /// <returns>Completes when the connections that had to be closed are closed.</returns>
    private Task Perform(List<ArbiterAction> actions)
    {
        List<Task>? closings = null;
        foreach (var action in actions)
        {
            switch (action)
            {
                case ArbiterAction.Connect connect:
                    // Path and account are read here: the request may be abandoned while the attempt goes on.
                    var first = _pending[connect.Request];
                    _ = Start(() => ConnectAsync(connect.Key, first.Path, first.Account));
                    break;
                case ArbiterAction.Close close:
                    (closings ??= []).Add(Start(() => CloseAsync(close.Key)));
                    break;
                case ArbiterAction.Grant grant:
                    Take(grant.Request)?.SetResult(default);
                    break;
                case ArbiterAction.Refuse refuse:
                    Take(refuse.Request)?.SetResult(new Outcome(refuse, null));
                    break;
                case ArbiterAction.Fail fail:
                    // Without a cause it is the arbiter that stops.
                    if (_causes.TryGetValue(fail.Key, out var cause))
                        Take(fail.Request)?.SetResult(new Outcome(null, cause));
                    else
                        Take(fail.Request)?.SetException(new ObjectDisposedException(nameof(ConnectionArbiter)));
                    break;
                case ArbiterAction.Lose lose:
                    if (_stores.TryGetValue(lose.Request, out var store))
                        store.Lose(_causes[lose.Key]);
                    else
                        _lost.Add(lose.Request, _causes[lose.Key]);
                    break;
            }
        }
        return closings is null ? Task.CompletedTask : Task.WhenAll(closings);
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

    private async Task ConnectAsync(ConnectionKey key, NalPath path, ConnectionAccount? account)
    {
        var started = Now;
        NalException cause;
        try
        {
            var connection = await _providers[key.Provider].ConnectAsync(new ConnectRequest(path, account, PreviousSession: null), _stopping.Token);
            ConnectionOpened(key.Show, (Now - started).TotalMilliseconds);
            lock (_gate)
            {
                _connections.Add(key, connection);
                _ = Perform(_core.Connected(key, Now));
            }
            // Not under the lock: one that is broken already says so here.
            if (connection.Broken is { } broken)
                _ = WatchAsync(key, connection, broken);
            return;
        }
        catch (NalException failure)
        {
            cause = failure;
        }
        catch (Exception surprise)
        {
            // Whatever a provider throws must end the attempt for everybody who waits for it.
            cause = new NalException(NalError.Connect, $"connecting to {key.Show} ended: {surprise.Message}", path.ToString(), Completion.Unknown,
                isTransient: true, key.Server, inner: surprise);
        }
        if (!_stopping.IsCancellationRequested)
            ConnectFailed(key.Show, cause.Error, (Now - started).TotalMilliseconds, cause);
        lock (_gate)
        {
            _causes[key] = cause;
            _ = Perform(_core.ConnectFailed(key, Now));
            _causes.Remove(key);
        }
    }

    /// <summary>Ends the connection on this side when it has broken. Ends with the connection, which holds the task.</summary>
    private async Task WatchAsync(ConnectionKey key, IStorageConnection connection, Task<NalException> broken)
    {
        await broken;
        lock (_gate)
        {
            // The next connection under this key is another one.
            if (_connections.TryGetValue(key, out var held) && held == connection)
                NoticeBroken(key);
        }
    }

    /// <summary>Called under the lock, also before a request: one that is known to be broken is not granted, whoever hears of it first.</summary>
    private void NoticeBroken(ConnectionKey key)
    {
        if (!_connections.TryGetValue(key, out var connection) || connection.Broken is not { IsCompletedSuccessfully: true } broken)
            return;
        var cause = broken.Result;
        var actions = _core.Broken(key);
        if (actions.Count == 0)
            return;
        ConnectionBroken(key.Show, cause.Message);
        _causes[key] = cause;
        _ = Perform(actions);
        _causes.Remove(key);
    }

    private async Task CloseAsync(ConnectionKey key)
    {
        IStorageConnection connection;
        lock (_gate)
        {
            _connections.Remove(key, out var held);
            connection = held!;
        }
        try
        {
            if (await connection.CloseAsync(CancellationToken.None))
                ConnectionClosed(key.Show);
            else
                CloseNotConfirmed(key.Show, cause: null);
        }
        catch (Exception failure)
        {
            // The slot must come free whatever the provider throws; what the server still counts is what the warning says.
            CloseNotConfirmed(key.Show, failure);
        }
        lock (_gate)
            _ = Perform(_core.Closed(key, Now));
    }
}
