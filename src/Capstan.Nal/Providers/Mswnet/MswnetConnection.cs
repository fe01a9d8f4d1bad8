using System.Diagnostics.CodeAnalysis;
using Capstan.Nal.Paths;
using Capstan.Smb;
using Capstan.Smb.Connection;
using Capstan.Smb.Files;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>One session at one server, with the shares that were asked for. Thread-safe.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "CloseAsync is the one way in which a connection ends, and disposes of it.")]
internal sealed class MswnetConnection : IStorageConnection
{
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    private readonly SmbSession _session;
    private readonly TemporarySweep _sweep;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Dictionary<string, SmbTree> _trees = new(StringComparer.OrdinalIgnoreCase);
    private readonly TaskCompletionSource<NalException> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MswnetConnection(SmbSession session, string server, string account, TemporarySweep sweep, TimeProvider time)
    {
        _session = session;
        _sweep = sweep;
        _time = time;
        Server = server;
        Account = account;
        _ = WatchAsync();
    }

    public string Server { get; }

    /// <summary>As it was given.</summary>
    public string Account { get; }

    public ulong? SessionId => _session.Id;

    public ServerIdentity? Identity => new(_session.Connection.ServerGuid, _session.Connection.RemoteAddress?.ToString());

    public Task<NalException> Broken => _broken.Task;

    public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
    {
        if (path.Segments.Count == 0)
            throw new NalException(NalError.Resolve, $"{path} names a server and no share: write {path}SHARE\\", path.ToString(), Completion.NotSent, server: Server);
        SmbTree? tree = null;
        try
        {
            tree = await TreeAsync(path.Segments[0], cancellationToken);
            var root = string.Join('/', path.Segments.Skip(1));
            var store = new MswnetStore(this, tree, root, _sweep, _time);
            if (root.Length > 0)
                await store.ProveRootAsync(cancellationToken);
            return store;
        }
        catch (SmbException cause)
        {
            Notice(cause, tree);
            throw SmbErrors.Opening(cause, this, path);
        }
    }

    public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(ClosingTime, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        var report = await _session.LogOffAsync(either.Token);
        await _session.Connection.DisposeAsync();
        _one.Dispose();
        return report.IsConfirmed;
    }

    /// <summary>A failure that ends more than one operation: the share, or the whole session.</summary>
    public void Notice(SmbException cause, SmbTree? tree)
    {
        if (cause.Status == NtStatus.UserSessionDeleted || cause.Status == NtStatus.NetworkSessionExpired)
            _broken.TrySetResult(SmbErrors.Broken(cause, this));
        if (tree is null || cause.Status != NtStatus.NetworkNameDeleted)
            return;
        lock (_trees)
        {
            if (_trees.TryGetValue(tree.Share, out var held) && held == tree)
                _trees.Remove(tree.Share);
        }
    }

    private async Task WatchAsync()
    {
        await _session.Connection.Ended;
        _broken.TrySetResult(SmbErrors.Broken(_session.Connection.EndCause!, this));
    }

    /// <summary>One tree for a share, whoever asks first; connected when it is asked for.</summary>
    private async ValueTask<SmbTree> TreeAsync(string share, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            lock (_trees)
            {
                if (_trees.TryGetValue(share, out var known))
                    return known;
            }
            var tree = await _session.ConnectTreeAsync(share, cancellationToken);
            lock (_trees)
                _trees.Add(share, tree);
            return tree;
        }
        finally
        {
            _one.Release();
        }
    }
}
