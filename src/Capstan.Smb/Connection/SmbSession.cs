using Capstan.Smb.Files;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>What was confirmed when a session was closed.</summary>
/// <param name="IsConfirmed">The server answered LOGOFF with success, or said that it has no such session: it counts it no more.</param>
/// <param name="TreesConfirmed">Shares whose TREE_DISCONNECT was answered with success.</param>
/// <param name="Cause">Why something was not confirmed; null when all was.</param>
public sealed record SmbCloseReport(bool IsConfirmed, IReadOnlyList<string> TreesConfirmed, SmbException? Cause);

/// <summary>One logged-on account on one connection: what a server counts. Thread-safe.</summary>
public sealed class SmbSession
{
    private readonly SmbConnection _connection;
    private readonly MessageSecurity _security;
    private readonly Lock _gate = new();
    private readonly List<SmbTree> _trees = [];
    private bool _isValidated;
    private Task<SmbCloseReport>? _closing;

    internal SmbSession(SmbConnection connection, ulong id, string account, MessageSecurity security, bool isEncrypted, bool isGuest)
    {
        _connection = connection;
        _security = security;
        Id = id;
        Account = account;
        IsEncrypted = isEncrypted;
        IsGuest = isGuest;
    }

    public SmbConnection Connection => _connection;

    /// <summary>The server's number for the session: what a journal holds, and the next logon names to have it ended.</summary>
    public ulong Id { get; }

    public string Account { get; }

    /// <summary>Whether everything on this session is encrypted; single shares may be although this is false.</summary>
    public bool IsEncrypted { get; }

    public bool IsSigned => _security.Signs;

    /// <summary>No authenticated user stands behind it, and nothing protects it.</summary>
    public bool IsGuest { get; }

    /// <summary>Connects to a share ([MS-SMB2] 3.2.4.2.4).</summary>
    public async ValueTask<SmbTree> ConnectTreeAsync(string share, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(share);
        var path = $@"\\{_connection.Endpoint.Host}\{share}";
        var route = new Route(Id, 0, _security, IsEncrypted);
        using var answer = await _connection.CallAsync(route, new TreeConnectRequest(path), late =>
        {
            using (late)
                LeaveLater(route with { TreeId = late.Header.TreeId });
        }, cancellationToken);
        if (answer.Status == NtStatus.PathNotCovered && !share.Equals("IPC$", StringComparison.OrdinalIgnoreCase))
            throw await DfsReferral.DescribeAsync(this, path, SmbCommand.TreeConnect, cancellationToken);
        if (answer.Status.IsError)
            throw SmbException.Of(answer.Status, SmbCommand.TreeConnect, $"connecting to {path} as {Account}");
        var facts = TreeConnectResponse.Read(answer.Message);
        var encrypts = IsEncrypted || facts.MustEncrypt;
        var tree = new SmbTree(this, share, route with { TreeId = answer.Header.TreeId, Encrypt = encrypts, IsDfs = facts.IsDfs });
        try
        {
            if (encrypts && !_security.CanEncrypt)
            {
                throw new SmbException(SmbFailure.Unsupported, $"{path} demands encryption, which this connection cannot (dialect {SmbConnection.Name(_connection.Dialect)})",
                    SmbCompletion.Refused, SmbCommand.TreeConnect);
            }
            await ValidateAsync(tree, cancellationToken);
        }
        catch
        {
            // The server counts the share as connected already.
            LeaveLater(route with { TreeId = tree.Id });
            throw;
        }
        lock (_gate)
            _trees.Add(tree);
        return tree;
    }

    private void LeaveLater(Route route) => _connection.Cleanup(async token =>
    {
        using var gone = await _connection.CallAsync(route, new EmptyRequest(SmbCommand.TreeDisconnect), orphaned: null, token);
    });

    /// <summary>Disconnects all trees and logs off; both are awaited. Idempotent. Never throws for what the world does: the report says it.</summary>
    /// <param name="cancellationToken">Ends the waiting; the report then says that nothing was confirmed. Only the first caller's counts.</param>
    public async ValueTask<SmbCloseReport> LogOffAsync(CancellationToken cancellationToken)
    {
        Task<SmbCloseReport> closing;
        lock (_gate)
            closing = _closing ??= CloseAsync(cancellationToken);
        return await closing;
    }

    internal void Forget(SmbTree tree)
    {
        lock (_gate)
            _trees.Remove(tree);
    }

    private async Task<SmbCloseReport> CloseAsync(CancellationToken cancellationToken)
    {
        // Out of the caller's lock first: the connection has one of its own.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await _connection.CleanAsync(cancellationToken);
        SmbTree[] trees;
        lock (_gate)
            trees = [.. _trees];
        // All in one go: the server takes them in this order.
        var leaving = trees.Select(tree => TryAsync(new Route(Id, tree.Id, _security, tree.IsEncrypted), SmbCommand.TreeDisconnect, cancellationToken)).ToArray();
        var logoff = TryAsync(new Route(Id, 0, _security, IsEncrypted), SmbCommand.Logoff, cancellationToken);
        var left = await Task.WhenAll(leaving);
        var cause = await logoff;
        _connection.Forget(this);
        // A session that the server does not know is not counted by it.
        var isConfirmed = cause is null || cause.Status == NtStatus.UserSessionDeleted;
        return new SmbCloseReport(isConfirmed, [.. trees.Where((_, index) => left[index] is null).Select(tree => tree.Share)],
            isConfirmed ? left.FirstOrDefault(fault => fault is not null) : cause);
    }

    private async Task<SmbException?> TryAsync(Route route, SmbCommand command, CancellationToken cancellationToken)
    {
        try
        {
            // Always sent: the token ends the waiting alone.
            return await LeaveAsync(route, command).WaitAsync(cancellationToken);
        }
        catch (SmbException cause)
        {
            return cause;
        }
        catch (OperationCanceledException)
        {
            return new SmbException(SmbFailure.Silent, $"{_connection.Endpoint} did not confirm {command} in time", SmbCompletion.Unknown, command);
        }
    }

    private async Task<SmbException?> LeaveAsync(Route route, SmbCommand command)
    {
        try
        {
            using var answer = await _connection.CallAsync(route, new EmptyRequest(command), orphaned: null, CancellationToken.None);
            return answer.Status.IsError ? SmbException.Of(answer.Status, command, $"leaving {_connection.Endpoint}") : null;
        }
        catch (SmbException cause)
        {
            return cause;
        }
    }

    private async Task ValidateAsync(SmbTree tree, CancellationToken cancellationToken)
    {
        // 3.1.1 has the hash over NEGOTIATE in its keys; without a signature the answer proves nothing.
        if (_isValidated || _connection.Dialect >= SmbDialect.Smb311 || _connection.Options.Most < SmbDialect.Smb300 || IsGuest || (!IsSigned && !tree.IsEncrypted))
            return;
        await _connection.ValidateNegotiateAsync(new Route(Id, tree.Id, _security, tree.IsEncrypted), cancellationToken);
        _isValidated = true;
    }
}
