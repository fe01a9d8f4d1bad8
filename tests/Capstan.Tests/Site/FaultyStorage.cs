using System.Collections.Concurrent;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>Puts one <see cref="FaultStore"/> per path between the site and its storage.</summary>
internal sealed class FaultyStorage(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, FaultStore> _stores = new(StringComparer.Ordinal);

    /// <summary>Called with each store when it is opened for the first time.</summary>
    public Action<FaultStore>? Prepare { get; init; }

    /// <summary>The store of a path that was opened before.</summary>
    public FaultStore this[NalPath path] => _stores[path.ToString()];

    public IStorageProvider Wrap(IStorageProvider inner) => new Provider(this, inner);

    private sealed class Provider(FaultyStorage storage, IStorageProvider inner) : IStorageProvider
    {
        public string Name => inner.Name;

        public string? ServerOf(NalPath path) => inner.ServerOf(path);

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
            new Connection(storage, await inner.ConnectAsync(request, cancellationToken));
    }

    private sealed class Connection(FaultyStorage storage, IStorageConnection inner) : IStorageConnection
    {
        public ulong? SessionId => inner.SessionId;

        public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
        {
            var opened = await inner.OpenAsync(path, cancellationToken);
            return storage._stores.GetOrAdd(path.ToString(), _ =>
            {
                var store = new FaultStore(opened, storage.Time);
                storage.Prepare?.Invoke(store);
                return store;
            });
        }

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
    }

    private TimeProvider Time => time;
}
