using System.Globalization;
using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Files;
using Capstan.ServerTests.Smb;
using Capstan.Testing;
using Capstan.Testing.Ncp;

namespace Capstan.ServerTests.Nwbind;

/// <summary>Wireshark, which knows nothing of us, reads whole conversations: every frame of both sides is well-formed, and each is the function that was meant, with the right answer.</summary>
public sealed class WiresharkTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    /// <summary>Function, subfunction and completion code, in hexadecimal; 01 and 05 are what Wireshark calls create and destroy.</summary>
    private static readonly string[] Expected =
    [
        "01::00", "61::00", "17:35:00", "17:17:00", "17:18:00", "17:11:00", "17:1C:00", "17:1A:00", "17:1B:00", "17:1B:00", "14::00", "16:05:00", "57:18:00", "16:2C:00", "57:01:00", "57:01:00", "49::00", "49::00", "3B::00", "42::00",
        "57:01:00", "48::00", "48::00", "42::00", "57:04:00", "57:02:00", "57:14:00", "57:14:FF", "57:06:00", "57:06:9C", "57:01:FF", "57:08:00", "57:08:FF", "57:06:FF", "57:08:A0", "17:FE:C6", "19::00", "05::00",
    ];

    [Theory]
    [InlineData(NcpTransport.Tcp, NcpServerSigning.Never)]
    [InlineData(NcpTransport.Tcp, NcpServerSigning.WhereOffered)]
    [InlineData(NcpTransport.Udp, NcpServerSigning.Never)]
    [InlineData(NcpTransport.Udp, NcpServerSigning.WhereOffered)]
    public async Task Every_frame_is_well_formed_and_is_the_function_that_was_meant(NcpTransport transport, NcpServerSigning signing)
    {
        var tries = 1;
        while (!await IsAsExpectedAsync(transport, signing))
            Assert.True(++tries <= MostTries, $"Wireshark took a frame for something else in each of {MostTries} conversations");
    }

    /// <summary>Wireshark finds out from the first two bytes whether a record is signed, and takes one of some 8,000 signatures for a type of packet: then it is asked about another conversation.</summary>
    private const int MostTries = 4;

    /// <returns>False when Wireshark took a signature for a type.</returns>
    private static async Task<bool> IsAsExpectedAsync(NcpTransport transport, NcpServerSigning signing)
    {
        await using var netware = new NetWareVolume(rules => (rules.Signing, rules.BufferBytes) = (signing, 1024));
        await using var capture = await FrameCapture.StartAsync(netware.Server.Port, FrameCapture.NcpPort);
        await TalkAsync(netware, transport);
        if (transport == NcpTransport.Tcp && signing != NcpServerSigning.Never
            && (await capture.FramesAsync("ncp && !(ncp.type in {0x1111, 0x2222, 0x3333, 0x5555})", "ncp.type")).Count > 0)
            return false;
        Assert.Empty(await capture.FramesAsync("_ws.malformed", "_ws.expert.message"));
        var answers = await capture.FramesAsync("ncp.type == 0x3333 && ncp.func", "ncp.func", "ncp.subfunc", "ncp.completion_code");
        Assert.Equal(Expected, answers.Select(Show));
        Assert.Equal(["0x1111", "0x5555"], (await capture.FramesAsync("ncp.type == 0x1111 || ncp.type == 0x5555", "ncp.type")).Select(line => line.Split('\t')[0]));
        // One request for each answer but those, numbered without a gap.
        var numbers = (await capture.FramesAsync("ncp.type == 0x2222", "ncp.seq")).Select(line => int.Parse(line.Split('\t')[0], CultureInfo.InvariantCulture));
        Assert.Equal(Enumerable.Range(1, Expected.Length - 2), numbers);
        Assert.Equal(["CAPA"], (await capture.FramesAsync("ncp.type == 0x2222 && ncp.func == 0x17 && ncp.subfunc == 24", "ncp.object_name")).Select(line => line.Split('\t')[0]));
        Assert.Empty(netware.Server.Complaints);
        return true;
    }

    [Fact]
    public async Task A_full_server_is_read_as_one()
    {
        await using var netware = new NetWareVolume(rules => rules.MaxConnections = 0);
        await using var capture = await FrameCapture.StartAsync(netware.Server.Port, FrameCapture.NcpPort);
        await Assert.ThrowsAsync<NcpException>(() => NcpConnection.ConnectAsync(new NcpEndpoint("127.0.0.1", netware.Server.Port), NcpOptions.Default, None));
        Assert.Equal("0xf9", Assert.Single(await capture.FramesAsync("ncp.type == 0x3333", "ncp.completion_code")).Split('\t')[0]);
    }

    /// <summary>Each function of the client once, and the refusals that a store meets.</summary>
    private static async Task TalkAsync(NetWareVolume netware, NcpTransport transport)
    {
        // Nothing is lost here: what comes late on a busy machine is not to be asked for again.
        var options = NcpOptions.Default with { Transport = transport, ConnectTimeout = Patience.Limit, RequestTimeout = Patience.Limit, FirstRetransmission = Patience.Limit };
        var connection = await NcpConnection.ConnectAsync(new NcpEndpoint("127.0.0.1", netware.Server.Port), options, None);
        var bindery = new BinderyService(connection);
        await bindery.LogInAsync(NetWareVolume.Account, NetWareVolume.Password, None);
        await bindery.InformationAsync(None);
        await bindery.OfAsync(connection.Number, None);
        await bindery.AddressOfAsync(connection.Number, None);
        await bindery.ConnectionsOfAsync(NetWareVolume.Account, BinderyObject.User, None);
        await bindery.ClockAsync(None);
        var volume = await NcpVolume.OpenAsync(connection, "VOL", None);
        await volume.GetSpaceAsync(None);
        await volume.CreateDirectoryAsync("a long directory", None);
        var file = await volume.CreateAsync("a long directory/a long file.txt", None);
        await file.WriteAsync(0, new byte[1_500], None);
        await file.FlushAsync(None);
        await file.CloseAsync(None);
        file = await volume.OpenAsync("a long directory/a long file.txt", None);
        Assert.Equal(1_499, await file.ReadAsync(1, new byte[1_499], None));
        await file.CloseAsync(None);
        await volume.RenameAsync("a long directory/a long file.txt", "a long directory/renamed", None);
        var listed = new List<NcpEntry>();
        await foreach (var entry in volume.ListAsync("a long directory", None))
            listed.Add(entry);
        Assert.Equal("renamed", Assert.Single(listed).Name);
        Assert.Equal(1_500, (await volume.StatAsync("a long directory/renamed", None))!.LengthBytes);
        Assert.Null(await volume.StatAsync("nowhere/file", None));
        await Assert.ThrowsAsync<NcpException>(() => volume.CreateAsync("a long directory/renamed", None));
        Assert.True(await volume.DeleteAsync("a long directory/renamed", None));
        Assert.False(await volume.DeleteAsync("a long directory/renamed", None));
        Directory.CreateDirectory(Path.Combine(netware.Folder, "full"));
        await Assert.ThrowsAsync<NcpException>(() => volume.DeleteAsync("CAP_ABC", None));
        await Assert.ThrowsAsync<NcpException>(() => bindery.ClearAsync(connection.Number, None));
        await bindery.LogOutAsync(None);
        Assert.True(await connection.CloseAsync(None));
    }

    private static string Show(string line)
    {
        var fields = line.Split('\t');
        var function = int.Parse(fields[0].AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var subfunction = fields[1].Length == 0 ? "" : int.Parse(fields[1], CultureInfo.InvariantCulture).ToString("X2", CultureInfo.InvariantCulture);
        return $"{function:X2}:{subfunction}:{fields[2][2..].ToUpperInvariant()}";
    }
}
