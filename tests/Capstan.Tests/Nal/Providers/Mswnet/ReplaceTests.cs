using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Smb;
using Capstan.Testing;

namespace Capstan.Tests.Nal.Providers.Mswnet;

/// <summary>A file that somebody reads while it is replaced: Windows refuses the rename then, and readers hold a file for a moment only.</summary>
public sealed class ReplaceTests
{
    private static readonly int[] Pauses = [50, 150, 350, 600, 800];

    [Theory]
    [InlineData(0xC0000022)]
    [InlineData(0xC0000043)]
    public async Task It_is_tried_again_until_the_reader_is_gone(uint status)
    {
        await using var world = ShareWorld.Start();
        world.Server.Files.Add("a", [1]);
        var store = await world.OpenAsync();
        Refuse(world, status, times: 2);
        var replacing = store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 2 }, CancellationToken.None).AsTask();
        await PassAsync(world, replacing, Pauses[..2]);
        await replacing;
        // Temporaries that got no name are removed without holding up the caller.
        await world.CloseAsync();
        Assert.Equal(["a"], world.Server.Files.Snapshot().Keys);
        Assert.Equal([2], world.Server.Files.Content("a"));
    }

    [Fact]
    public async Task After_two_seconds_it_is_a_conflict_that_passes_and_the_old_file_stays()
    {
        await using var world = ShareWorld.Start();
        world.Server.Files.Add("a", [1]);
        var store = await world.OpenAsync();
        Refuse(world, NtStatus.AccessDenied.Code, times: 6);
        var replacing = store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 2 }, CancellationToken.None).AsTask();
        await PassAsync(world, replacing, Pauses);
        var thrown = await Assert.ThrowsAsync<NalException>(() => replacing);
        Assert.Equal((NalError.Conflict, true, NtStatus.AccessDenied.Code), (thrown.Error, thrown.IsTransient, thrown.Code));
        Assert.Contains("refused 6 times in 2 s", thrown.Message, StringComparison.Ordinal);
        Assert.Equal([1], world.Server.Files.Content("a"));
        await store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 3 }, CancellationToken.None);
        // Temporaries that got no name are removed without holding up the caller.
        await world.CloseAsync();
        Assert.Equal(["a"], world.Server.Files.Snapshot().Keys);
    }

    [Fact]
    public async Task Without_a_file_in_the_way_it_is_a_missing_right_and_said_at_once()
    {
        await using var world = ShareWorld.Start();
        var store = await world.OpenAsync();
        Refuse(world, NtStatus.AccessDenied.Code, times: 1);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 2 }, CancellationToken.None));
        Assert.Equal((NalError.AccessDenied, false), (thrown.Error, thrown.IsTransient));
    }

    [Fact]
    public async Task A_caller_that_gives_up_in_between_leaves_the_old_file()
    {
        await using var world = ShareWorld.Start();
        world.Server.Files.Add("a", [1]);
        var store = await world.OpenAsync();
        Refuse(world, NtStatus.AccessDenied.Code, times: 1);
        using var cancelling = new CancellationTokenSource();
        var replacing = store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 2 }, cancelling.Token).AsTask();
        await ArmedAsync(world, Pauses[0]);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replacing);
        Assert.Equal([1], world.Server.Files.Content("a"));
    }

    private static void Refuse(ShareWorld world, uint status, int times) =>
        (world.Server.Files.RefusedRenames, world.Server.Files.RenameRefusal) = (times, new NtStatus(status));

    private static async Task PassAsync(ShareWorld world, Task work, int[] pauses)
    {
        foreach (var pause in pauses)
        {
            await ArmedAsync(world, pause);
            Assert.False(work.IsCompleted);
            world.Time.Advance(TimeSpan.FromMilliseconds(pause));
        }
    }

    private static Task ArmedAsync(ShareWorld world, int milliseconds) =>
        world.Time.ArmedAsync(TimeSpan.FromMilliseconds(milliseconds)).Soon();
}
