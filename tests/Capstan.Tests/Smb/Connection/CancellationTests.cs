using Capstan.Smb;
using Capstan.Smb.Files;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>A caller that gives up sends CANCEL, leaves the connection usable, and leaves nothing at the server.</summary>
public sealed class CancellationTests
{
    public static TheoryData<SmbCompoundRule, SmbCommand, bool> Reads => new()
    {
        { SmbCompoundRule.GoesOn, SmbCommand.Create, true },
        { SmbCompoundRule.GoesOn, SmbCommand.Read, true },
        { SmbCompoundRule.GoesOn, SmbCommand.Read, false },
        { SmbCompoundRule.FailsAllBehind, SmbCommand.Create, false },
        { SmbCompoundRule.FailsAllBehind, SmbCommand.Read, true },
        { SmbCompoundRule.FailsAllBehind, SmbCommand.Read, false },
        { SmbCompoundRule.Refused, SmbCommand.Create, false },
        { SmbCompoundRule.Refused, SmbCommand.Read, true },
        { SmbCompoundRule.Refused, SmbCommand.Close, false },
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_request_is_cancelled_at_the_server(bool sendsInterim)
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1, 2, 3]);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        var hold = world.Server.Hold(SmbCommand.Read, sendsInterim);
        using var cancelling = new CancellationTokenSource();
        var reading = file.ReadAsync(0, new byte[3], cancelling.Token).AsTask();
        await hold.Reached;
        await cancelling.CancelAsync();
        var thrown = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal(cancelling.Token, thrown.CancellationToken);
        await hold.Cancelled;
        await world.AssertUsableAsync();
        Assert.Equal(3, await file.ReadAsync(0, new byte[3], CancellationToken.None));
    }

    [Fact]
    public async Task A_file_whose_opening_was_cancelled_too_late_is_closed_again()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1]);
        await CancelTooLateAsync(world, SmbCommand.Create, token => world.Tree.OpenAsync("a", SmbOpen.Read, token).AsTask());
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task A_share_whose_connecting_was_cancelled_too_late_is_left_again()
    {
        await using var world = await SmbWorld.OpenAsync();
        await CancelTooLateAsync(world, SmbCommand.TreeConnect, token => world.Session.ConnectTreeAsync("IPC$", token).AsTask());
        await world.SettleAsync();
        Assert.Equal(1, world.Server.Holdings.Trees);
    }

    [Fact]
    public async Task A_share_is_left_again_when_its_validation_is_cancelled()
    {
        await using var world = await SmbWorld.ConnectAsync(rules => rules.Most = SmbDialect.Smb302);
        var session = await world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None);
        await CancelTooLateAsync(world, SmbCommand.Ioctl, token => session.ConnectTreeAsync("data", token).AsTask());
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Trees);
    }

    [Theory]
    [MemberData(nameof(Reads))]
    public async Task A_cancelled_read_of_a_whole_file_leaves_no_handle(SmbCompoundRule compounds, SmbCommand held, bool obeysCancel)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        world.Server.Files.Add("a", [1]);
        if (compounds == SmbCompoundRule.Refused)
            Assert.NotNull((await world.Tree.ReadAllAsync("a", 10, CancellationToken.None)).Bytes);
        await CancelAsync(world, held, obeysCancel, token => world.Tree.ReadAllAsync("a", 10, token).AsTask());
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    /// <summary>Whatever came of it: never a part of the new content, and never nothing in place of the old.</summary>
    [Theory]
    [CombinatorialCancellation]
    public async Task A_cancelled_replacement_leaves_the_old_file_or_the_new_one(SmbCompoundRule compounds, SmbCommand held, bool obeysCancel, bool sendsInterim)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        world.Server.Files.Add("final", [1]);
        if (compounds == SmbCompoundRule.Refused)
            Assert.NotNull((await world.Tree.ReadAllAsync("final", 10, CancellationToken.None)).Bytes);
        await CancelAsync(world, held, obeysCancel, token => world.Tree.ReplaceAsync("temporary", "final", new byte[] { 2, 2 }, flush: true, token).AsTask(), sendsInterim);
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Opens);
        var files = world.Server.Files.Snapshot();
        Assert.True(files.TryGetValue("final", out var content), "the final name is gone");
        Assert.True(content is [1] or [2, 2]);
        Assert.Single(files);
    }

    [Theory]
    [CombinatorialCancellation]
    public async Task A_cancelled_creation_leaves_nothing_or_the_whole_file(SmbCompoundRule compounds, SmbCommand held, bool obeysCancel, bool sendsInterim)
    {
        if (held == SmbCommand.SetInfo)
            return;
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        world.Server.Files.Add("other", [1]);
        if (compounds == SmbCompoundRule.Refused)
            Assert.NotNull((await world.Tree.ReadAllAsync("other", 10, CancellationToken.None)).Bytes);
        await CancelAsync(world, held, obeysCancel, token => world.Tree.CreateAsync("final", new MemoryStream([2, 2]), flush: true, token).AsTask(), sendsInterim);
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Opens);
        Assert.True(world.Server.Files.Content("final") is null or [2, 2]);
    }

    [Fact]
    public async Task Who_waits_for_credits_gives_up_without_a_word_to_the_server()
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = SmbServerRules.AtMost(1));
        var hold = world.Server.Hold(SmbCommand.Echo);
        var first = world.Connection.EchoAsync(CancellationToken.None).AsTask();
        await hold.Reached;
        using var cancelling = new CancellationTokenSource();
        var second = world.Connection.EchoAsync(cancelling.Token).AsTask();
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        hold.Release();
        await first;
        await world.AssertUsableAsync();
        Assert.DoesNotContain(world.Server.Seen, seen => seen.Command == SmbCommand.Cancel);
        Assert.Equal(2, world.Server.Seen.Count(seen => seen.Command == SmbCommand.Echo));
    }

    [Fact]
    public async Task A_logon_that_is_given_up_ends_the_connection_and_with_it_the_session()
    {
        await using var world = await SmbWorld.ConnectAsync();
        var hold = world.Server.Hold(SmbCommand.SessionSetup);
        using var cancelling = new CancellationTokenSource();
        var logon = world.Connection.LogOnAsync(SmbWorld.Capa, 0, cancelling.Token).AsTask();
        await hold.Reached;
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => logon);
        await world.Connection.Ended;
        Assert.Equal(SmbFailure.Lost, world.Connection.EndCause!.Failure);
    }

    private static Task CancelTooLateAsync(SmbWorld world, SmbCommand held, Func<CancellationToken, Task> act) => CancelAsync(world, held, obeysCancel: false, act);

    private static async Task CancelAsync(SmbWorld world, SmbCommand held, bool obeysCancel, Func<CancellationToken, Task> act, bool sendsInterim = false)
    {
        var hold = world.Server.Hold(held, sendsInterim, obeysCancel);
        using var cancelling = new CancellationTokenSource();
        var acting = act(cancelling.Token);
        await hold.Reached;
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => acting);
        await hold.Cancelled;
        hold.Release();
    }
}
