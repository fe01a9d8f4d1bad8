using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>Volumes of NetWare servers with a bindery, or a bindery context, by the client of <c>Capstan.Ncp</c> over TCP. One connection of this provider is one connection at the server.</summary>
/// <param name="options">What is insisted on; its clock is that of the provider.</param>
public sealed class NwbindProvider(NcpOptions options) : IStorageProvider
{
    /// <summary>What is left of a server's own watchdog is not told; it is asked again after this.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan QuarterHour = TimeSpan.FromMinutes(15);

    private readonly CapacityDoubt _doubt = new(options.Time);
    private readonly TemporarySweep _sweep = new(options.Time);

    public NwbindProvider(TimeProvider time) : this(NcpOptions.Default with { Time = time }) { }

    public string Name => "NWBIND";

    public string? ServerOf(NalPath path) => path.Server;

    public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken)
    {
        var server = request.Path.Server ?? throw new ArgumentException($"{request.Path} is not an NWBIND path", nameof(request));
        var account = AccountOf(request, server);
        NcpConnection? connection = null;
        try
        {
            connection = await NcpConnection.ConnectAsync(EndpointOf(request.Path), options, cancellationToken);
            var opened = await LogInAsync(connection, server, account, cancellationToken);
            await SettleAsync(connection, opened, request, server, cancellationToken);
            _doubt.Settled(server);
            return opened;
        }
        catch (NcpException cause)
        {
            await CloseAsync(connection);
            throw _doubt.Judge(server, NcpErrors.Connecting(cause, server, account.Name, request.Path));
        }
        catch (OperationCanceledException cancelled) when (connection is null)
        {
            throw new NalException(NalError.Connect, $"server {server} was not reached before this was called off", request.Path.ToString(), Completion.NotSent, isTransient: true, server, inner: cancelled);
        }
        catch
        {
            await CloseAsync(connection);
            throw;
        }
    }

    internal static NcpEndpoint EndpointOf(NalPath path) => new(path.Root, path.Port ?? 524);

    internal static ConnectionAccount AccountOf(ConnectRequest request, string server) => request.Account
        ?? throw new NalException(NalError.Authenticate, $"server {server} needs a connection account, and none is known for it here: give one with --account NAME --password-file FILE (capstan cap add, capstan nal)",
            request.Path.ToString(), Completion.NotSent, server: server);

    private async Task<NwbindConnection> LogInAsync(NcpConnection connection, string server, ConnectionAccount account, CancellationToken cancellationToken)
    {
        var bindery = new BinderyService(connection);
        var user = await bindery.LogInAsync(account.Name, account.Password.Reveal(), cancellationToken);
        var own = await bindery.OfAsync(connection.Number, cancellationToken);
        var about = await bindery.InformationAsync(cancellationToken);
        var clock = await bindery.ClockAsync(cancellationToken);
        var address = await AddressAsync(bindery, connection.Number, cancellationToken);
        var session = own.LoginTime is { } time ? new NwbindSession(connection.Number, time, address) : null;
        return new NwbindConnection(connection, server, user.Name, session, NwbindSession.ServerId(about.Name), Zone(clock), _sweep, options.Time);
    }

    /// <summary>The server's time zone, which it does not tell: the difference of the clocks in quarters of an hour. A clock that is wrong by more is taken for a zone.</summary>
    private TimeSpan Zone(DateTime? clock) => clock is { } shown ? Math.Round((shown - options.Time.GetUtcNow().DateTime) / QuarterHour) * QuarterHour : TimeSpan.Zero;

    /// <summary>Ends a ghost that is provably this machine's. What is not is left alone, and no connection is opened beside it.</summary>
    private static async Task SettleAsync(NcpConnection connection, NwbindConnection opened, ConnectRequest request, string server, CancellationToken cancellationToken)
    {
        if (request.Previous is not { } previous || (previous.Server is not null && previous.Server != opened.Identity?.Id))
            return;
        var ghost = NwbindSession.Of(previous);
        if (ghost.Number == connection.Number)
            return;
        var bindery = new BinderyService(connection);
        var now = await bindery.OfAsync(ghost.Number, cancellationToken);
        var fate = ghost.Judge(opened.Account, now, await AddressAsync(bindery, ghost.Number, cancellationToken));
        if (fate == NwbindFate.Gone)
            return;
        var why = "whether it is this machine's cannot be proved, because the server does not tell its address";
        if (fate == NwbindFate.Ours)
        {
            try
            {
                await bindery.ClearAsync(ghost.Number, cancellationToken);
                return;
            }
            catch (NcpException refused) when (refused.Failure == NcpFailure.Completion)
            {
                why = $"account {opened.Account} may not end it ({refused.Code})";
            }
        }
        throw new NalException(NalError.WaitForSlot,
            $"server {server} still counts {ghost} of {opened.Account} that this machine lost: {why}; the server's watchdog ends it, some 15 min after it last heard of it. "
            + "It is looked at again; an operator of the server can end it at once (CLEAR STATION)", request.Path.ToString(), Completion.Refused, isTransient: true, server)
        { RetryAfter = AskAgain };
    }

    /// <summary>Null where the server does not tell, or the connection is not there any more.</summary>
    private static async Task<string?> AddressAsync(BinderyService bindery, int number, CancellationToken cancellationToken)
    {
        try
        {
            return NwbindSession.Show(await bindery.AddressOfAsync(number, cancellationToken));
        }
        catch (NcpException untold) when (untold.Failure == NcpFailure.Completion)
        {
            return null;
        }
    }

    private async ValueTask CloseAsync(NcpConnection? connection)
    {
        if (connection is null)
            return;
        using var late = new CancellationTokenSource(ClosingTime, options.Time);
        await connection.CloseAsync(late.Token);
    }
}
