using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Testing.Stores;

/// <summary>Named servers in memory, reached by paths of one provider; counts connections as a real server does. Thread-safe.</summary>
/// <param name="provider">The provider it plays, for example <c>MSWNET</c>. Paths that name the same server and share reach one store.</param>
public sealed class MemoryProvider(string provider, TimeProvider time) : IStorageProvider
{
    private readonly ConcurrentDictionary<string, MemoryStore> _stores = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _gate = new();
    private readonly List<string> _logons = [];
    private readonly HashSet<Connection> _connections = [];
    private readonly TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(int Count, TaskCompletionSource Reached)> _awaitedCloses = [];
    private int _closed;
    private ulong _lastSession;

    public string Name => provider;

    /// <summary>Connections that all servers together accept; beyond it they are full. Default unbounded.</summary>
    public int MaxConnections { get; set; } = int.MaxValue;

    /// <summary>Passwords by account name, in lower case; then every logon needs one of them. Null (the default) lets everybody in.</summary>
    public IReadOnlyDictionary<string, string>? Passwords { get; set; }

    /// <summary>Names of the accounts that tried to log on, in order; empty for a logon without one.</summary>
    public IReadOnlyList<string> Logons { get { lock (_gate) return [.. _logons]; } }

    /// <summary>Breaks every connection that is open now, as a cut cable does.</summary>
    public void Break(NalException cause)
    {
        Connection[] broken;
        lock (_gate)
            broken = [.. _connections];
        foreach (var connection in broken)
            connection.Break(cause);
    }

    /// <summary>Connections open now, as the server counts them.</summary>
    public int OpenConnections { get { lock (_gate) return _connections.Count; } }

    /// <summary>Completes at the first refusal for capacity.</summary>
    public Task Refused => _refused.Task;

    /// <summary>What the servers say of themselves; they are all one. Null (the default) where they say nothing.</summary>
    public Guid? Guid { get; set; }

    /// <summary>Completes when that many connections have been closed in all.</summary>
    public Task Closed(int count)
    {
        lock (_gate)
        {
            if (_closed >= count)
                return Task.CompletedTask;
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _awaitedCloses.Add((count, reached));
            return reached.Task;
        }
    }

    /// <summary>A session of somebody who is gone, and whom the server still counts.</summary>
    /// <returns>Its id.</returns>
    public ulong AddGhost(string account)
    {
        lock (_gate)
        {
            var ghost = new Connection(this, ++_lastSession, account);
            _connections.Add(ghost);
            PeakConnections = Math.Max(PeakConnections, _connections.Count);
            return ghost.Number;
        }
    }

    /// <summary>The most that were ever open at once.</summary>
    public int PeakConnections { get; private set; }

    /// <summary>Connection attempts so far, refused ones included.</summary>
    public int Attempts { get; private set; }

    /// <summary>Awaited before a connection is accepted or refused: tests hold the attempt here. Default: none.</summary>
    public Func<ConnectRequest, CancellationToken, Task>? OnConnect { get; set; }

    /// <summary>Awaited before a close is answered. Default: none.</summary>
    public Func<Task>? OnClose { get; set; }

    /// <summary>The store that a path reaches; made at the first use.</summary>
    public MemoryStore StoreOf(NalPath path) => _stores.GetOrAdd(path.WithQualifiers(null, isPreferred: false).ToString(), _ => new MemoryStore(time));

    public string? ServerOf(NalPath path) => path.Server;

    public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken)
    {
        lock (_gate)
            Attempts++;
        if (OnConnect is { } hold)
            await hold(request, cancellationToken);
        lock (_gate)
        {
            if (_connections.Count >= MaxConnections)
            {
                _refused.TrySetResult();
                throw new NalException(NalError.ServerFull, $"server {request.Path.Root} is full ({_connections.Count} of {MaxConnections} connections)",
                    request.Path.ToString(), isTransient: true, server: request.Path.Root, code: 0xC00000D0);
            }
            var name = request.Account?.Name ?? "";
            _logons.Add(name);
            if (Passwords is not null && (request.Account is not { } account || Passwords.GetValueOrDefault(account.Name.ToLowerInvariant()) != account.Password.Reveal()))
            {
                throw new NalException(NalError.Authenticate, $"server {request.Path.Root} does not accept account {request.Account?.Name ?? "(none)"}: wrong password",
                    request.Path.ToString(), server: request.Path.Root, code: 0xC000006D);
            }
            if (request.Previous is { } previous)
                _connections.RemoveWhere(held => held.Number == previous.Id && string.Equals(held.Account, name, StringComparison.OrdinalIgnoreCase));
            var connection = new Connection(this, ++_lastSession, name);
            _connections.Add(connection);
            PeakConnections = Math.Max(PeakConnections, _connections.Count);
            return connection;
        }
    }

    private sealed class Connection(MemoryProvider provider, ulong number, string account) : IStorageConnection
    {
        private readonly TaskCompletionSource<NalException> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ulong Number => number;
        public string Account => account;
        public ulong? SessionId => number;
        public ServerIdentity? Identity => new(provider.Guid, Address: null);

        public Task<NalException> Broken => _broken.Task;

        public void Break(NalException cause) => _broken.TrySetResult(cause);

        public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => ValueTask.FromResult<IStore>(provider.StoreOf(path));

        public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
        {
            if (provider.OnClose is { } hold)
                await hold();
            lock (provider._gate)
            {
                provider._connections.Remove(this);
                provider._closed++;
                foreach (var (_, reached) in provider._awaitedCloses.Where(awaited => awaited.Count <= provider._closed))
                    reached.TrySetResult();
            }
            return !_broken.Task.IsCompleted;
        }
    }
}
