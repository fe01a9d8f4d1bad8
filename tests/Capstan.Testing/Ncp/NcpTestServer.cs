using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Capstan.Ncp.Crypto;

namespace Capstan.Testing.Ncp;

/// <summary>A request as it was done, with its answer.</summary>
/// <param name="Subfunction">-1 where the function has none.</param>
public sealed record NcpSeen(int Connection, int Function, int Subfunction, byte Code);

/// <summary>A connection as an operator sees it.</summary>
public sealed record NcpHeld(int Number, string? User, int OpenFiles);

/// <summary>A small NetWare-like server in this process: slots, licences, keyed logins, signatures, a watchdog, files of real directories, over TCP and UDP on one port, and misbehaviour by
/// order. It proves this project's reading of the protocol; no server of Novell was ever seen.</summary>
/// <remarks>It reads and writes packets with code of its own. Password hash and signature are those of the client, whose values tests compare with others.</remarks>
public sealed class NcpTestServer : IAsyncDisposable
{
    private readonly List<Task> _running = [];
    private readonly List<NcpSeen> _seen = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly NcpServerFunctions _functions;
    private TcpListener? _listener;
    private Socket? _datagrams;
    private ITimer? _watchdog;
    private int _streams;

    public NcpTestServer(NcpServerRules? rules = null)
    {
        Rules = rules ?? new NcpServerRules();
        _functions = new NcpServerFunctions(this);
    }

    public NcpServerRules Rules { get; }

    /// <summary>After <see cref="Listen"/>.</summary>
    public int Port { get; private set; }

    /// <summary>Every request that was done, by all connections; one that came twice is done once.</summary>
    public IReadOnlyList<NcpSeen> Seen
    {
        get
        {
            lock (Gate)
                return [.. _seen];
        }
    }

    public IReadOnlyList<NcpHeld> Held
    {
        get
        {
            lock (Gate)
                return [.. Connections.Values.Select(one => new NcpHeld(one.Number, one.User, one.Files.Count))];
        }
    }

    /// <summary>The most connections that were held at one time.</summary>
    public int Peak { get; private set; }

    /// <summary>The most logins that were held at one time.</summary>
    public int PeakLogins { get; internal set; }

    /// <summary>A request is held (<see cref="NcpServerRules.Hold"/>).</summary>
    public bool IsHolding { get; private set; }

    /// <summary>A connection has answered the watchdog, or said something else, since it was asked last.</summary>
    public bool Answered(int number)
    {
        lock (Gate)
            return Connections.TryGetValue(number, out var one) && one.Questions == 0;
    }

    /// <summary>Requests that a strict server would end the connection for.</summary>
    public List<string> Complaints { get; } = [];

    internal Lock Gate { get; } = new();

    internal SortedDictionary<int, NcpServerConnection> Connections { get; } = [];

    /// <summary>On 127.0.0.1; TCP and UDP on the same port.</summary>
    public NcpTestServer Listen()
    {
        for (var tries = 0; ; tries++)
        {
            _listener = new TcpListener(IPAddress.Loopback, 0);
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _datagrams = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                _datagrams.Bind(new IPEndPoint(IPAddress.Loopback, Port));
                break;
            }
            catch (SocketException) when (tries < 20)
            {
                // Somebody has this port for datagrams: another one.
                _datagrams.Dispose();
                _listener.Dispose();
            }
        }
        Run(AcceptAsync());
        Run(ReceiveDatagramsAsync());
        _watchdog = Rules.Time.CreateTimer(_ => Ask(), null, Rules.WatchdogEvery, Rules.WatchdogEvery);
        return this;
    }

    /// <summary>Ends a connection as an operator does at the console. Its stream is left open: the next request finds out.</summary>
    public void Clear(int number)
    {
        lock (Gate)
            Free(number);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _watchdog?.Dispose();
        _listener?.Dispose();
        _datagrams?.Dispose();
        Task[] running;
        lock (Gate)
            running = [.. _running];
        await Task.WhenAll(running);
        lock (Gate)
        {
            foreach (var number in Connections.Keys.ToArray())
                Free(number);
        }
        _stopping.Dispose();
    }

    internal void Free(int number)
    {
        if (!Connections.Remove(number, out var gone))
            return;
        foreach (var file in gone.Files.Values)
            file.Stream.Dispose();
    }

    private void Run(Task task)
    {
        lock (Gate)
        {
            _running.RemoveAll(done => done.IsCompleted);
            _running.Add(task);
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                Run(ServeAsync(await _listener!.AcceptSocketAsync(_stopping.Token)));
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            return;
        }
    }

    /// <summary>One stream: at most one connection, which ends with it.</summary>
    private async Task ServeAsync(Socket socket)
    {
        socket.NoDelay = true;
        var remote = (IPEndPoint)socket.RemoteEndPoint!;
        Interlocked.Increment(ref _streams);
        NcpServerConnection? mine = null;
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            var head = new byte[16];
            while (true)
            {
                await stream.ReadExactlyAsync(head, _stopping.Token);
                var length = (int)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(4));
                if (BinaryPrimitives.ReadUInt32BigEndian(head) != 0x446D6454 || BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)) != 1 || length is < 16 + 7 or > 0x20000)
                {
                    lock (Gate)
                        Complaints.Add($"a record {Convert.ToHexString(head)}");
                    return;
                }
                var rest = new byte[length - 16];
                await stream.ReadExactlyAsync(rest, _stopping.Token);
                var signed = mine?.Signer is not null ? 8 : 0;
                var packet = rest.AsMemory(signed);
                if (mine?.Signer is not null && !IsSignedRight(mine, packet.Span, (uint)length, rest.AsSpan(0, 8)))
                    return;
                var frame = await AnswerAsync(packet, remote, isStream: true, made => mine = made, busy => stream.WriteAsync(busy, _stopping.Token));
                if (frame is null)
                    return;
                await stream.WriteAsync(frame, _stopping.Token);
            }
        }
        catch (Exception over) when (over is OperationCanceledException or IOException or SocketException)
        {
            return;
        }
        finally
        {
            Interlocked.Decrement(ref _streams);
            lock (Gate)
            {
                if (mine is not null && Connections.TryGetValue(mine.Number, out var still) && still == mine)
                    Free(mine.Number);
            }
        }
    }

    private bool IsSignedRight(NcpServerConnection mine, ReadOnlySpan<byte> packet, uint length, ReadOnlySpan<byte> signature)
    {
        Span<byte> bytes = stackalloc byte[4];
        if (mine.IsStream)
            BinaryPrimitives.WriteUInt32BigEndian(bytes, length);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, length);
        Span<byte> expected = stackalloc byte[8];
        mine.Signer!.Sign(packet[6..], bytes, expected);
        if (expected.SequenceEqual(signature))
            return true;
        lock (Gate)
            Complaints.Add($"connection {mine.Number}: a request with a wrong signature");
        return false;
    }

    private async Task ReceiveDatagramsAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var got = await _datagrams!.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stopping.Token);
                var fate = Rules.Incoming?.Invoke() ?? NcpFate.Arrives;
                for (var times = fate == NcpFate.IsLost ? 0 : fate == NcpFate.IsDoubled ? 2 : 1; times > 0; times--)
                    Run(HandleDatagramAsync(buffer[..got.ReceivedBytes], (IPEndPoint)got.RemoteEndPoint));
            }
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            return;
        }
    }

    private async Task HandleDatagramAsync(byte[] received, IPEndPoint remote)
    {
        if (received.Length < 7)
            return;
        NcpServerConnection? mine;
        byte[]? again = null;
        var packet = received.AsMemory();
        lock (Gate)
        {
            mine = Connections.Values.FirstOrDefault(one => !one.IsStream && one.Remote.Equals(remote));
            if (mine is not null)
            {
                mine.LastHeard = Rules.Time.GetTimestamp();
                mine.Questions = 0;
            }
            if (BinaryPrimitives.ReadUInt16BigEndian(received) == 0x3E3E)
                return;
            // What comes again is not done again: it gets the same answer, or hears that it is being done.
            if (mine is not null && mine.LastSequence == received[2])
            {
                again = mine.LastFrame ?? Frame(0x9999, received[2], mine, 0, []);
            }
            else if (mine is not null && BinaryPrimitives.ReadUInt16BigEndian(received) != 0x1111 && received[2] != (byte)(mine.LastSequence + 1))
            {
                // Older than the last one: it wandered, and was answered long ago.
                return;
            }
            else if (mine?.Signer is not null)
            {
                packet = received.AsMemory(0, Math.Max(6, received.Length - 8));
                if (received.Length < 15 || !IsSignedRight(mine, packet.Span, (uint)packet.Length, received.AsSpan(received.Length - 8)))
                    return;
            }
            if (again is null && mine is not null)
                (mine.LastSequence, mine.LastFrame) = (received[2], null);
        }
        var frame = again ?? await AnswerAsync(packet, remote, isStream: false, _ => { }, busy => SendDatagramAsync(busy, remote));
        if (frame is not null)
            await SendDatagramAsync(frame, remote);
    }

    private async ValueTask SendDatagramAsync(ReadOnlyMemory<byte> frame, IPEndPoint remote)
    {
        var fate = Rules.Outgoing?.Invoke() ?? NcpFate.Arrives;
        try
        {
            for (var times = fate == NcpFate.IsLost ? 0 : fate == NcpFate.IsDoubled ? 2 : 1; times > 0; times--)
                await _datagrams!.SendToAsync(frame, SocketFlags.None, remote, _stopping.Token);
        }
        catch (Exception gone) when (gone is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // A client that is gone hears nothing, and a server that stops says nothing.
            return;
        }
    }

    /// <summary>One packet and its answer as it goes on the wire; null for none.</summary>
    private async Task<byte[]?> AnswerAsync(ReadOnlyMemory<byte> packet, IPEndPoint remote, bool isStream, Action<NcpServerConnection> made, Func<ReadOnlyMemory<byte>, ValueTask> busy)
    {
        var (type, sequence) = (BinaryPrimitives.ReadUInt16BigEndian(packet.Span), packet.Span[2]);
        var number = packet.Span[3] | (packet.Span[5] << 8);
        NcpServerConnection? mine;
        lock (Gate)
        {
            if (type == 0x1111)
                return Create(sequence, remote, isStream, made);
            if (!Connections.TryGetValue(number, out mine) || !mine.Remote.Equals(remote))
                // Bit 0 of the status: there is no such connection (any more).
                return Frame(0x3333, sequence, new NcpServerConnection(number, remote, isStream), 0xFF, [], status: 1);
            if (type == 0x5555)
            {
                var gone = Frame(0x3333, sequence, mine, 0, []);
                Free(number);
                _seen.Add(new NcpSeen(number, 0x5555, -1, 0));
                return gone;
            }
            if (type != 0x2222)
            {
                Complaints.Add($"a packet of type {type:X4}");
                return null;
            }
        }
        var function = packet.Span[6];
        if (Rules.Hold?.Invoke(function) is { } hold)
        {
            if (Rules.SaysBusy)
                await busy(Frame(0x9999, sequence, mine, 0, []));
            IsHolding = true;
            await hold.Task.WaitAsync(_stopping.Token);
            IsHolding = false;
        }
        lock (Gate)
        {
            var (code, data) = _functions.Perform(mine, function, packet.Span[7..], out var subfunction);
            _seen.Add(new NcpSeen(number, function, subfunction, code));
            var frame = Frame(0x3333, sequence, mine, code, data);
            if (_functions.TakeSigner(mine) is { } signer)
                mine.Signer = signer;
            mine.LastFrame = frame;
            return frame;
        }
    }

    private byte[] Create(byte sequence, IPEndPoint remote, bool isStream, Action<NcpServerConnection> made)
    {
        var mine = Connections.Values.FirstOrDefault(one => !isStream && !one.IsStream && one.Remote.Equals(remote));
        if (mine is null)
        {
            if (Connections.Count >= Rules.MaxConnections)
                return Frame(0x3333, sequence, new NcpServerConnection(0xFFFF, remote, isStream), 0xF9, [], status: 4);
            var number = Enumerable.Range(1, int.MaxValue).First(free => !Connections.ContainsKey(free));
            Connections.Add(number, mine = new NcpServerConnection(number, remote, isStream) { LastHeard = Rules.Time.GetTimestamp() });
            Peak = Math.Max(Peak, Connections.Count);
        }
        made(mine);
        var frame = Frame(0x3333, sequence, mine, 0, []);
        (mine.LastSequence, mine.LastFrame) = (sequence, frame);
        return frame;
    }

    private byte[] Frame(int type, byte sequence, NcpServerConnection to, byte code, byte[] data, byte status = 0)
    {
        var signed = to.Signer is not null && type == 0x3333;
        // On a stream everything has room for a signature once packets are signed.
        var room = to.Signer is null || (!to.IsStream && !signed) ? 0 : 8;
        var begin = to.IsStream ? 8 + room : 0;
        var frame = new byte[begin + 8 + data.Length + (to.IsStream ? 0 : room)];
        var packet = frame.AsSpan(begin, 8 + data.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet, (ushort)type);
        (packet[2], packet[3], packet[4], packet[5], packet[6], packet[7]) = (sequence, (byte)to.Number, 1, (byte)(to.Number >> 8), code, status);
        data.CopyTo(packet[8..]);
        if (to.IsStream)
        {
            BinaryPrimitives.WriteUInt32BigEndian(frame, 0x744E6350);
            BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(4), (uint)frame.Length);
        }
        if (signed)
        {
            Span<byte> length = stackalloc byte[4];
            if (to.IsStream)
            {
                BinaryPrimitives.WriteUInt32BigEndian(length, (uint)frame.Length);
                to.Signer!.SignReply(packet[6..], length, frame.AsSpan(8, 8));
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)packet.Length);
                to.Signer!.SignReply(packet[8..], length, frame.AsSpan(frame.Length - 8));
            }
        }
        Rules.Tamper?.Invoke(frame);
        return frame;
    }

    /// <summary>The watchdog: silent connections of datagrams are asked, and ended when they do not answer.</summary>
    private void Ask()
    {
        List<(byte[] Question, IPEndPoint Remote)> questions = [];
        lock (Gate)
        {
            foreach (var one in Connections.Values.Where(one => !one.IsStream && Rules.Time.GetElapsedTime(one.LastHeard) >= Rules.WatchdogAfter).ToArray())
            {
                if (one.Questions++ >= Rules.WatchdogQuestions)
                    Free(one.Number);
                else
                    questions.Add(([0x3E, 0x3E, 0, (byte)one.Number, 0, (byte)(one.Number >> 8), 0, 0, 0, (byte)'?'], one.Remote));
            }
        }
        foreach (var (question, remote) in questions)
            Run(SendDatagramAsync(question, remote).AsTask());
    }
}
