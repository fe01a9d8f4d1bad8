using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Testing.Stores;

/// <summary>Named servers in memory, reached by paths of one provider; counts connections as a real server does. Thread-safe.</summary>
/// <param name="name">The provider it plays, for example <c>MSWNET</c>. Paths that name the same server and share reach one store.</param>
public sealed class MemoryProvider(string name, TimeProvider time) : IStorageProvider
{
    private readonly ConcurrentDictionary<string, MemoryStore> _stores = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _gate = new();
    private readonly List<string> _logons = [];
    private readonly HashSet<Connection> _connections = [];
    private int _open;

    public string Name => name;

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
    public int OpenConnections { get { lock (_gate) return _open; } }

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
            if (_open >= MaxConnections)
            {
                throw new NalException(NalError.ServerFull, $"server {request.Path.Root} is full ({_open} of {MaxConnections} connections)",
                    request.Path.ToString(), isTransient: true, server: request.Path.Root, code: 0xC00000D0);
            }
            _logons.Add(request.Account?.Name ?? "");
            if (Passwords is not null && (request.Account is not { } account || Passwords.GetValueOrDefault(account.Name.ToLowerInvariant()) != account.Password.Reveal()))
            {
                throw new NalException(NalError.Authenticate, $"server {request.Path.Root} does not accept account {request.Account?.Name ?? "(none)"}: wrong password",
                    request.Path.ToString(), server: request.Path.Root, code: 0xC000006D);
            }
            PeakConnections = Math.Max(PeakConnections, ++_open);
            var connection = new Connection(this);
            _connections.Add(connection);
            return connection;
        }
    }

    private sealed class Connection(MemoryProvider provider) : IStorageConnection
    {
        private readonly TaskCompletionSource<NalException> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ulong? SessionId => null;

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
                provider._open--;
            }
            return !_broken.Task.IsCompleted;
        }
    }
}
