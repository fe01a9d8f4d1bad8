using Capstan.Site;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;

namespace Capstan.Tests.Site.Content;

/// <summary>What whoever reads an archive is told when storing it fails.</summary>
public sealed class ChunkPipelineTests
{
    [Fact]
    public async Task Whoever_waits_for_a_disk_that_then_fails_is_told_why()
    {
        var store = new SlowStore();
        await using var pipeline = new ChunkPipeline(store);
        var waiting = await FillAsync(pipeline);
        store.Fail();
        Assert.Equal("disk_full", (await Assert.ThrowsAsync<SiteException>(() => waiting.WaitAsync(Patience.Limit, Stop))).Code);
    }

    [Fact]
    public async Task Whoever_comes_after_a_disk_failed_is_told_why()
    {
        var store = new SlowStore();
        await using var pipeline = new ChunkPipeline(store);
        store.Fail();
        var told = await Assert.ThrowsAsync<SiteException>(async () => await (await FillAsync(pipeline)).WaitAsync(Patience.Limit, Stop));
        Assert.Equal("disk_full", told.Code);
        Assert.Equal("disk_full", (await Assert.ThrowsAsync<SiteException>(() => pipeline.FlushAsync(Stop).WaitAsync(Patience.Limit, Stop))).Code);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>Until it has to wait for room.</summary>
    private static async Task<Task> FillAsync(ChunkPipeline pipeline)
    {
        for (var batch = 0; batch < 10; batch++)
        {
            var advance = pipeline.AdvanceAsync(pipeline.Free.Length, Stop).AsTask();
            if (!advance.IsCompleted)
                return advance;
            await advance;
        }
        throw new InvalidOperationException("There is always room.");
    }

    /// <summary>A disk that takes nothing, until it fails.</summary>
    private sealed class SlowStore : IBatchStore
    {
        private readonly TaskCompletionSource _stored = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fail() => _stored.SetException(new SiteException("The disk of the site is full.", "disk_full"));

        public Task PrepareAsync(ChunkBatch batch, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoreAsync(ChunkBatch batch, CancellationToken cancellationToken) => _stored.Task.WaitAsync(cancellationToken);

        public Task FlushAsync() => Task.CompletedTask;
    }
}
