using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Smb.Connection;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

public sealed class LogOnTests
{
    private static readonly SmbCredentials Capb = new NtlmCredentials("capb", "secret-capb");

    [Fact]
    public async Task A_wrong_password_is_tried_once()
    {
        await using var world = await SmbWorld.ConnectAsync();
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Connection.LogOnAsync(new NtlmCredentials("capa", "wrong"), 0, CancellationToken.None));
        Assert.Equal((SmbFailure.Status, SmbCompletion.Refused, NtStatus.LogonFailure), (thrown.Failure, thrown.Completion, thrown.Status));
        Assert.Equal(2, world.Server.Seen.Count(seen => seen.Command == SmbCommand.SessionSetup));
        await world.AssertUsableAsync();
    }

    [Fact]
    public async Task A_guest_session_that_nobody_asked_for_is_refused_and_left()
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.MapsUnknownToGuest = true);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Connection.LogOnAsync(new NtlmCredentials("nobody", "x"), 0, CancellationToken.None));
        Assert.Equal(SmbFailure.Logon, thrown.Failure);
        Assert.Equal(0, world.Server.Holdings.Sessions);
        var guest = await world.Connection.LogOnAsync(new GuestCredentials(), 0, CancellationToken.None);
        Assert.True(guest.IsGuest);
        Assert.NotNull(await guest.ConnectTreeAsync("data", CancellationToken.None));
    }

    [Theory]
    [InlineData(false, SmbCompletion.Refused)]
    [InlineData(true, SmbCompletion.Unknown)]
    public async Task A_session_that_was_made_and_is_not_wanted_counts_as_refused_only_when_its_end_is_confirmed(bool staysSilent, SmbCompletion completion)
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.MapsUnknownToGuest = true);
        if (staysSilent)
            world.Server.Play(SmbCommand.Logoff, SmbTrickKind.CloseBefore);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Connection.LogOnAsync(new NtlmCredentials("nobody", "x"), 0, CancellationToken.None));
        Assert.Equal((SmbFailure.Logon, completion), (thrown.Failure, thrown.Completion));
    }

    [Theory]
    [InlineData(false, SmbCompletion.Refused)]
    [InlineData(true, SmbCompletion.Unknown)]
    public async Task A_session_that_must_be_encrypted_and_cannot_be_is_left_or_its_end_is_not_known(bool isRefused, SmbCompletion completion)
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.Most = SmbDialect.Smb210);
        // The second answer makes the session: MustEncrypt (4) among its flags.
        world.Server.Play(new SmbTrick(SmbCommand.SessionSetup, SmbTrickKind.AlterBefore, Nth: 2, Alter: answer => answer[64 + 2] |= 4));
        if (isRefused)
            world.Server.Play(new SmbTrick(SmbCommand.Logoff, SmbTrickKind.Refuse, Status: NtStatus.AccessDenied));
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None));
        Assert.Equal((SmbFailure.Unsupported, completion), (thrown.Failure, thrown.Completion));
        if (isRefused)
            Assert.NotNull(world.Connection.EndCause);
        else
            Assert.Equal(0, world.Server.Holdings.Sessions);
    }

    [Fact]
    public async Task Anonymous_is_let_in_where_it_is_asked_for_and_allowed()
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.AllowsAnonymous = true);
        Assert.True((await world.Connection.LogOnAsync(new AnonymousCredentials(), 0, CancellationToken.None)).IsGuest);
    }

    [Fact]
    public async Task Two_accounts_work_side_by_side_on_one_connection()
    {
        await using var world = await SmbWorld.OpenAsync();
        var other = await world.Connection.LogOnAsync(Capb, 0, CancellationToken.None);
        var tree = await other.ConnectTreeAsync("data", CancellationToken.None);
        await tree.CreateDirectoryAsync("d", CancellationToken.None);
        Assert.NotNull(await world.Tree.StatAsync("d", CancellationToken.None));
        Assert.True((await other.LogOffAsync(CancellationToken.None)).IsConfirmed);
        Assert.Equal([world.Session.Id], world.Server.SessionIds);
    }

    public static TheoryData<NtStatus> Full => [NtStatus.RequestNotAccepted, NtStatus.InsufficientResources, NtStatus.InsuffServerResources, NtStatus.TooManySessions];

    [Theory]
    [MemberData(nameof(Full))]
    public async Task A_full_server_is_told_by_its_exact_status(NtStatus status)
    {
        await using var world = await SmbWorld.OpenAsync(rules => (rules.Licences.Sessions, rules.Licences.SessionsStatus) = (1, status));
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Connection.LogOnAsync(Capb, 0, CancellationToken.None));
        Assert.Equal((SmbFailure.Status, SmbCommand.SessionSetup, status), (thrown.Failure, thrown.Command, thrown.Status));
        await world.Session.LogOffAsync(CancellationToken.None);
        Assert.Equal("capb", (await world.Connection.LogOnAsync(Capb, 0, CancellationToken.None)).Account);
    }

    [Theory]
    [MemberData(nameof(Full))]
    public async Task A_full_share_is_told_by_its_exact_status(NtStatus status)
    {
        await using var world = await SmbWorld.OpenAsync();
        var share = world.Server.Rules.Shares["data"];
        (share.MaxUses, share.MaxUsesStatus) = (1, status);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Session.ConnectTreeAsync("data", CancellationToken.None));
        Assert.Equal((SmbFailure.Status, SmbCommand.TreeConnect, status), (thrown.Failure, thrown.Command, thrown.Status));
        await world.Tree.DisconnectAsync(CancellationToken.None);
        Assert.Equal("data", (await world.Session.ConnectTreeAsync("data", CancellationToken.None)).Share);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_ghost_is_replaced_by_its_account_unless_the_server_counts_first(bool countsFirst)
    {
        await using var world = await SmbWorld.OpenAsync(rules => (rules.Licences.Sessions, rules.Licences.CountsBeforeReplacing) = (1, countsFirst));
        var ghost = world.Session.Id;
        await using var second = await SmbConnection.AttachAsync(world.Server.Connect().Client, SmbWorld.Endpoint, SmbWorld.Signed(world.Time), CancellationToken.None);
        var logon = async () => await second.LogOnAsync(SmbWorld.Capa, ghost, CancellationToken.None);
        if (countsFirst)
        {
            Assert.Equal(NtStatus.RequestNotAccepted, (await Assert.ThrowsAsync<SmbException>(logon)).Status);
            Assert.Equal([ghost], world.Server.SessionIds);
        }
        else
        {
            Assert.Equal([(await logon()).Id], world.Server.SessionIds);
        }
    }

    [Fact]
    public async Task Another_account_does_not_replace_a_session()
    {
        await using var world = await SmbWorld.OpenAsync();
        await world.Connection.LogOnAsync(Capb, world.Session.Id, CancellationToken.None);
        Assert.Contains(world.Session.Id, world.Server.SessionIds);
    }

    [Fact]
    public async Task Logging_off_reports_what_was_confirmed()
    {
        await using var world = await SmbWorld.OpenAsync();
        await world.Session.ConnectTreeAsync("IPC$", CancellationToken.None);
        var report = await world.Session.LogOffAsync(CancellationToken.None);
        Assert.True(report.IsConfirmed);
        Assert.Equal(["data", "IPC$"], report.TreesConfirmed);
        Assert.Null(report.Cause);
        Assert.Same(report, await world.Session.LogOffAsync(CancellationToken.None));
        Assert.Empty(world.Server.SessionIds);
    }

    [Fact]
    public async Task A_session_that_the_server_ended_is_confirmed_as_gone()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.EndSession(world.Session.Id);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.StatAsync("a", CancellationToken.None));
        Assert.Equal(NtStatus.UserSessionDeleted, thrown.Status);
        Assert.True((await world.Session.LogOffAsync(CancellationToken.None)).IsConfirmed);
    }

    [Fact]
    public async Task A_logoff_that_is_not_answered_is_not_confirmed()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Play(SmbCommand.Logoff, SmbTrickKind.CloseAfter);
        var report = await world.Session.LogOffAsync(CancellationToken.None);
        Assert.False(report.IsConfirmed);
        Assert.Equal((SmbFailure.Lost, SmbCompletion.Unknown), (report.Cause!.Failure, report.Cause.Completion));
    }

    [Fact]
    public async Task A_share_that_demands_what_the_connection_cannot_is_left_again()
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.Most = SmbDialect.Smb210);
        world.Server.Play(new SmbTrick(SmbCommand.TreeConnect, SmbTrickKind.AlterBefore, Alter: answer => answer[64 + 5] |= 0x80));
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await session.ConnectTreeAsync("data", CancellationToken.None));
        Assert.Equal(SmbFailure.Unsupported, thrown.Failure);
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Trees);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Encryption_is_used_where_server_or_share_demands_it(bool session, bool share)
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.MustEncrypt = session);
        world.Server.Rules.Shares["data"].MustEncrypt = share;
        var on = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        var tree = await on.ConnectTreeAsync("data", CancellationToken.None);
        Assert.Null(await tree.StatAsync("a", CancellationToken.None));
        Assert.Equal((session, true), (on.IsEncrypted, tree.IsEncrypted));
        Assert.All(world.Server.Seen.Where(seen => seen.Command == SmbCommand.Create), seen => Assert.True(seen.IsEncrypted));
    }
}
