using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Smb.Files;

namespace Capstan.ServerTests.Smb;

/// <summary>Our client on a share of a <see cref="SambaServer"/>: connection, session and tree of one account.</summary>
internal sealed class Client(SmbSession session, SmbTree tree) : IAsyncDisposable
{
    public SmbConnection Connection => Session.Connection;

    public SmbSession Session { get; } = session;

    public SmbTree Tree { get; } = tree;

    /// <summary>How long a test waits for what never comes. Nothing is measured with it.</summary>
    public static readonly TimeSpan Short = TimeSpan.FromMilliseconds(400);

    /// <param name="port">Of a relay before the server.</param>
    public static async Task<Client> OpenAsync(
        SambaServer samba, string share = "cap", string account = "capa", SmbOptions? options = null, int? port = null, ulong previousSessionId = 0)
    {
        var connection = await ConnectAsync(samba, options, port);
        try
        {
            var session = await connection.LogOnAsync(Credentials(account), previousSessionId, CancellationToken.None);
            return new Client(session, await session.ConnectTreeAsync(share, CancellationToken.None));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public static ValueTask<SmbConnection> ConnectAsync(SambaServer samba, SmbOptions? options = null, int? port = null) =>
        SmbConnection.ConnectAsync(new SmbEndpoint("127.0.0.1", port ?? samba.Port), options ?? SmbOptions.Default, CancellationToken.None);

    public static NtlmCredentials Credentials(string account) => new(account, SambaServer.PasswordOf(account));

    /// <summary>What an action fails with; it must fail.</summary>
    public static Task<SmbException> FailureAsync(Func<Task> action) => Assert.ThrowsAnyAsync<SmbException>(action);

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}

/// <summary>One server for all tests of a class that do not change it. Started by the first that asks, so that a machine without Samba skips them.</summary>
public sealed class SharedSamba : IAsyncLifetime
{
    private readonly Lock _gate = new();
    private Task<SambaServer>? _server;

    internal Task<SambaServer> ServerAsync()
    {
        lock (_gate)
            return _server ??= SambaServer.StartAsync();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_server is { IsCompletedSuccessfully: true } server)
            await (await server).DisposeAsync();
    }
}
