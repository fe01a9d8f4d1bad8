using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>Who is connected to a NetWare server: its connections one by one, as anybody who is logged in may ask.</summary>
internal static class NwbindSessions
{
    /// <summary>A server with more than this is not looked through to its end.</summary>
    private const int MostNumbers = 10_000;

    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    /// <summary>Asks with a connection of its own, which is closed before this returns and stands in the list.</summary>
    public static Task<SessionList> ReadAsync(NalPath path, ConnectionAccount account, TimeProvider time, CancellationToken cancellationToken) => AskAsync(path, account, async bindery =>
    {
        var about = await bindery.InformationAsync(cancellationToken);
        var held = await HeldAsync(bindery, about, cancellationToken);
        return new SessionList([.. held.Select(one => one.Session)], new ServerCapacity(about.ConnectionsInUse, about.MaxConnections, about.PeakConnections));
    }, time, cancellationToken);

    /// <summary>Ends all connections of one user from one client, after looking once more. Only an operator of the server may.</summary>
    /// <returns>The objection; null when they were ended.</returns>
    public static Task<string?> EndAsync(NalPath path, ConnectionAccount account, string client, string user, Func<IReadOnlyList<ServerSession>, string?> objection,
        TimeProvider time, CancellationToken cancellationToken) => AskAsync(path, account, async bindery =>
    {
        var held = await HeldAsync(bindery, await bindery.InformationAsync(cancellationToken), cancellationToken);
        if (objection([.. held.Select(one => one.Session)]) is { } objected)
            return objected;
        foreach (var (number, session) in held)
        {
            if (session.Client == client && session.User == user)
                await bindery.ClearAsync(number, cancellationToken);
        }
        return null;
    }, time, cancellationToken);

    private static async Task<IReadOnlyList<(int Number, ServerSession Session)>> HeldAsync(BinderyService bindery, ServerInformation about, CancellationToken cancellationToken)
    {
        var clock = await bindery.ClockAsync(cancellationToken);
        var held = new List<(int, ServerSession)>();
        for (var number = 1; number <= Math.Min(about.MaxConnections, MostNumbers) && held.Count < about.ConnectionsInUse; number++)
        {
            var found = await bindery.OfAsync(number, cancellationToken);
            if (found.IsEmpty)
                continue;
            var active = clock - found.LoginTime;
            held.Add((number, new ServerSession(await ClientAsync(bindery, number, cancellationToken), found.User.Name, OpenFiles: null, active < TimeSpan.Zero ? TimeSpan.Zero : active, IdleFor: null, IsGuest: null)));
        }
        return held;
    }

    /// <summary>The address without the port; empty where the server does not tell it.</summary>
    private static async Task<string> ClientAsync(BinderyService bindery, int number, CancellationToken cancellationToken)
    {
        try
        {
            return (await bindery.AddressOfAsync(number, cancellationToken)).Address?.Address.ToString() ?? "";
        }
        catch (NcpException untold) when (untold.Failure == NcpFailure.Completion)
        {
            return "";
        }
    }

    private static async Task<T> AskAsync<T>(NalPath path, ConnectionAccount account, Func<BinderyService, Task<T>> ask, TimeProvider time, CancellationToken cancellationToken)
    {
        NcpConnection? connection = null;
        try
        {
            connection = await NcpConnection.ConnectAsync(NwbindProvider.EndpointOf(path), NcpOptions.Default with { Time = time }, cancellationToken);
            var bindery = new BinderyService(connection);
            await bindery.LogInAsync(account.Name, account.Password.Reveal(), cancellationToken);
            return await ask(bindery);
        }
        catch (NcpException denied) when (denied.Code == NcpCode.NoConsoleRights)
        {
            throw new NalException(NalError.AccessDenied, $"server {path.Server}, asked as {account.Name}: only a console operator ends connections ({denied.Code}); make the account one, or CLEAR STATION at the server",
                path.ToString(), server: path.Server, code: denied.Code.Value, inner: denied);
        }
        catch (NcpException cause)
        {
            throw NcpErrors.Connecting(cause, path.Server!, account.Name, path).Exception;
        }
        finally
        {
            if (connection is not null)
            {
                using var late = new CancellationTokenSource(ClosingTime, time);
                await connection.CloseAsync(late.Token);
            }
        }
    }
}
