using Capstan.Nal.Paths;

namespace Capstan.Nal.Providers.Local;

/// <summary>Directories of this machine, mounted file systems included. Nobody counts its connections, so it needs no slot and no account.</summary>
/// <param name="time">Decides when a left-over temporary is old enough to be removed.</param>
public sealed class LocalProvider(TimeProvider time) : IStorageProvider
{
    public string Name => "LOCAL";

    public string? ServerOf(NalPath path) => null;

    public ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IStorageConnection>(new LocalConnection(time));

    private sealed class LocalConnection(TimeProvider time) : IStorageConnection
    {
        public ulong? SessionId => null;

        public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
        {
            var directory = path.LocalDirectory ?? throw new ArgumentException($"{path} is not a LOCAL path", nameof(path));
            if (!Path.IsPathFullyQualified(directory))
                throw new NalException(NalError.Resolve, $"{path} names no drive; on Windows write LOCAL:\\\\C:\\directory\\", path.ToString());
            var store = new LocalStore(directory, time);
            // Nothing but the root: says now, not at the first use, that it is not there.
            await store.StatAsync(StorePath.Root, cancellationToken);
            return store;
        }

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => ValueTask.FromResult(true);
    }
}
