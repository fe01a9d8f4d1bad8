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
    private int _open;

    public string Name => name;

    /// <summary>Connections that all servers together accept; beyond it they are full. Default unbounded.</summary>
    public int MaxConnections { get; set; } = int.MaxValue;

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

    public string? ServerOf(NalPath path) => path.Port is { } port ? FormattableString.Invariant($"{path.Root}:{port}") : path.Root;

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
            PeakConnections = Math.Max(PeakConnections, ++_open);
        }
        return new Connection(this);
    }

    private sealed class Connection(MemoryProvider provider) : IStorageConnection
    {
        public ulong? SessionId => null;

        public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => ValueTask.FromResult<IStore>(provider.StoreOf(path));

        public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
        {
            if (provider.OnClose is { } hold)
                await hold();
            lock (provider._gate)
                provider._open--;
            return true;
        }
    }
}
