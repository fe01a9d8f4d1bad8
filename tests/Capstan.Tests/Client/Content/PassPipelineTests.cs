using Capstan.Client.Content;
using Capstan.Protocol.Content;
using Capstan.Testing;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>Reading, verifying and writing at the same time: each chunk once, in bounded memory, and an end whatever fails.</summary>
public sealed class PassPipelineTests
{
    private const int ChunkBytes = 30_000, Chunks = 200;

    /// <summary>One pack of noise, and where its chunks lie; every third is stored compressed.</summary>
    private static (byte[] Pack, NeededChunk[] Chunks) Made()
    {
        var (pack, needed) = (new MemoryStream(), new List<NeededChunk>());
        var stored = new byte[ContentFormat.MaxChunkBytes];
        var file = new TargetFile("file", (long)Chunks * ChunkBytes);
        for (var i = 0; i < Chunks; i++)
        {
            var plain = MadeEntry.Noise(i, ChunkBytes);
            if (i % 3 == 0)
                plain.AsSpan(100).Fill((byte)i);
            var length = ChunkCodec.Encode(plain, stored);
            needed.Add(new NeededChunk(ContentHash.Of("pack"u8), 0, pack.Length, new StoredChunk(length, ChunkBytes, ContentHash.Of(plain)), new ChunkPlace(file, (long)i * ChunkBytes)));
            pack.Write(stored, 0, length);
        }
        return (pack.ToArray(), [.. needed]);
    }

    private static PassPipeline.Reader Reads(byte[] pack, NeededChunk[] chunks, Func<int, PassPipeline.Turn, Task> onRead)
    {
        var (next, reads) = (0, 0);
        return async (read, turn, stop) =>
        {
            if (next == chunks.Length)
                return false;
            read.Begin(RangePlanner.Next(chunks, next, 300_000));
            next += read.Range.Chunks.Count;
            await onRead(++reads, turn).WaitAsync(Patience.Limit, TimeProvider.System, stop);
            pack.AsMemory((int)read.Range.Offset, read.Range.Bytes).CopyTo(read.Memory);
            read.Count = read.Range.Bytes;
            return true;
        };
    }

    private static Task RunAsync(PassPipeline.Reader reader, Action<CheckBatch> place, CancellationToken? stop = null, PassPipeline.Planner? plan = null) =>
        new PassPipeline().RunAsync(reader, place, plan ?? (_ => Task.FromResult(PassPipeline.Planned.All)), stop ?? ContentFixture.Stop).WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop);

    [Fact]
    public async Task Every_chunk_is_verified_and_placed_once_also_when_two_reads_are_under_way()
    {
        var (pack, chunks) = Made();
        var wrong = chunks[77];
        pack[wrong.Offset + 5] ^= 1;
        foreach (var isFast in (bool[])[false, true])
        {
            var placed = new Dictionary<NeededChunk, bool>();
            await RunAsync(Reads(pack, chunks, (_, turn) =>
            {
                if (isFast)
                    turn.Pass();
                return Task.CompletedTask;
            }), batch =>
            {
                foreach (var found in batch.Found)
                {
                    var isRight = found.Bytes is { } bytes && ContentHash.Of(bytes.AsSpan(found.From, ChunkBytes)) == found.Needed.Chunk.Hash;
                    placed.Add(found.Needed, isRight);
                }
            });
            Assert.Equal(Chunks, placed.Count);
            Assert.Equal(wrong, Assert.Single(placed, entry => !entry.Value).Key);
        }
    }

    [Fact]
    public async Task A_disk_that_is_slower_than_the_way_holds_the_reads_back()
    {
        var (pack, chunks) = Made();
        var (begun, placed, most) = (0, new HashSet<PackRead>(ReferenceEqualityComparer.Instance), 0);
        using var full = new SemaphoreSlim(0);
        var isHeld = true;
        await RunAsync(Reads(pack, chunks, (reads, turn) =>
        {
            begun = reads;
            if (reads == PassPipeline.Room)
                full.Release();
            turn.Pass();
            return Task.CompletedTask;
        }), batch =>
        {
            // All the room there is was taken before anything is written: no further read may begin now.
            if (isHeld)
                Assert.True(full.Wait(Patience.Limit, ContentFixture.Stop), "the reads did not go on beside the writing");
            isHeld = false;
            most = Math.Max(most, placed.Count == 0 ? begun : 0);
            placed.Add(batch.Read);
        });
        Assert.Equal(PassPipeline.Room, most);
        Assert.Equal(PassPipeline.Room, placed.Count);
    }

    [Fact]
    public async Task Planning_goes_on_while_a_read_is_under_way_and_never_beside_the_writing()
    {
        var (pack, chunks) = Made();
        var (plans, inside, placed) = (0, 0, 0);
        var isOver = false;
        using var planned = new SemaphoreSlim(0);
        await RunAsync(Reads(pack, chunks, async (reads, _) =>
        {
            // The first answer comes when three pieces were planned: there is no batch that they could follow.
            if (reads == 1)
                Assert.True(await planned.WaitAsync(Patience.Limit, ContentFixture.Stop), "nothing is planned while a read is under way");
        }), batch =>
        {
            Assert.Equal(1, Interlocked.Increment(ref inside));
            placed += batch.Found.Length;
            Interlocked.Decrement(ref inside);
        }, plan: async _ =>
        {
            Assert.Equal(1, Interlocked.Increment(ref inside));
            Assert.False(isOver, "planning was over");
            await Task.Yield();
            Interlocked.Decrement(ref inside);
            if (++plans == 3)
                planned.Release();
            isOver = plans == 10;
            return isOver ? PassPipeline.Planned.All : plans == 5 ? PassPipeline.Planned.Enough : PassPipeline.Planned.Some;
        });
        Assert.Equal((Chunks, true), (placed, plans is >= 3 and <= 10));
    }

    [Fact]
    public async Task What_is_small_on_the_way_and_large_here_takes_no_more_memory()
    {
        // 480 chunks of 64 KiB, stored in less than 2 KiB each, and all of them in one read.
        var (pack, needed) = (new MemoryStream(), new List<NeededChunk>());
        var stored = new byte[ContentFormat.MaxChunkBytes];
        var plain = new byte[ContentFormat.MaxChunkBytes];
        for (var i = 0; i < 480; i++)
        {
            MadeEntry.Noise(i, 1_000).CopyTo(plain, 0);
            var length = ChunkCodec.Encode(plain, stored);
            Assert.InRange(length, 1, 2_000);
            needed.Add(new NeededChunk(ContentHash.Of("pack"u8), 0, pack.Length, new StoredChunk(length, plain.Length, ContentHash.Of(plain)), new ChunkPlace(new TargetFile("file", plain.Length), 0)));
            pack.Write(stored, 0, length);
        }
        var (sorted, bytes, batches, ahead) = (needed.ToArray(), pack.ToArray(), 0, 0);
        var isRead = false;
        await RunAsync((read, _, _) =>
        {
            if (isRead)
                return Task.FromResult(false);
            isRead = true;
            read.Begin(RangePlanner.Next(sorted, 0, RangePlanner.MostBytes));
            bytes.CopyTo(read.Memory);
            read.Count = bytes.Length;
            return Task.FromResult(true);
        }, batch =>
        {
            if (batches++ == 0)
            {
                // The time that it takes to unpack all of it twice; then what was not verified yet never will be.
                foreach (var chunk in sorted.Concat(sorted))
                    Assert.True(ChunkCodec.TryDecode(bytes.AsSpan((int)chunk.Offset, chunk.Chunk.StoredBytes), chunk.Chunk, plain));
                Array.Clear(batch.Read.Bytes);
            }
            Assert.InRange(batch.Found.ToArray().Sum(found => found.Needed.Chunk.LengthBytes), 1, CheckBatch.MostBytes);
            if (batch.Found.ToArray().All(found => found.Bytes is not null))
                ahead++;
        });
        Assert.Equal(30, batches);
        // One that is written, those that wait for it, and one in the hands of each who checks.
        Assert.InRange(ahead, 1, 1 + PassPipeline.Ahead + 2);
    }

    [Fact]
    public async Task Whoever_fails_ends_all_with_its_own_cause()
    {
        var (pack, chunks) = Made();
        var reading = await Assert.ThrowsAsync<InvalidOperationException>(() => RunAsync(Reads(pack, chunks, (reads, _) => reads == 4 ? throw new InvalidOperationException("read") : Task.CompletedTask), _ => { }));
        Assert.Equal("read", reading.Message);
        var batches = 0;
        var placing = await Assert.ThrowsAsync<IOException>(() => RunAsync(Reads(pack, chunks, (_, _) => Task.CompletedTask), _ =>
        {
            if (++batches == 2)
                throw new IOException("full");
        }));
        Assert.Equal("full", placing.Message);
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(Reads(pack, chunks, (reads, _) => reads == 3 ? stop.CancelAsync() : Task.CompletedTask), _ => { }, stop.Token));
    }

    [Fact]
    public async Task Whoever_checks_and_fails_ends_all_with_its_own_cause()
    {
        var (pack, chunks) = Made();
        var reads = Reads(pack, chunks, (_, _) => Task.CompletedTask);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => RunAsync(async (read, turn, stop) =>
        {
            var isRead = await reads(read, turn, stop);
            // Bytes that it says it has, and does not.
            read.Abandon();
            return isRead;
        }, _ => { }));
    }

    [Fact]
    public async Task A_read_that_fails_ends_one_that_hangs_beside_it()
    {
        var (pack, chunks) = Made();
        using var hangs = new SemaphoreSlim(0);
        var isStopped = false;
        var reads = 0;
        var told = await Assert.ThrowsAsync<InvalidOperationException>(() => RunAsync(async (read, turn, stop) =>
        {
            var number = ++reads;
            read.Begin(RangePlanner.Next(chunks, 0, 300_000));
            turn.Pass();
            if (number == 1)
            {
                hangs.Release();
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
                }
                catch (OperationCanceledException)
                {
                    isStopped = true;
                    throw;
                }
            }
            Assert.True(await hangs.WaitAsync(Patience.Limit, stop));
            throw new InvalidOperationException("read");
        }, _ => Assert.Fail("nothing was read")));
        Assert.Equal("read", told.Message);
        Assert.True(isStopped);
    }

    [Fact]
    public async Task It_can_be_stopped_while_all_room_is_taken()
    {
        var (pack, chunks) = Made();
        using var stop = new CancellationTokenSource();
        using var full = new SemaphoreSlim(0);
        var begun = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(Reads(pack, chunks, (reads, turn) =>
        {
            begun = reads;
            if (reads == PassPipeline.Room)
                full.Release();
            turn.Pass();
            return Task.CompletedTask;
        }), _ =>
        {
            Assert.True(full.Wait(Patience.Limit, ContentFixture.Stop), "the reads did not go on beside the writing");
            stop.Cancel();
            full.Release();
        }, stop.Token));
        Assert.Equal(PassPipeline.Room, begun);
    }
}
