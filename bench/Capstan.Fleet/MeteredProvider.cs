using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Fleet;

/// <summary>A provider as the client knows it, that counts what happens at the server's door and lets each connection last for the cycle's hold.</summary>
/// <remarks>
/// A connection counts from the moment its share was open, since a server may count there or at the logon before, until its close begins: in between the server has it for certain.
/// It is held open when the client closes it, not while the client works: so it lasts for the hold, or for the work where that is longer.
/// </remarks>
internal sealed class MeteredProvider(IStorageProvider inner, ClientDoor door) : IStorageProvider
{
    public string Name => inner.Name;

    public string? ServerOf(NalPath path) => inner.ServerOf(path);

    public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken)
    {
        door.Attempted();
        try
        {
            return new Connection(await inner.ConnectAsync(request, cancellationToken), door);
        }
        catch (NalException cause)
        {
            door.Failed(cause);
            throw;
        }
    }

    private sealed class Connection(IStorageConnection inner, ClientDoor door) : IStorageConnection
    {
        private readonly Lock _gate = new();
        private TimeSpan? _opened;

        public ulong? SessionId => inner.SessionId;

        public ServerIdentity? Identity => inner.Identity;

        public Task<NalException>? Broken => inner.Broken;

        public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
        {
            IStore store;
            try
            {
                store = await inner.OpenAsync(path, cancellationToken);
            }
            catch (NalException cause)
            {
                door.Failed(cause);
                throw;
            }
            lock (_gate)
                _opened ??= door.Opened();
            return store;
        }

        public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
        {
            TimeSpan? opened;
            lock (_gate)
                opened = _opened;
            if (opened is not { } moment)
                return await inner.CloseAsync(cancellationToken);
            if (inner.Broken is not { IsCompleted: true })
                await door.HoldAsync(moment);
            door.Closed();
            return await inner.CloseAsync(cancellationToken);
        }
    }
}
