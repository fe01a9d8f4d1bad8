using Capstan.Nal.Paths;
using Capstan.Smb;
using Capstan.Smb.Connection;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>Shares of Windows and Samba servers, by the client of <c>Capstan.Smb</c>. One connection of this provider is one session at the server.</summary>
/// <param name="options">What is insisted on; its clock is that of the provider.</param>
public sealed class MswnetProvider(SmbOptions options) : IStorageProvider
{
    private readonly CapacityDoubt _doubt = new(options.Time);
    private readonly TemporarySweep _sweep = new(options.Time);

    /// <summary>With safe defaults: signed, encrypted where the server can, SMB 2.0.2 to 3.1.1.</summary>
    public MswnetProvider(TimeProvider time) : this(SmbOptions.Default with { Time = time }) { }

    public string Name => "MSWNET";

    public string? ServerOf(NalPath path) => path.Server;

    public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken)
    {
        var server = request.Path.Server ?? throw new ArgumentException($"{request.Path} is not an MSWNET path", nameof(request));
        if (request.Account is not { } account)
        {
            throw new NalException(NalError.Authenticate, $"server {server} needs a connection account, and none is known for it here: give one with --account NAME --password-file FILE "
                + "(capstan cap add, capstan nal). The user of this process and its Kerberos ticket are never tried in its place; capstan nal takes the ticket with --account kerberos:", request.Path.ToString(), Completion.NotSent, server: server);
        }
        var endpoint = new SmbEndpoint(request.Path.Root, request.Path.Port ?? 445);
        SmbConnection? connection = null;
        try
        {
            connection = await SmbConnection.ConnectAsync(endpoint, options, cancellationToken);
            var session = await connection.LogOnAsync(TicketAccount.Credentials(account, options.Time), PreviousAt(connection, request), cancellationToken);
            _doubt.Settled(server);
            return new MswnetConnection(session, server, account.Name, _sweep, options.Time);
        }
        catch (SmbException cause)
        {
            await CloseAsync(connection);
            throw _doubt.Judge(server, SmbErrors.Connecting(cause, server, account.Name, request.Path));
        }
        catch (ArgumentException cause)
        {
            await CloseAsync(connection);
            throw SmbErrors.NoAccount(cause, server, account.Name, request.Path);
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

    /// <summary>[MS-SMB2] 3.3.5.5.3: the server ends it when the same account asks. A session id says nothing to another server than the one that gave it.</summary>
    private static ulong PreviousAt(SmbConnection connection, ConnectRequest request) =>
        request.Previous is { } previous && (previous.Server is null || previous.Server == connection.ServerGuid) ? previous.Id : 0;

    private static ValueTask CloseAsync(SmbConnection? connection) => connection?.DisposeAsync() ?? ValueTask.CompletedTask;
}
