using Capstan.Smb;
using Capstan.Smb.Pipes;

namespace Capstan.ServerTests.Smb;

/// <summary>The server service of a real server: who is connected, what it shares.</summary>
public sealed class ServerServiceTests
{
    private static readonly SambaSetup Setup = new()
    {
        Accounts = ["capa", "capb", "admin"],
        Administrators = ["admin"],
        Shares = [new("cap", ("comment", "what clients read")), new("hidden$")],
        Global = { ["server string"] = "test bench" },
    };

    [Theory]
    [InlineData(SmbDialect.Smb202)]
    [InlineData(SmbDialect.Smb302)]
    [InlineData(SmbDialect.Smb311)]
    public async Task Shares_sessions_and_the_server_are_told_to_an_administrator(SmbDialect most)
    {
        await using var samba = await SambaServer.StartAsync(Setup);
        await using var other = await Client.OpenAsync(samba, account: "capb");
        await using var client = await Client.OpenAsync(samba, "cap", "admin", SmbOptions.Default with { Most = most });
        await using var service = await ServerService.ConnectAsync(client.Session, default);

        var shares = await service.ListSharesAsync(default);
        Assert.Contains(new SmbShare("cap", SmbShareKind.Disk, IsSpecial: false, "what clients read"), shares);
        Assert.Contains(new SmbShare("IPC$", SmbShareKind.InterProcess, IsSpecial: true, "IPC Service (test bench)"), shares);
        Assert.Contains(shares, share => share.Name == "hidden$");

        var sessions = await service.ListSessionsAsync(default);
        Assert.Equal(["admin", "capb"], sessions.Select(session => session.User).Order(StringComparer.Ordinal));
        Assert.All(sessions, session => Assert.Equal("127.0.0.1", session.Client));
        Assert.All(sessions, session => Assert.InRange(session.ActiveFor!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(5)));

        var info = await service.GetInfoAsync(default);
        Assert.Equal(("CAPSRV", new Version(6, 1), "test bench"), (info.Name, info.Version, info.Comment));
    }

    [Fact]
    public async Task An_administrator_closes_the_session_of_another()
    {
        await using var samba = await SambaServer.StartAsync(Setup);
        await using var other = await Client.OpenAsync(samba, account: "capb");
        await using var client = await Client.OpenAsync(samba, "cap", "admin");
        await using var service = await ServerService.ConnectAsync(client.Session, default);
        await service.CloseSessionAsync("127.0.0.1", "capb", default);
        await other.Connection.Ended;
        Assert.Equal(SmbFailure.Lost, other.Connection.EndCause!.Failure);
        var status = await samba.StatusAsync(status => status.Sessions.Count == 1);
        Assert.Equal("admin", status.Sessions[0].User);
        Assert.Equal("admin", Assert.Single(await service.ListSessionsAsync(default)).User);
    }

    [Fact]
    public async Task Without_the_right_it_is_named()
    {
        await using var samba = await SambaServer.StartAsync(Setup);
        await using var client = await Client.OpenAsync(samba);
        await using var service = await ServerService.ConnectAsync(client.Session, default);
        Assert.NotEmpty(await service.ListSharesAsync(default));
        foreach (var ask in (Func<Task>[])[async () => await service.ListSessionsAsync(default), async () => await service.CloseSessionAsync(null, "capb", default)])
        {
            var refusal = await Assert.ThrowsAsync<SmbRpcException>(ask);
            Assert.Equal(Win32Error.AccessDenied, refusal.Error);
            Assert.Contains("Administrators", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_service_that_was_closed_leaves_nothing_at_the_server()
    {
        await using var samba = await SambaServer.StartAsync(Setup);
        await using var client = await Client.OpenAsync(samba, "cap", "admin");
        await using (var service = await ServerService.ConnectAsync(client.Session, default))
            await service.GetInfoAsync(default);
        Assert.Equal("cap", Assert.Single((await samba.StatusAsync()).Trees).Share);
    }
}
