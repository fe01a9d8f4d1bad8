using Capstan.Smb;
using Capstan.Smb.Authentication;

namespace Capstan.ServerTests.Smb;

/// <summary>Accounts, sessions, and what the server still holds of them.</summary>
public sealed class LogonTests(SharedSamba shared) : IClassFixture<SharedSamba>
{
    [Fact]
    public async Task A_wrong_password_is_one_failed_logon_at_the_server_and_the_connection_stands()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var connection = await Client.ConnectAsync(samba);
        var failure = await Client.FailureAsync(async () => await connection.LogOnAsync(new NtlmCredentials("capa", "Not-The-One"), 0, default));
        Assert.Equal((SmbFailure.Status, NtStatus.LogonFailure, SmbCommand.SessionSetup, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Command, failure.Completion));
        Assert.Contains("capa", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Not-The-One", failure.ToString(), StringComparison.Ordinal);
        Assert.Equal([("capa", "NT_STATUS_WRONG_PASSWORD", "NTLMv2")], samba.FailedLogons().Select(logon => (logon.Account, logon.Status, logon.Method)));
        Assert.Empty((await samba.StatusAsync()).Sessions);
        Assert.Equal("capa", (await connection.LogOnAsync(Client.Credentials("capa"), 0, default)).Account);
        Assert.Single(samba.FailedLogons());
    }

    [Fact]
    public async Task An_unknown_account_is_a_status()
    {
        var samba = await shared.ServerAsync();
        await using var connection = await Client.ConnectAsync(samba);
        var failure = await Client.FailureAsync(async () => await connection.LogOnAsync(new NtlmCredentials("nobody-here", "x"), 0, default));
        Assert.Equal((SmbFailure.Status, NtStatus.LogonFailure), (failure.Failure, failure.Status));
    }

    [Fact]
    public async Task An_unknown_share_is_a_status_and_the_session_stands()
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        var failure = await Client.FailureAsync(async () => await client.Session.ConnectTreeAsync("none", default));
        Assert.Equal((SmbFailure.Status, NtStatus.BadNetworkName, SmbCommand.TreeConnect, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Command, failure.Completion));
        await Exercise.AllAsync(client.Tree);
    }

    [Fact]
    public async Task Two_accounts_are_there_at_once_on_two_connections_and_on_one()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap"), new("b", ("valid users", "capb"))] });
        await using var a = await Client.OpenAsync(samba);
        await using var b = await Client.OpenAsync(samba, "b", "capb");
        var second = await a.Connection.LogOnAsync(Client.Credentials("capb"), 0, default);
        await Exercise.AllAsync(await second.ConnectTreeAsync("b", default));
        Assert.Equal(NtStatus.AccessDenied, (await Client.FailureAsync(async () => await a.Session.ConnectTreeAsync("b", default))).Status);
        Assert.Equal(["capa", "capb", "capb"], (await samba.StatusAsync()).Sessions.Select(session => session.User).Order(StringComparer.Ordinal));
        Assert.True((await second.LogOffAsync(default)).IsConfirmed);
        Assert.Equal(2, (await samba.StatusAsync()).Sessions.Count);
        await Exercise.AllAsync(a.Tree);
    }

    [Fact]
    public async Task After_an_orderly_close_the_server_holds_nothing_at_once()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Client.OpenAsync(samba);
        var file = await client.Tree.OpenAsync("f", SmbOpen.CreateNew, default);
        Assert.Equal(["f"], (await samba.StatusAsync()).OpenFiles);
        await file.CloseAsync(default);
        var report = await client.Session.LogOffAsync(default);
        Assert.True(report.IsConfirmed);
        Assert.Equal(["cap"], report.TreesConfirmed);
        Assert.Null(report.Cause);
        // Confirmed means gone: no waiting here, and the link still stands.
        Assert.True((await samba.StatusAsync()).IsEmpty);
        await client.Connection.EchoAsync(default);
    }

    [Fact]
    public async Task A_ghost_loses_its_lock_when_the_same_account_logs_on_in_its_place()
    {
        await using var samba = await SambaServer.StartAsync();
        // A client that vanished without a word: the relay swallows what it would say.
        await using var proxy = new Testing.Smb.FaultProxy(samba.Port, TimeProvider.System);
        await using var ghost = await Client.OpenAsync(samba, port: proxy.Port);
        await ghost.Tree.OpenAsync("locked", SmbOpen.CreateNew with { Sharing = SmbSharing.None }, default);
        proxy.Requests = _ => Testing.Smb.FrameFate.End(Testing.Smb.LinkFate.Silent);

        await using (var other = await Client.OpenAsync(samba, account: "capb", previousSessionId: ghost.Session.Id))
            Assert.Equal(NtStatus.SharingViolation, await OpenAsync(other));
        await using (var without = await Client.OpenAsync(samba))
            Assert.Equal(NtStatus.SharingViolation, await OpenAsync(without));
        await using (var heir = await Client.OpenAsync(samba, previousSessionId: ghost.Session.Id))
        {
            Assert.Equal(NtStatus.Success, await OpenAsync(heir));
            Assert.Single((await samba.StatusAsync()).Sessions);
        }

        static async Task<NtStatus> OpenAsync(Client client)
        {
            try
            {
                await using var file = await client.Tree.OpenAsync("locked", SmbOpen.Read, default);
                return NtStatus.Success;
            }
            catch (SmbException e)
            {
                return e.Status;
            }
        }
    }

    [Fact]
    public async Task A_password_of_any_characters_logs_on()
    {
        var samba = await shared.ServerAsync();
        await samba.SetPasswordAsync("capb", "Pässwörd ☃ \"%\\ 日本");
        await using var connection = await Client.ConnectAsync(samba);
        Assert.Equal("capb", (await connection.LogOnAsync(new NtlmCredentials("capb", "Pässwörd ☃ \"%\\ 日本"), 0, default)).Account);
        Assert.Equal("CAPB", (await connection.LogOnAsync(new NtlmCredentials("CAPB", "Pässwörd ☃ \"%\\ 日本"), 0, default)).Account);
    }
}
