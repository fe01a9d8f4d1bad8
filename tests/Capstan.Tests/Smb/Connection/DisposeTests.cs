using Capstan.Smb;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

public sealed class DisposeTests
{
    [Theory]
    [InlineData(SmbTrickKind.Interim)]
    [InlineData(SmbTrickKind.Silence)]
    public async Task Disposing_ends_everything_under_way_and_leaves_nothing(SmbTrickKind trick)
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1, 2, 3]);
        world.Server.Play(SmbCommand.Read, trick, nth: 0);
        var hold = world.Server.Hold(SmbCommand.Create);
        var all = Enumerable.Range(0, 20).Select(_ => world.Tree.ReadAllAsync("a", 10, CancellationToken.None).AsTask()).ToArray();
        await hold.Reached;
        await world.Connection.DisposeAsync();
        foreach (var one in all)
        {
            if (await Record.ExceptionAsync(() => one) is { } thrown)
                Assert.Equal(SmbFailure.Lost, Assert.IsType<SmbException>(thrown).Failure);
        }
        Assert.NotNull(await Record.ExceptionAsync(() => all[0]));
        await world.Server.QuietAsync();
        Assert.Equal(SmbHoldings.Nothing, world.Server.Holdings);
    }

    [Fact]
    public async Task Disposing_a_silent_server_takes_five_seconds_at_most()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Link.ToClient.IsStalled = true;
        var disposing = world.Connection.DisposeAsync().AsTask();
        await world.Server.SeesAsync(SmbCommand.Logoff);
        Assert.False(disposing.IsCompleted);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        await disposing;
    }

    [Fact]
    public async Task A_logoff_is_sent_although_its_caller_no_longer_waits()
    {
        await using var world = await SmbWorld.OpenAsync();
        var report = await world.Session.LogOffAsync(new CancellationToken(canceled: true));
        Assert.False(report.IsConfirmed);
        await world.Server.SeesAsync(SmbCommand.Logoff);
    }

    [Fact]
    public async Task Closing_waits_until_a_creation_that_was_given_up_is_taken_back()
    {
        await using var world = await SmbWorld.OpenAsync();
        var hold = world.Server.Hold(SmbCommand.Create, obeysCancel: false);
        using var cancelling = new CancellationTokenSource();
        var creating = world.Tree.CreateAsync("a", new MemoryStream([1]), flush: true, cancelling.Token).AsTask();
        await hold.Reached;
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => creating);
        var closing = world.Connection.DisposeAsync().AsTask();
        await CleaningAsync(world);
        Assert.DoesNotContain(world.Server.Seen, seen => seen.Command == SmbCommand.Logoff);
        hold.Release();
        await closing;
        Assert.Empty(world.Server.Files.Snapshot());
        Assert.Contains(world.Server.Seen, seen => seen.Command == SmbCommand.Logoff);
    }

    [Fact]
    public async Task Closing_waits_two_seconds_at_most_for_what_was_given_up()
    {
        await using var world = await SmbWorld.OpenAsync();
        var hold = world.Server.Hold(SmbCommand.Create, obeysCancel: false);
        using var cancelling = new CancellationTokenSource();
        var opening = world.Tree.StatAsync("a", cancelling.Token).AsTask();
        await hold.Reached;
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        var closing = world.Connection.DisposeAsync().AsTask();
        await CleaningAsync(world);
        world.Time.Advance(TimeSpan.FromSeconds(2));
        // Once by the connection, once by the session that it closes.
        await CleaningAsync(world);
        world.Time.Advance(TimeSpan.FromSeconds(2));
        await closing;
        hold.Release();
    }

    [Fact]
    public async Task Logging_off_and_disposing_at_once_block_nobody()
    {
        for (var i = 0; i < 200; i++)
        {
            await using var world = await SmbWorld.OpenAsync();
            var leaving = Task.Run(async () => await world.Session.LogOffAsync(CancellationToken.None));
            var closing = Task.Run(async () => await world.Connection.DisposeAsync());
            await Task.WhenAll(leaving, closing);
        }
    }

    [Theory]
    [InlineData(0x00000000, false)]
    [InlineData(0x00000103, false)] // pending
    [InlineData(0x80000005, false)] // more data than asked for
    [InlineData(0x80000006, false)] // no more files
    [InlineData(0x80000011, true)] // device busy
    [InlineData(0x8000002D, true)] // stopped on a link
    [InlineData(0xC0000022, true)]
    public void A_warning_that_is_no_answer_is_an_error(uint status, bool isError) => Assert.Equal(isError, new NtStatus(status).IsError);

    [Fact]
    public async Task Disposing_during_a_logon_ends_it()
    {
        await using var world = await SmbWorld.ConnectAsync();
        var hold = world.Server.Hold(SmbCommand.SessionSetup);
        var logon = world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None).AsTask();
        await hold.Reached;
        await world.Connection.DisposeAsync();
        Assert.Equal(SmbFailure.Lost, (await Assert.ThrowsAsync<SmbException>(() => logon)).Failure);
    }

    /// <summary>The one who closes waits for what is cleaned up.</summary>
    private static Task CleaningAsync(SmbWorld world) =>
        world.Time.ArmedAsync(TimeSpan.FromSeconds(2)).Soon();
}
