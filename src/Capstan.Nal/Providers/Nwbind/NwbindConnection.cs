using System.Diagnostics.CodeAnalysis;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Ncp;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Files;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>One connection at one server, with the volumes that were asked for. Thread-safe.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "CloseAsync is the one way in which a connection ends, and disposes of it.")]
internal sealed class NwbindConnection : IStorageConnection
{
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    private readonly NcpConnection _connection;
    private readonly NwbindSession? _session;
    private readonly TemporarySweep _sweep;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Dictionary<string, NcpVolume> _volumes = new(StringComparer.OrdinalIgnoreCase);
    private readonly TaskCompletionSource<NalException> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public NwbindConnection(NcpConnection connection, string server, string account, NwbindSession? session, Guid serverId, TimeSpan zone, TemporarySweep sweep, TimeProvider time)
    {
        _connection = connection;
        _session = session;
        _sweep = sweep;
        _time = time;
        Server = server;
        Account = account;
        Zone = zone;
        Identity = new ServerIdentity(serverId, connection.RemoteAddress?.Address.ToString(), session?.Address);
        _ = WatchAsync();
    }

    public string Server { get; }

    /// <summary>As the bindery has it.</summary>
    public string Account { get; }

    /// <summary>How far the server's clock is ahead of UTC.</summary>
    public TimeSpan Zone { get; }

    public ulong? SessionId => _session?.Id;

    public ServerIdentity? Identity { get; }

    public Task<NalException> Broken => _broken.Task;

    public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
    {
        if (path.Segments.Count == 0)
            throw new NalException(NalError.Resolve, $"{path} names a server and no volume: write {path}VOLUME\\", path.ToString(), Completion.NotSent, server: Server);
        try
        {
            var volume = await VolumeAsync(path.Segments[0], cancellationToken);
            var root = string.Join('/', path.Segments.Skip(1));
            var store = new NwbindStore(this, volume, root, _sweep, _time);
            await store.ProveRootAsync(cancellationToken);
            return store;
        }
        catch (NcpException cause)
        {
            throw NcpErrors.Opening(cause, this, path);
        }
    }

    public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(ClosingTime, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        var isConfirmed = await _connection.CloseAsync(either.Token);
        _one.Dispose();
        return isConfirmed;
    }

    /// <summary>A volume that is gone is looked for anew: it may be mounted again under another number.</summary>
    public void Forget(NcpVolume volume)
    {
        lock (_volumes)
        {
            if (_volumes.TryGetValue(volume.Name, out var held) && held == volume)
                _volumes.Remove(volume.Name);
        }
    }

    private async Task WatchAsync()
    {
        await _connection.Ended;
        if (_connection.EndCause is { } cause)
            _broken.TrySetResult(NcpErrors.Broken(cause, this));
    }

    private async ValueTask<NcpVolume> VolumeAsync(string name, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            lock (_volumes)
            {
                if (_volumes.TryGetValue(name, out var known))
                    return known;
            }
            var volume = await NcpVolume.OpenAsync(_connection, name, cancellationToken);
            lock (_volumes)
                _volumes.Add(name, volume);
            return volume;
        }
        finally
        {
            _one.Release();
        }
    }
}
