using Capstan.Smb;

namespace Capstan.Tests.Smb.Connection;

/// <summary>A slow link is not a dead one: bytes that come, and room that is made for ours, show that the other side lives.</summary>
public sealed class SlowLinkTests
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(9);

    [Fact]
    public async Task A_large_answer_that_trickles_in_keeps_the_link()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", new byte[100_000]);
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        world.Link.ToClient.IsStalled = true;
        var content = new byte[100_000];
        var reading = file.ReadAsync(0, content, CancellationToken.None).AsTask();
        await world.Server.SeesAsync(SmbCommand.Read);
        for (var i = 0; i < 5; i++)
        {
            await world.Link.ToClient.LetAsync(10_000);
            await world.Link.ToClient.LetAsync(1_000);
            world.Time.Advance(Pause);
            Assert.Null(world.Connection.EndCause);
        }
        world.Link.ToClient.IsStalled = false;
        Assert.Equal(content.Length, await reading);
        await world.AssertUsableAsync();
    }

    [Fact]
    public async Task A_large_request_for_which_room_is_made_slowly_keeps_the_link()
    {
        GatedStream? gate = null;
        await using var world = await SmbWorld.OpenAsync(wrap: link => gate = new GatedStream(link));
        await using var file = await world.Tree.OpenAsync("a", SmbOpen.CreateNew, CancellationToken.None);
        gate!.Shut();
        var writing = file.WriteAsync(0, new byte[1024 * 1024], CancellationToken.None).AsTask();
        await gate.ArrivedAsync();
        for (var i = 0; i < 4; i++)
        {
            world.Time.Advance(Pause);
            Assert.Null(world.Connection.EndCause);
            gate.Pass();
            await gate.ArrivedAsync();
        }
        gate.Open();
        await writing;
        await world.AssertUsableAsync();
    }

    [Fact]
    public async Task A_request_that_timed_out_in_the_queue_is_sent_all_the_same_and_said_to_be_unknown()
    {
        GatedStream? gate = null;
        await using var world = await SmbWorld.OpenAsync(options: options => options with { KeepAlive = TimeSpan.FromMinutes(10) }, wrap: link => gate = new GatedStream(link));
        gate!.Shut();
        var first = world.Tree.StatAsync("a", CancellationToken.None).AsTask();
        await gate.ArrivedAsync();
        var second = world.Tree.CreateDirectoryAsync("d", CancellationToken.None).AsTask();
        world.Time.Advance(TimeSpan.FromSeconds(61));
        var thrown = new[] { await Record.ExceptionAsync(() => first), await Record.ExceptionAsync(() => second) };
        gate.Open();
        Assert.All(thrown, late => Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown), (Assert.IsType<SmbException>(late).Failure, ((SmbException)late).Completion)));
        await world.SettleAsync();
        Assert.Equal(["d/"], world.Server.Files.Snapshot().Keys);
    }
}
