using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Capstan.Testing.Smb;

/// <summary>A relay on loopback between a client and a server of SMB: it knows frames, and does with each what a rule says.</summary>
/// <remarks>Rules may be changed at any time; they hold for the next frame of every link. Each link of a client is one link to the server.</remarks>
internal sealed class FaultProxy : IAsyncDisposable
{
    private const int MaxFrameBytes = 1 << 24; // the length has three bytes ([MS-SMB2] 2.1)
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _links = [];
    private readonly int _serverPort;
    private readonly TimeProvider _time;
    private readonly Task _accepting;
    private int _connections;

    public FaultProxy(int serverPort, TimeProvider time)
    {
        _serverPort = serverPort;
        _time = time;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>How many links clients have opened so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>What becomes of what the client sends.</summary>
    public Func<SmbFrame, FrameFate> Requests { get; set; } = FrameFate.Pass;

    /// <summary>What becomes of what the server sends.</summary>
    public Func<SmbFrame, FrameFate> Answers { get; set; } = FrameFate.Pass;

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            Interlocked.Increment(ref _connections);
            _links.Add(RelayAsync(client));
        }
    }

    private async Task RelayAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            using var link = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, link.Token);
            }
            catch (SocketException)
            {
                return; // the client sees the link closed, which is what a server that is gone looks like through a relay
            }
            var requests = DirectAsync(client, server, () => Requests, link.Token);
            var answers = DirectAsync(server, client, () => Answers, link.Token);
            // The first direction to end the link ends it; silence and the other direction wait for that.
            var fate = await await Task.WhenAny(requests, answers);
            await link.CancelAsync();
            await Task.WhenAll(requests, answers);
            if (fate == LinkFate.Resets)
                client.LingerState = new LingerOption(true, 0);
        }
    }

    /// <summary>Relays one direction until it ends, and says how.</summary>
    private async Task<LinkFate> DirectAsync(Socket from, Socket to, Func<Func<SmbFrame, FrameFate>> rule, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<ushort, int>();
        var offset = 0L;
        var silent = false;
        try
        {
            while (await FrameAsync(from, cancellationToken) is { } bytes)
            {
                var command = SmbFrame.CommandOf(bytes);
                var frame = new SmbFrame(bytes, offset, counts[command] = counts.GetValueOrDefault(command) + 1);
                offset += bytes.Length;
                if (silent)
                    continue;
                var fate = rule()(frame);
                if (fate.Delay > TimeSpan.Zero)
                    await Task.Delay(fate.Delay, _time, cancellationToken);
                foreach (var piece in fate.Pieces)
                    await to.SendAsync(piece, SocketFlags.None, cancellationToken);
                silent = fate.Link == LinkFate.Silent;
                if (fate.Link is LinkFate.Closes or LinkFate.Resets)
                    return fate.Link;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The link is over, by the other direction or by one of its ends.
        }
        return LinkFate.Closes;
    }

    private static async ValueTask<byte[]?> FrameAsync(Socket from, CancellationToken cancellationToken)
    {
        var prefix = new byte[SmbFrame.PrefixBytes];
        if (!await FillAsync(from, prefix, cancellationToken))
            return null;
        var length = BinaryPrimitives.ReadInt32BigEndian(prefix) & (MaxFrameBytes - 1);
        var frame = new byte[SmbFrame.PrefixBytes + length];
        prefix.CopyTo(frame, 0);
        return await FillAsync(from, frame.AsMemory(SmbFrame.PrefixBytes), cancellationToken) ? frame : null;
    }

    private static async ValueTask<bool> FillAsync(Socket from, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            var received = await from.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
            if (received == 0)
                return false;
            buffer = buffer[received..];
        }
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        await Task.WhenAll(_links);
        _listener.Dispose();
        _stop.Dispose();
    }
}
