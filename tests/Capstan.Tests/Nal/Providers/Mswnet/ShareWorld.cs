using System.Net;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Nal.Providers.Mswnet;

/// <summary>The provider and a server of ours over loopback, on a clock that the test moves. When it is disposed, the server holds nothing and has no complaint.</summary>
internal sealed class ShareWorld : IAsyncDisposable
{
    public static readonly ConnectionAccount Capa = new("capa", new Secret("secret-capa"));

    private readonly List<IStorageConnection> _connections = [];
    private readonly MswnetProvider _provider;
    private readonly IPAddress _address;

    private ShareWorld(SmbTestServer server, ManualTime time, IPAddress address)
    {
        Server = server;
        Time = time;
        _address = address;
        _provider = new MswnetProvider(time);
    }

    public SmbTestServer Server { get; }

    public ManualTime Time { get; }

    public NalPath Share => NalPath.Parse(FormattableString.Invariant($"smb://{(_address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{_address}]" : $"{_address}")}:{Server.Port}/data/"));

    public static ShareWorld Start(IPAddress? address = null)
    {
        var time = new ManualTime();
        var world = new ShareWorld(new SmbTestServer(new SmbServerRules { Time = time }), time, address ?? IPAddress.Loopback);
        world.Server.Listen(address);
        return world;
    }

    /// <summary>A connection of its own, closed with the world.</summary>
    public async Task<IStorageConnection> ConnectAsync(ConnectionAccount? account = null)
    {
        var connection = await _provider.ConnectAsync(new ConnectRequest(Share, account ?? Capa, null), CancellationToken.None);
        _connections.Add(connection);
        return connection;
    }

    /// <summary>The share <c>data</c>, on a connection of its own.</summary>
    public async Task<IStore> OpenAsync() => await (await ConnectAsync()).OpenAsync(Share, CancellationToken.None);

    /// <summary>Closes all connections, and with that waits for what they clean up.</summary>
    public async Task CloseAsync()
    {
        foreach (var connection in _connections)
            Assert.True(await connection.CloseAsync(CancellationToken.None), "the close was not confirmed");
        _connections.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await Server.QuietAsync();
        Assert.Equal(SmbHoldings.Nothing, Server.Holdings);
        await Server.DisposeAsync();
        Assert.Empty(Server.Complaints);
    }
}
