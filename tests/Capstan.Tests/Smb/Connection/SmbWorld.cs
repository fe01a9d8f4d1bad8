using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Smb.Files;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>One server of ours and one connection to it in memory, on a clock that the test moves. When it is disposed, the server holds nothing and has no complaint.</summary>
internal sealed class SmbWorld : IAsyncDisposable
{
    public static readonly SmbEndpoint Endpoint = new("fs1");
    public static readonly SmbCredentials Capa = new NtlmCredentials("capa", "secret-capa");

    private SmbWorld(SmbTestServer server, ManualTime time, MemoryLink link, SmbConnection connection)
    {
        Server = server;
        Time = time;
        Link = link;
        Connection = connection;
    }

    public SmbTestServer Server { get; }

    public ManualTime Time { get; }

    public MemoryLink Link { get; }

    public SmbConnection Connection { get; }

    public SmbSession Session { get; private set; } = null!;

    public SmbTree Tree { get; private set; } = null!;

    /// <summary>Signed and not encrypted, so that every message is judged by its signature; tests of encryption say so.</summary>
    public static SmbOptions Signed(ManualTime time) => new() { Time = time, Encryption = SmbEncryption.OnDemand };

    /// <summary>Connected, nobody logged on.</summary>
    public static async Task<SmbWorld> ConnectAsync(Action<SmbServerRules>? rules = null, Func<SmbOptions, SmbOptions>? options = null, Action<SmbTestServer>? prepare = null,
        Func<Stream, Stream>? wrap = null)
    {
        var time = new ManualTime();
        var all = new SmbServerRules { Time = time };
        rules?.Invoke(all);
        var server = new SmbTestServer(all);
        prepare?.Invoke(server);
        var link = server.Connect();
        var connection = await SmbConnection.AttachAsync((wrap ?? (same => same))(link.Client), Endpoint, (options ?? (same => same))(Signed(time)), CancellationToken.None);
        return new SmbWorld(server, time, link, connection);
    }

    /// <summary>Logged on and on the share <c>data</c>.</summary>
    public static async Task<SmbWorld> OpenAsync(Action<SmbServerRules>? rules = null, Func<SmbOptions, SmbOptions>? options = null, Func<Stream, Stream>? wrap = null)
    {
        var world = await ConnectAsync(rules, options, wrap: wrap);
        world.Session = await world.Connection.LogOnAsync(Capa, 0, CancellationToken.None);
        world.Tree = await world.Session.ConnectTreeAsync("data", CancellationToken.None);
        return world;
    }

    /// <summary>The connection still works: no test leaves one broken without saying so.</summary>
    public async Task AssertUsableAsync()
    {
        Assert.Null(Connection.EndCause);
        await Connection.EchoAsync(CancellationToken.None);
    }

    /// <summary>Waits until the client has nothing under way, cleaning up included.</summary>
    public async Task SettleAsync()
    {
        do
        {
            await AssertUsableAsync();
            await Patience.UntilAsync(() => Connection.IsIdle);
            // An answer that is being taken this moment is taken when one behind it is.
            await AssertUsableAsync();
        }
        while (!Connection.IsIdle);
    }

    public async ValueTask DisposeAsync()
    {
        await Time.RescueAsync(Connection.DisposeAsync().AsTask());
        await Server.QuietAsync();
        Assert.Equal(SmbHoldings.Nothing, Server.Holdings);
        await Server.DisposeAsync();
        Assert.Empty(Server.Complaints);
    }
}
