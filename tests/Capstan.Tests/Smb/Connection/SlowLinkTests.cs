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
        // The line has shown to be fast, so that one request takes all of it.
        await file.WriteAsync(0, new byte[100_000], CancellationToken.None);
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
    public async Task A_large_file_goes_over_a_line_of_4_KB_a_second_in_requests_that_are_answered_in_time()
    {
        await using var world = await SmbWorld.OpenAsync();
        var content = new byte[1_000_000];
        // Tests repeat.
        new Random(1).NextBytes(content);
        using var stream = new MemoryStream(content);
        var (sent, writes, most) = (0L, 0, TimeSpan.Zero);
        var hold = world.Server.Hold(SmbCommand.Write);
        var creating = world.Tree.CreateAsync("pack", stream, flush: true, CancellationToken.None).AsTask();
        while (await Task.WhenAny(hold.Reached, creating) != creating)
        {
            // What was read for the requests under way takes its time on the line.
            var took = TimeSpan.FromSeconds((stream.Position - sent) / 4_000.0);
            (sent, writes, most) = (stream.Position, writes + 1, took > most ? took : most);
            for (var left = took; left > TimeSpan.Zero; left -= Pause)
            {
                world.Time.Advance(left < Pause ? left : Pause);
                Assert.Null(world.Connection.EndCause);
            }
            var next = world.Server.Hold(SmbCommand.Write);
            hold.Release();
            hold = next;
        }
        Assert.True(await creating);
        hold.Release();
        Assert.Equal(content, world.Server.Files.Content("pack"));
        Assert.InRange(most, TimeSpan.FromSeconds(1), 2 * Pause);
        Assert.InRange(writes, 30, 100);
        await world.AssertUsableAsync();
    }

    [Fact]
    public async Task A_fast_line_gets_full_requests_after_the_first()
    {
        await using var world = await SmbWorld.OpenAsync();
        var before = world.Server.Seen.Count;
        Assert.True(await world.Tree.CreateAsync("pack", new MemoryStream(new byte[4 << 20]), flush: true, CancellationToken.None));
        Assert.Equal(1 + 4 + 1, world.Server.Seen.Skip(before).Count(seen => seen.Command == SmbCommand.Write));
        // Another file that is not longer than a request is one in a chain.
        before = world.Server.Seen.Count;
        Assert.True(await world.Tree.CreateAsync("small", new MemoryStream(new byte[900_000]), flush: true, CancellationToken.None));
        Assert.Equal([false, true, true, false], world.Server.Seen.Skip(before).Select(seen => seen.IsRelated));
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
