using System.Threading.Channels;

namespace Capstan.Client.Content;

/// <summary>Three things at once, in bounded memory: packs are read, what came is verified, what was verified is written. What is read later may be planned by whoever writes. One run at a time.</summary>
/// <remarks>The room of <see cref="Room"/> reads is all there is: who reads waits until something was written. Order does not matter, since each chunk has its own place.</remarks>
internal sealed class PassPipeline
{
    /// <summary>Reads whose bytes are in memory or on their way, at most: 3, which is 12 MiB as it is stored.</summary>
    public const int Room = 3;

    /// <summary>Batches that are verified and wait to be written, at most: what is small on the way may be large here.</summary>
    public const int Ahead = 2;

    /// <summary>Reads that are asked for at one time, at most.</summary>
    private const int Readers = 2;

    private const int MostCheckers = 2;

    private readonly PackRead[] _reads = [.. Enumerable.Range(0, Room).Select(_ => new PackRead())];

    /// <summary>Reads the next range into its room; false when there is none.</summary>
    public delegate Task<bool> Reader(PackRead read, Turn turn, CancellationToken cancellationToken);

    /// <summary>Plans a little of what is read later.</summary>
    public delegate Task<Planned> Planner(CancellationToken cancellationToken);

    /// <param name="read">Called by one at a time, until it passes its turn or returns.</param>
    /// <param name="place">Takes what was verified; called by the caller's own flow, one after the other.</param>
    /// <param name="plan">Called by that same flow, so that it never meets <paramref name="place"/>: after each batch, and while there is none.</param>
    public async Task RunAsync(Reader read, Action<CheckBatch> place, Planner plan, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var turns = new SemaphoreSlim(1, 1);
        var free = Channel.CreateUnbounded<PackRead>();
        foreach (var room in _reads)
            free.Writer.TryWrite(room);
        // What came holds no more than the batches of the reads that there is room for; they become large when they are unpacked.
        var (came, found) = (Channel.CreateUnbounded<CheckBatch>(), Channel.CreateBounded<CheckBatch>(new BoundedChannelOptions(Ahead) { SingleReader = true }));
        var stages = new[]
        {
            StageAsync(Readers, () => ReadAsync(read, turns, free.Reader, came.Writer, stop.Token), came.Writer, stop),
            StageAsync(Math.Min(MostCheckers, Environment.ProcessorCount), () => CheckAsync(came.Reader, found.Writer, stop.Token), found.Writer, stop),
        };
        try
        {
            for (var planned = Planned.Some; !found.Reader.Completion.IsCompleted;)
            {
                if (found.Reader.TryRead(out var batch))
                {
                    place(batch);
                    if (batch.Finish())
                        free.Writer.TryWrite(batch.Read);
                }
                else if (planned != Planned.Some)
                    await found.Reader.WaitToReadAsync(stop.Token);
                if (planned != Planned.All)
                    planned = await plan(stop.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // A stage failed; its own cause is what is told.
        }
        finally
        {
            await stop.CancelAsync();
            // They use the room of these reads.
            await ((Task)Task.WhenAll(stages)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await Task.WhenAll(stages);
    }

    /// <summary>Some workers that do the same; when all are done the next stage has all that there is.</summary>
    private static async Task StageAsync<T>(int workers, Func<Task> work, ChannelWriter<T> output, CancellationTokenSource stop)
    {
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            try
            {
                await work();
            }
            catch
            {
                // At once: others may wait for what this one held.
                await stop.CancelAsync();
                throw;
            }
        }, stop.Token)));
        output.Complete();
    }

    private static async Task ReadAsync(Reader read, SemaphoreSlim turns, ChannelReader<PackRead> free, ChannelWriter<CheckBatch> came, CancellationToken cancellationToken)
    {
        while (true)
        {
            var room = await free.ReadAsync(cancellationToken);
            await turns.WaitAsync(cancellationToken);
            var turn = new Turn(turns);
            try
            {
                if (!await read(room, turn, cancellationToken))
                    return;
            }
            finally
            {
                turn.Pass();
            }
            foreach (var batch in room.Cut())
                came.TryWrite(batch);
        }
    }

    private static async Task CheckAsync(ChannelReader<CheckBatch> came, ChannelWriter<CheckBatch> found, CancellationToken cancellationToken)
    {
        await foreach (var batch in came.ReadAllAsync(cancellationToken))
        {
            batch.Check();
            await found.WriteAsync(batch, cancellationToken);
        }
    }

    /// <summary>How far planning has come.</summary>
    internal enum Planned
    {
        /// <summary>There is more to do at once.</summary>
        Some = 0,
        /// <summary>Enough, until more was placed.</summary>
        Enough = 1,
        /// <summary>It is over.</summary>
        All = 2,
    }

    /// <summary>The right to decide what is read next.</summary>
    internal sealed class Turn(SemaphoreSlim turns)
    {
        private bool _isPassed;

        /// <summary>Lets the next one decide. Once; further calls have no effect.</summary>
        public void Pass()
        {
            if (_isPassed)
                return;
            _isPassed = true;
            turns.Release();
        }
    }
}
