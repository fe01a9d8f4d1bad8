using System.Net;
using System.Net.Sockets;

namespace Capstan.ServerTests.Arbiter;

/// <summary>Passes bytes between a client and a server on loopback, and never tells the server that the client is gone: as a network does whose cable was cut before the last packet.</summary>
internal sealed class DeafRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Socket> _sockets = [];
    private readonly Lock _gate = new();
    private readonly int _serverPort;
    private readonly Task _accepting;

    public DeafRelay(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>The address that the server sees from now on.</summary>
    public IPAddress Source { get; set; } = IPAddress.Loopback;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting;
        lock (_gate)
        {
            foreach (var socket in _sockets)
                socket.Dispose();
        }
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptSocketAsync(_stopping.Token);
                var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                client.NoDelay = true;
                lock (_gate)
                    _sockets.AddRange([client, server]);
                server.Bind(new IPEndPoint(Source, 0));
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, _stopping.Token);
                _ = PumpAsync(client, server, tellsEnd: false);
                _ = PumpAsync(server, client, tellsEnd: true);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool tellsEnd)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _stopping.Token) is var length and > 0)
            {
                for (var sent = 0; sent < length;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, length - sent), _stopping.Token);
            }
        }
        catch (Exception end) when (end is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // However it ended: what follows is the same.
        }
        if (tellsEnd)
            to.Dispose();
    }
}
