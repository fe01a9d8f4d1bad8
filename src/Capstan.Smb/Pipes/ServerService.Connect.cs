using Capstan.Smb.Connection;
using Capstan.Smb.Files;

namespace Capstan.Smb.Pipes;

public sealed partial class ServerService
{
    private SmbTree? _tree;

    /// <summary>Connects to <c>IPC$</c> of a session's server and opens the service there.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Unsupported"/> when the server does not offer it; a status when this account may not ask.</exception>
    public static async ValueTask<ServerService> ConnectAsync(SmbSession session, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(session);
        var tree = await session.ConnectTreeAsync("IPC$", cancellationToken);
        try
        {
            var service = await BindAsync(await tree.OpenPipeAsync("srvsvc", cancellationToken), session.Connection.Endpoint.Host, cancellationToken);
            service._tree = tree;
            return service;
        }
        catch
        {
            await LeaveAsync(tree);
            throw;
        }
    }

    /// <summary>Closes the pipe and leaves <c>IPC$</c>; awaited. What the world answers then is not told: the session's end confirms it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _rpc.DisposeAsync();
        if (_tree is not null)
            await LeaveAsync(_tree);
    }

    private static async ValueTask LeaveAsync(SmbTree tree)
    {
        try
        {
            await tree.DisconnectAsync(CancellationToken.None);
        }
        catch (SmbException)
        {
            // The link or the session is over, and the tree with it.
        }
    }
}
