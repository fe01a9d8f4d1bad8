using Capstan.Smb;
using Capstan.Smb.Connection;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>The link ends inside and between frames, in either direction: always one exception that says how far it came, never a hang.</summary>
public sealed class CutLinkTests
{
    private const int Step = 23;

    [Theory]
    [InlineData(SmbEncryption.OnDemand)]
    [InlineData(SmbEncryption.Required)]
    public async Task A_session_that_is_cut_anywhere_fails_as_lost(SmbEncryption encryption)
    {
        var (toClient, toServer) = await RunAsync(encryption, _ => { });
        // A prime step meets every place in a frame of some length or other; each byte would take half a minute.
        for (var cut = 0L; cut < toClient; cut += Step)
            await FailsAsync(encryption, link => link.ToClient.CutAfterBytes = cut, cut == 0 ? null : cut);
        for (var cut = 1L; cut < toServer; cut += Step)
            await FailsAsync(encryption, link => link.ToServer.CutAfterBytes = cut, null);
    }

    [Fact]
    public async Task A_server_that_closes_before_its_first_answer_is_told_from_one_that_was_lost()
    {
        var thrown = await ConnectAndFailAsync(new SmbServerRules { Licences = { Links = 0 } });
        Assert.Equal(SmbFailure.ClosedAtOnce, thrown.Failure);
    }

    [Fact]
    public async Task Who_has_not_sent_knows_it()
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = SmbServerRules.AtMost(1));
        var hold = world.Server.Hold(SmbCommand.Echo);
        var sent = world.Connection.EchoAsync(CancellationToken.None).AsTask();
        await hold.Reached;
        var waiting = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        world.Link.Close();
        Assert.Equal(SmbCompletion.Unknown, (await Assert.ThrowsAsync<SmbException>(() => sent)).Completion);
        Assert.Equal(SmbCompletion.NotSent, (await Assert.ThrowsAsync<SmbException>(() => waiting)).Completion);
    }

    private static async Task<SmbException> ConnectAndFailAsync(SmbServerRules rules)
    {
        await using var server = new SmbTestServer(rules);
        var link = server.Connect();
        return await Assert.ThrowsAsync<SmbException>(async () => await SmbConnection.AttachAsync(link.Client, SmbWorld.Endpoint, SmbWorld.Signed(new ManualTime()), CancellationToken.None));
    }

    private static async Task FailsAsync(SmbEncryption encryption, Action<MemoryLink> cut, long? answeredBytes)
    {
        try
        {
            await RunAsync(encryption, cut);
            Assert.Fail("the link was cut and nothing failed");
        }
        catch (SmbException lost)
        {
            Assert.True(lost.Failure is SmbFailure.Lost or SmbFailure.ClosedAtOnce, $"{answeredBytes}: {lost.Failure}: {lost.Message}");
            Assert.NotEqual(SmbCompletion.Refused, lost.Completion);
        }
    }

    private static async Task<(long ToClient, long ToServer)> RunAsync(SmbEncryption encryption, Action<MemoryLink> cut)
    {
        var time = new ManualTime();
        await using var server = new SmbTestServer(new SmbServerRules { Time = time });
        server.Files.Add("a", [1, 2, 3]);
        var link = server.Connect();
        cut(link);
        var connection = await SmbConnection.AttachAsync(link.Client, SmbWorld.Endpoint, SmbWorld.Signed(time) with { Encryption = encryption }, CancellationToken.None);
        try
        {
            var session = await connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
            var tree = await session.ConnectTreeAsync("data", CancellationToken.None);
            Assert.Equal([1, 2, 3], (await tree.ReadAllAsync("a", 10, CancellationToken.None)).Bytes);
            var report = await session.LogOffAsync(CancellationToken.None);
            if (!report.IsConfirmed)
                throw report.Cause!;
        }
        finally
        {
            await connection.DisposeAsync();
            await server.QuietAsync();
            Assert.Equal(SmbHoldings.Nothing, server.Holdings);
        }
        return (link.ToClient.PassedBytes, link.ToServer.PassedBytes);
    }
}
