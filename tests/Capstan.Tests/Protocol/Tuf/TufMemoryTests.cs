using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>What a process remembers of verified metadata spares work, and never a check.</summary>
public sealed class TufMemoryTests
{
    private readonly TufMemory _memory = new();

    [Fact]
    public async Task A_poll_that_finds_the_same_pointer_reads_it_and_nothing_else_neither_there_nor_here()
    {
        var world = await RunningAsync();
        world.Cap.Reads.Clear();
        // Not even the trust store: what this process verified stands for it.
        world.Trust.Files.Clear();
        var update = await NewClient(world).RefreshAsync(complete: false, default);
        Assert.Equal(TufState.Unchanged, update.State);
        Assert.Equal([TufRole.TimestampFile], world.Cap.Reads);
    }

    [Fact]
    public async Task Without_memory_of_its_own_a_process_verifies_what_lies_on_the_disk()
    {
        var world = await RunningAsync();
        world.Trust.Files.Clear();
        Assert.Equal(ProtocolError.Missing, (await Assert.ThrowsAsync<ProtocolException>(async () => await world.NewClient().RefreshAsync(complete: false, default))).Error);
    }

    [Fact]
    public async Task Another_pointer_is_verified_completely_and_remembered_then()
    {
        var world = await RunningAsync();
        world.Set("policy/a.json", "policy a, changed");
        world.Publish();
        Assert.Equal(TufState.Updated, (await NewClient(world).RefreshAsync(complete: false, default)).State);
        Assert.Equal(TufState.Unchanged, (await NewClient(world).RefreshAsync(complete: false, default)).State);
        var client = NewClient(world);
        await client.RefreshAsync(complete: false, default);
        Assert.Equal("policy a, changed"u8.ToArray(), (await client.ReadTargetAsync("policy/a.json", 100, default))!.Content.ToArray());
    }

    [Fact]
    public async Task A_pointer_of_one_bit_more_or_less_or_an_older_one_is_refused_as_without_memory()
    {
        var world = await RunningAsync();
        var old = world.Cap[TufRole.TimestampFile];
        world.Set("policy/a.json", "policy a, changed");
        world.Publish();
        await NewClient(world).RefreshAsync(complete: false, default);
        var good = world.Cap[TufRole.TimestampFile];
        for (var bit = 0; bit < good.Length * 8; bit += 97)
        {
            var bad = good.ToArray();
            // The bit between the cases of a letter leaves a signature in hexadecimal what it was.
            if (bit % 8 == 5)
                continue;
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            await RefusedAsync(world, bad);
        }
        await RefusedAsync(world, good[..^1]);
        Assert.Equal(ProtocolError.Rollback, (await RefusedAsync(world, old)).Error);
        world.Cap[TufRole.TimestampFile] = good;
        Assert.Equal(TufState.Unchanged, (await NewClient(world).RefreshAsync(complete: false, default)).State);
    }

    [Fact]
    public async Task Remembered_metadata_expires_as_it_would_have()
    {
        var world = await RunningAsync();
        var expires = (await NewClient(world).RefreshAsync(complete: false, default)).Expires;
        world.Time.Advance(expires - world.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
        Assert.Equal(TufState.Unchanged, (await NewClient(world).RefreshAsync(complete: false, default)).State);
        world.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TufState.Stale, (await NewClient(world).RefreshAsync(complete: false, default)).State);
    }

    /// <summary>A new root revokes keys: what was verified by the old ones stands for nothing, also when the workflow that found it did not end.</summary>
    [Fact]
    public async Task A_workflow_that_fails_after_a_new_root_leaves_nothing_to_remember()
    {
        var world = await RunningAsync();
        var before = world.Cap[TufRole.TimestampFile];
        var keys = world.Keys.Replaced("timestamp");
        world.Repository.RotateRoot([world.Keys.ByRole["root"]], [keys.ByRole["root"]], 1, keys, world.Time.GetUtcNow());
        world.Keys = keys;
        world.Publish(force: true);
        world.Cap[TufRole.TimestampFile] = before;
        await Assert.ThrowsAsync<ProtocolException>(async () => await NewClient(world).RefreshAsync(complete: true, default));
        var refused = await Assert.ThrowsAsync<ProtocolException>(async () => await NewClient(world).RefreshAsync(complete: false, default));
        Assert.NotEqual(ProtocolError.Missing, refused.Error);
    }

    private TufClient NewClient(TufWorld world) => new(world.Cap, world.Trust, world.Time, _memory);

    private async Task<ProtocolException> RefusedAsync(TufWorld world, byte[] pointer)
    {
        world.Cap[TufRole.TimestampFile] = pointer;
        return await Assert.ThrowsAsync<ProtocolException>(async () => await NewClient(world).RefreshAsync(complete: false, default));
    }

    private async Task<TufWorld> RunningAsync()
    {
        var world = await TufWorld.RunningAsync();
        await NewClient(world).RefreshAsync(complete: true, default);
        return world;
    }
}
