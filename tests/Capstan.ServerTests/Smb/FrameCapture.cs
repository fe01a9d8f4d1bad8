using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Smb;

/// <summary>Everything that crosses one TCP port of loopback while it runs, judged by Wireshark afterwards.</summary>
internal sealed class FrameCapture : IAsyncDisposable
{
    private const ushort SmbPort = 445;

    /// <summary>Where NetWare servers listen; by it Wireshark knows what it sees.</summary>
    public const ushort NcpPort = 524;

    private readonly TemporaryDirectory _directory = new();
    private readonly int _port;
    private readonly ushort _shownPort;
    private readonly UdpClient _marker = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly ServerProcesses _dumpcap;

    private FrameCapture(int port, ushort shownPort)
    {
        _port = port;
        _shownPort = shownPort;
        // The buffer (MiB) holds what a slow disk delays.
        _dumpcap = ServerProcesses.Start(["dumpcap", "-q", "-P", "-i", "lo", "-B", "64", "-f", $"port {port} or udp port {MarkerPort}", "-w", File], []);
    }

    private int MarkerPort => ((IPEndPoint)_marker.Client.LocalEndPoint!).Port;

    private string File => _directory.Combine("capture.pcap");

    /// <summary>Begins one; every later frame is in it.</summary>
    /// <param name="shownPort">The port that Wireshark sees in place of it.</param>
    public static async Task<FrameCapture> StartAsync(int port, ushort shownPort = SmbPort)
    {
        Tools.Require("dumpcap", "tshark");
        Tools.RequireRoot("it reads the traffic of an interface");
        var capture = new FrameCapture(port, shownPort);
        using var deadline = new CancellationTokenSource(Patience.Limit);
        // dumpcap names its file when it has opened the interface.
        await capture._dumpcap.PrintedAsync("File: ", deadline.Token);
        return capture;
    }

    /// <summary>Ends the capture.</summary>
    /// <returns>What Wireshark finds malformed of what the client sent. (Of what Samba sends, it misreads the hint in NEGOTIATE, [MS-SPNG] 2.2.1.)</returns>
    public Task<IReadOnlyList<string>> MalformedRequestsAsync() => RequestsAsync("_ws.malformed", "_ws.expert.message");

    /// <summary>As <see cref="FramesAsync"/>, of what the client sent.</summary>
    public Task<IReadOnlyList<string>> RequestsAsync(string filter, params string[] fields) => FramesAsync($"({filter}) && tcp.dstport == {SmbPort}", fields);

    /// <summary>Ends the capture.</summary>
    /// <returns>One line for each frame that matches a display filter of Wireshark, with the fields asked for, separated by tabs.</returns>
    public async Task<IReadOnlyList<string>> FramesAsync(string filter, params string[] fields)
    {
        if (!_dumpcap.Ended.IsCompleted)
        {
            await CaughtUpAsync();
            _dumpcap.Signal(Signal.Interrupt);
            await _dumpcap.Ended.WaitAsync(Patience.Limit);
            await System.IO.File.WriteAllBytesAsync(File, Relabelled(await System.IO.File.ReadAllBytesAsync(File)));
        }
        var output = await Tools.RunAsync("tshark",
            ["-n", "-r", File, "-Y", filter, "-T", "fields", .. fields.Append("frame.number").SelectMany(field => (string[])["-e", field])]);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The capture with the server's well-known port: on any other than 445, Wireshark believes that lengths have 17 bits, as over NetBIOS, and loses its place at the first long frame.</summary>
    private byte[] Relabelled(byte[] pcap)
    {
        const int fileHeader = 24, recordHeader = 16, ethernet = 14;
        for (var at = fileHeader; at + recordHeader <= pcap.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(pcap.AsSpan(at + 8));
            var packet = pcap.AsSpan(at + recordHeader, length);
            var ports = packet[(ethernet + ((packet[ethernet] & 0xF) * 4))..];
            foreach (var offset in (int[])[0, 2])
            {
                if (BinaryPrimitives.ReadUInt16BigEndian(ports[offset..]) == _port)
                    BinaryPrimitives.WriteUInt16BigEndian(ports[offset..], _shownPort);
            }
            at += recordHeader + length;
        }
        return pcap;
    }

    /// <summary>dumpcap drops what it has not read yet when it is told to end. So: a datagram after everything else, and waiting until that is in the file.</summary>
    private async Task CaughtUpAsync()
    {
        var word = Guid.NewGuid().ToByteArray();
        await _marker.SendAsync(word, new IPEndPoint(IPAddress.Loopback, MarkerPort));
        using var deadline = new CancellationTokenSource(Patience.Limit);
        while ((await System.IO.File.ReadAllBytesAsync(File, deadline.Token)).AsSpan().IndexOf(word) < 0)
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        _marker.Dispose();
        await _dumpcap.DisposeAsync();
        _directory.Dispose();
    }
}
