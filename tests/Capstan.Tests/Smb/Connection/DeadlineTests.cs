using Capstan.Smb;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>A server that does not answer: the request fails, the link may go on; a server that says nothing at all: the link ends.</summary>
public sealed class DeadlineTests
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_request_that_is_not_answered_fails_alone()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1]);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        var hold = world.Server.Hold(SmbCommand.Read);
        var reading = file.ReadAsync(0, new byte[1], CancellationToken.None).AsTask();
        await hold.Reached;
        await PassAsync(world, TimeSpan.FromSeconds(59));
        Assert.False(reading.IsCompleted);
        await PassAsync(world, TimeSpan.FromSeconds(2));
        var thrown = await Assert.ThrowsAsync<SmbException>(() => reading);
        Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown, SmbCommand.Read), (thrown.Failure, thrown.Completion, thrown.Command));
        await hold.Cancelled;
        await world.AssertUsableAsync();
        Assert.Equal(1, await file.ReadAsync(0, new byte[1], CancellationToken.None));
    }

    [Fact]
    public async Task Starved_of_credits_a_request_fails_as_silent_and_not_sent()
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Credits = SmbServerRules.AtMost(1), options => options with { KeepAlive = TimeSpan.FromMinutes(10) });
        var hold = world.Server.Hold(SmbCommand.Echo, obeysCancel: false);
        var first = world.Connection.EchoAsync(CancellationToken.None).AsTask();
        await hold.Reached;
        var second = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        world.Time.Advance(TimeSpan.FromSeconds(61));
        var failed = await Assert.ThrowsAsync<SmbException>(() => first);
        Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown), (failed.Failure, failed.Completion));
        var starved = await Assert.ThrowsAsync<SmbException>(() => second);
        Assert.Equal((SmbFailure.Silent, SmbCompletion.NotSent), (starved.Failure, starved.Completion));
        hold.Release();
        await world.SettleAsync();
    }

    [Fact]
    public async Task A_link_that_says_nothing_ends_as_silent()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Link.ToClient.IsStalled = true;
        var asking = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        await world.Server.SeesAsync(SmbCommand.Create);
        world.Time.Advance(TimeSpan.FromSeconds(19));
        Assert.False(asking.IsCompleted);
        Assert.Null(world.Connection.EndCause);
        world.Time.Advance(TimeSpan.FromSeconds(2));
        var thrown = await Assert.ThrowsAsync<SmbException>(() => asking);
        Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown), (thrown.Failure, thrown.Completion));
        await world.Connection.Ended;
        Assert.Equal(SmbFailure.Silent, world.Connection.EndCause!.Failure);
        var later = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.StatAsync("a", CancellationToken.None));
        Assert.Equal((SmbFailure.Silent, SmbCompletion.NotSent), (later.Failure, later.Completion));
    }

    [Fact]
    public async Task A_slow_server_that_answers_echo_keeps_its_link()
    {
        await using var world = await SmbWorld.OpenAsync();
        var hold = world.Server.Hold(SmbCommand.Create);
        var asking = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        await hold.Reached;
        await PassAsync(world, TimeSpan.FromSeconds(50));
        Assert.True(world.Server.Seen.Count(seen => seen.Command == SmbCommand.Echo) >= 2);
        hold.Release();
        Assert.Null(await asking);
    }

    [Fact]
    public async Task A_server_that_does_not_know_echo_is_taken_for_dead_only_when_it_says_nothing_else()
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.AnswersEcho = false);
        var hold = world.Server.Hold(SmbCommand.Create);
        var asking = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        await hold.Reached;
        world.Time.Advance(TimeSpan.FromSeconds(21));
        await Assert.ThrowsAsync<SmbException>(() => asking);
        Assert.Equal(SmbFailure.Silent, world.Connection.EndCause!.Failure);
    }

    [Fact]
    public async Task An_idle_connection_asks_for_nothing()
    {
        await using var world = await SmbWorld.OpenAsync();
        var before = world.Server.Seen.Count;
        world.Time.Advance(TimeSpan.FromHours(1));
        await world.AssertUsableAsync();
        Assert.Equal(before + 1, world.Server.Seen.Count);
    }

    [Fact]
    public async Task A_server_that_accepts_and_says_nothing_is_silent_within_the_limit_for_connecting()
    {
        var time = new Capstan.Testing.ManualTime();
        var link = new MemoryLink();
        var connecting = Capstan.Smb.Connection.SmbConnection.AttachAsync(link.Client, SmbWorld.Endpoint, SmbWorld.Signed(time), CancellationToken.None).AsTask();
        time.Advance(TimeSpan.FromSeconds(10));
        var thrown = await Assert.ThrowsAsync<SmbException>(() => connecting);
        Assert.Equal((SmbFailure.Silent, SmbCommand.Negotiate), (thrown.Failure, thrown.Command));
    }

    [Fact]
    public async Task A_logon_that_is_answered_too_late_leaves_no_session()
    {
        await using var world = await SmbWorld.ConnectAsync();
        world.Server.Play(SmbCommand.SessionSetup, SmbTrickKind.Silence, nth: 2);
        var logon = world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None).AsTask();
        await world.Server.SeesAsync(SmbCommand.SessionSetup, times: 2);
        await PassAsync(world, TimeSpan.FromSeconds(59));
        world.Time.Advance(TimeSpan.FromSeconds(2));
        var thrown = await Assert.ThrowsAsync<SmbException>(() => logon);
        Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown), (thrown.Failure, thrown.Completion));
        // Its keys were never made, so only the end of the link frees what the server may count.
        await world.Connection.Ended.WaitAsync(Patience.Limit, TimeProvider.System, CancellationToken.None);
    }

    /// <summary>Time passes, and the server gets the chance to answer the keep-alive at each second.</summary>
    private static async Task PassAsync(SmbWorld world, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += Step)
        {
            world.Time.Advance(Step);
            if (world.Connection.EndCause is null)
                await world.Connection.EchoAsync(CancellationToken.None);
        }
    }
}
