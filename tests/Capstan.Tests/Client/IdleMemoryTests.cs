using Capstan.Agent;
using Capstan.Client;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>What an agent gives back while it waits.</summary>
public sealed class IdleMemoryTests
{
    private const string Smaps = """
        55d0c0000000-55d0c0100000 r-xp 00001000 08:01 4711                       /opt/capstan-client/capstan-client
        Size:               1024 kB
        Rss:                 900 kB
        Pss:                 900 kB
        Shared_Dirty:          0 kB
        Private_Dirty:         0 kB
        Anonymous:             0 kB
        Swap:                  0 kB
        VmFlags: rd ex mr mw me
        55d0c0200000-55d0c0210000 r--p 00101000 08:01 4711                       /opt/capstan-client/capstan-client
        Rss:                  64 kB
        Private_Dirty:         4 kB
        Anonymous:             4 kB
        55d0c0300000-55d0c0310000 rw-p 00111000 08:01 4711                       /opt/capstan-client/capstan-client
        Rss:                  64 kB
        Private_Dirty:         0 kB
        55d0c1000000-55d0c1021000 r--p 00000000 00:00 0                          [heap]
        Rss:                 132 kB
        Private_Dirty:         0 kB
        7f0000000000-7f0000100000 r--s 00000000 08:01 4711                       /opt/a name with blanks
        Rss:                1024 kB
        Shared_Clean:       1024 kB
        Private_Dirty:         0 kB
        7f0001000000-7f0001100000 r-xs 00000000 00:01 1030                       /memfd:doublemapper (deleted)
        Rss:                 604 kB
        Private_Dirty:         0 kB
        7f0002000000-7f0002100000 r-xp 00000000 08:01 4712                       /usr/lib/libc.so.6
        Rss:                   0 kB
        Private_Dirty:         0 kB
        7f0003000000-7f0003001000 r-xp 00000000 08:01 4713                       /usr/lib/of-a-later-kernel.so
        Rss:                   4 kB
        Private_Dirty:         a word kB
        7f0004000000-7f0004001000 r-xp 00000000 08:01 4714                       /usr/lib/the-last.so
        Rss:                   4 kB
        """;

    [Fact]
    public void Only_what_stands_in_a_file_and_was_never_written_is_given_back() => Assert.Equal(
        [(0x55d0c0000000UL, 0x100000UL), (0x7f0000000000UL, 0x100000UL), (0x7f0004000000UL, 0x1000UL)], IdleMemory.Unchanged(Smaps.Split('\n')));

    [Theory]
    [InlineData("")]
    [InlineData("Rss: 4 kB")]
    [InlineData("no range here")]
    [InlineData("2-1 r-xp 0 0:1 7 /x\nRss: 4 kB")]
    [InlineData("zz-1 r-xp 0 0:1 7 /x\nRss: 4 kB")]
    public void What_is_no_mapping_is_nothing(string text) => Assert.Empty(IdleMemory.Unchanged(text.Split('\n')));

    [Fact]
    public void A_process_goes_on_after_it()
    {
        for (var i = 0; i < 3; i++)
            IdleMemory.Release();
        Assert.Equal("1, 2", string.Join(", ", Enumerable.Range(1, 2)));
    }

    [Fact]
    public async Task The_loop_tells_before_a_long_wait()
    {
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()));
        await f.EnrolAsync();
        await f.CloseAsync();
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        f.Options = new ClientOptions { Directory = f.Options.Directory, Idle = () => told.TrySetResult() };
        await f.OpenAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        var running = f.Client!.RunAsync(stop.Token);
        await told.Task.Soon();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }
}
