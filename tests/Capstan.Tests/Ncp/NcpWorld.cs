using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Files;
using Capstan.Testing.Ncp;

namespace Capstan.Tests.Ncp;

/// <summary>A server with a volume, and connections to it.</summary>
internal sealed class NcpWorld : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-ncp-");

    public NcpWorld(Action<NcpServerRules>? set = null)
    {
        var rules = new NcpServerRules();
        Volume = new NcpTestVolume(_directory.FullName);
        rules.Volumes.Add("VOL", Volume);
        set?.Invoke(rules);
        Server = new NcpTestServer(rules).Listen();
    }

    public NcpTestServer Server { get; }

    public NcpTestVolume Volume { get; }

    public NcpEndpoint Endpoint => new("127.0.0.1", Server.Port);

    public Task<NcpConnection> ConnectAsync(NcpTransport transport = NcpTransport.Tcp, NcpOptions? options = null) =>
        NcpConnection.ConnectAsync(Endpoint, (options ?? NcpOptions.Default) with { Transport = transport }, CancellationToken.None);

    public async Task<(NcpConnection Connection, BinderyService Bindery)> LogInAsync(NcpTransport transport = NcpTransport.Tcp, NcpOptions? options = null, string user = "capa", string password = "Pw-capa-1")
    {
        var connection = await ConnectAsync(transport, options);
        var bindery = new BinderyService(connection);
        await bindery.LogInAsync(user, password, CancellationToken.None);
        return (connection, bindery);
    }

    public static Task<NcpVolume> OpenAsync(NcpConnection connection) => NcpVolume.OpenAsync(connection, "vol", CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
