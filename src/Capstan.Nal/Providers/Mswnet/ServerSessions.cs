using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Nwbind;
using Capstan.Smb;
using Capstan.Smb.Connection;
using Capstan.Smb.Pipes;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>A session that a server holds, as the server tells it. Null where it does not.</summary>
/// <param name="Client">The client's name or address.</param>
/// <param name="User">Who logged on; empty for anonymous.</param>
/// <param name="ActiveFor">How long it has existed; whole seconds.</param>
/// <param name="IdleFor">Whole seconds; Samba always says zero.</param>
public sealed record ServerSession(string Client, string? User, int? OpenFiles, TimeSpan? ActiveFor, TimeSpan? IdleFor, bool? IsGuest);

/// <summary>How many connections a server counts.</summary>
/// <param name="Peak">The most that were in use at one time.</param>
public sealed record ServerCapacity(int InUse, int Max, int Peak);

/// <summary>What a server says of its connections.</summary>
/// <param name="Capacity">Null where it does not tell (servers of shares).</param>
public sealed record SessionList(IReadOnlyList<ServerSession> Sessions, ServerCapacity? Capacity);

/// <summary>Who is connected to a server, and since when: what its licences count.</summary>
public static class ServerSessions
{
    /// <summary>Asks with a connection of its own, which is closed before this returns and stands in the list.</summary>
    /// <exception cref="NalException"><see cref="NalError.AccessDenied"/> names the right that the account needs; <see cref="NalError.Authenticate"/> also for a name
    /// that cannot be an account.</exception>
    public static Task<IReadOnlyList<ServerSession>> ListAsync(NalPath path, ConnectionAccount account, TimeProvider time, CancellationToken cancellationToken) =>
        AskAsync(path, account, service => ListAsync(service, cancellationToken), time, cancellationToken);

    /// <summary>As <see cref="ListAsync(NalPath, ConnectionAccount, TimeProvider, CancellationToken)"/>, with what the server says of its limit.</summary>
    public static async Task<SessionList> ReadAsync(NalPath path, ConnectionAccount account, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(account);
        return path.Provider == "NWBIND"
            ? await NwbindSessions.ReadAsync(path, account, time, cancellationToken)
            : new SessionList(await ListAsync(path, account, time, cancellationToken), Capacity: null);
    }

    /// <summary>Ends <em>all</em> connections of one user from one client, whoever made them, after looking once more.</summary>
    /// <param name="client">As <see cref="ServerSession.Client"/>; never empty, since that would mean every client.</param>
    /// <param name="user">As <see cref="ServerSession.User"/>; never empty.</param>
    /// <param name="objection">Judges what the server holds a moment before: a text keeps them all.</param>
    /// <returns>The objection; null when they were ended.</returns>
    /// <exception cref="NalException">As <see cref="ListAsync(NalPath, ConnectionAccount, TimeProvider, CancellationToken)"/>.</exception>
    public static Task<string?> EndAsync(NalPath path, ConnectionAccount account, string client, string user, Func<IReadOnlyList<ServerSession>, string?> objection,
        TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(client);
        ArgumentException.ThrowIfNullOrEmpty(user);
        ArgumentNullException.ThrowIfNull(objection);
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(account);
        if (path.Provider == "NWBIND")
            return NwbindSessions.EndAsync(path, account, client, user, objection, time, cancellationToken);
        return AskAsync(path, account, async service =>
        {
            if (objection(await ListAsync(service, cancellationToken)) is { } objected)
                return objected;
            await service.CloseSessionAsync(client, user, cancellationToken);
            return null;
        }, time, cancellationToken);
    }

    private static async Task<IReadOnlyList<ServerSession>> ListAsync(ServerService service, CancellationToken cancellationToken) =>
    [
        .. (await service.ListSessionsAsync(cancellationToken))
            .Select(held => new ServerSession(held.Client, held.User, held.OpenFiles, held.ActiveFor, held.IdleFor, held.IsGuest)),
    ];

    private static async Task<T> AskAsync<T>(NalPath path, ConnectionAccount account, Func<ServerService, Task<T>> ask, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(account);
        if (path.Provider != "MSWNET" || path.Server is not { } server)
            throw new NalException(NalError.Resolve, $"{path} names no server that tells its sessions: only MSWNET and NWBIND paths do", path.ToString(), Completion.NotSent);
        try
        {
            var connection = await SmbConnection.ConnectAsync(new SmbEndpoint(path.Root, path.Port ?? 445), SmbOptions.Default with { Time = time }, cancellationToken);
            await using (connection.ConfigureAwait(false))
            {
                var session = await connection.LogOnAsync(TicketAccount.Credentials(account, time), previousSessionId: 0, cancellationToken);
                var service = await ServerService.ConnectAsync(session, cancellationToken);
                await using (service.ConfigureAwait(false))
                {
                    return await ask(service);
                }
            }
        }
        catch (SmbException denied) when (denied.Command != SmbCommand.SessionSetup && SmbErrors.IsDenied(denied.Status))
        {
            // At the share IPC$, at its pipe, or by the service itself: it is the same right.
            var right = denied.Message.Contains(ServerService.SessionRight, StringComparison.Ordinal) ? "" : $"; {ServerService.SessionRight}";
            throw new NalException(NalError.AccessDenied, $"server {server}, asked as {account.Name}: {denied.Message}{right}", path.ToString(), server: server, code: denied.Status.Code, inner: denied);
        }
        catch (SmbRpcException refused)
        {
            throw new NalException(NalError.ReadRemote, $"server {server}, asked as {account.Name}: {refused.Message}", path.ToString(), server: server, inner: refused);
        }
        catch (ArgumentException cause)
        {
            throw SmbErrors.NoAccount(cause, server, account.Name, path);
        }
        catch (SmbException cause)
        {
            throw SmbErrors.Connecting(cause, server, account.Name, path).Exception;
        }
    }
}
