using System.Globalization;
using System.Threading.Channels;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Content;

/// <summary>Why a pass over a CAP ended.</summary>
internal enum PassEnd
{
    /// <summary>It has nothing more to give: all is here, or the rest is wanted of others.</summary>
    Drained = 1,
    /// <summary>What comes next must be looked for on this disk first: no lease is held for that.</summary>
    Plan = 2,
    /// <summary>A lease has its time.</summary>
    TimeIsUp = 3,
    /// <summary>The hours are over.</summary>
    Closed = 4,
    TooSlow = 5,
    /// <summary>The CAP does not answer any more.</summary>
    Lost = 6,
}

/// <summary>Reads what a version lacks from one CAP, through one lease. What the CAP gives wrong or does not have is named and left to others; the rest is read all the same.</summary>
internal sealed class CapPass(VersionFetch fetch, IStore store, NalPath cap, ContentNeed need, SourceFaults faults, ContentGate gate, TimeProvider time, ILogger log)
{
    /// <summary>How long one lease may be used.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>An answer that takes longer does not come.</summary>
    public static readonly TimeSpan LongestRead = TimeSpan.FromSeconds(60);

    /// <summary>How long a lease is kept while this disk is looked through.</summary>
    private static readonly TimeSpan s_planShare = TimeSpan.FromSeconds(3);

    /// <summary>How long is planned for what is read later before something that came is written again: what takes longer would hold up reading.</summary>
    private static readonly TimeSpan s_planPiece = TimeSpan.FromMilliseconds(1);

    /// <summary>Reads in turn that fail for no reason of their own: the CAP is gone.</summary>
    private const int MostFailures = 3;

    private readonly long _began = time.GetTimestamp();
    private readonly PassPipeline _pipeline = new();
    private readonly Lock _gate = new();
    private long _answered;
    private int _next, _failures;
    private NeededChunk[] _sorted = [];
    /// <summary>What is read after <see cref="_sorted"/>; ends when no more is planned in this run.</summary>
    private Channel<NeededChunk[]> _later = Channel.CreateUnbounded<NeededChunk[]>();
    private bool _isOver;
    private long _placed;
    private PassEnd? _end;

    /// <summary>Read from the CAP.</summary>
    public long BytesRead { get; private set; }

    public int Reads { get; private set; }

    /// <summary>Told after each piece that was put in its place.</summary>
    public Action Progress { get; init; } = static () => { };

    /// <exception cref="IOException">This machine's disk failed, or is full. What was written stays.</exception>
    public async Task<PassEnd> RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            // Nothing is looked for on this disk while the lease of a CAP that is gone is held.
            if (faults.IsLost(cap))
                return PassEnd.Lost;
            _sorted = RangePlanner.Sort(fetch.Pending.Where(chunk => faults.MayGive(cap, chunk)));
            fetch.TakePlanned();
            if (_sorted.Length > 0)
            {
                if (await ReadAllAsync(cancellationToken) is { } end)
                    return end;
                continue;
            }
            if (fetch.IsPlaced || fetch.IsPlanned)
                return PassEnd.Drained;
            await fetch.PlanAsync(s_planShare, cancellationToken);
            if (!fetch.IsPlaced && !fetch.IsPlanned && !fetch.Pending.Any(chunk => faults.MayGive(cap, chunk)))
                return PassEnd.Plan;
        }
    }

    /// <summary>Reads are under way while those before them are verified and written, and those after them planned.</summary>
    private async Task<PassEnd?> ReadAllAsync(CancellationToken cancellationToken)
    {
        (_next, _end, _isOver, _placed) = (0, null, false, time.GetTimestamp());
        _later = Channel.CreateUnbounded<NeededChunk[]>();
        await _pipeline.RunAsync(ReadNextAsync, Take, PlanOnAsync, cancellationToken);
        return _end;
    }

    /// <summary>Plans one window ahead of the one that is read.</summary>
    private async Task<PassPipeline.Planned> PlanOnAsync(CancellationToken cancellationToken)
    {
        // Whoever reads takes the last window before it is read: while there is one, something comes that is written.
        if (_later.Reader.Count > 0)
            return PassPipeline.Planned.Enough;
        var planned = await fetch.PlanOnAsync(s_planPiece, cancellationToken);
        // A lease is not held while this disk alone is busy.
        if (planned is null && time.GetElapsedTime(_placed) < s_planShare)
            return PassPipeline.Planned.Some;
        planned ??= fetch.TakePlanned();
        if (planned.Count > 0)
            _later.Writer.TryWrite(RangePlanner.Sort(planned));
        if (planned.Count >= VersionFetch.Window)
            return PassPipeline.Planned.Some;
        _later.Writer.Complete();
        return PassPipeline.Planned.All;
    }

    /// <summary>Goes to the next chunk that this CAP may give.</summary>
    /// <returns>False when there is none, or none in a window: then it is decided anew what this CAP is asked for.</returns>
    private async Task<bool> FindNextAsync(CancellationToken cancellationToken)
    {
        while (!_isOver)
        {
            while (_next < _sorted.Length && !faults.MayGive(cap, _sorted[_next]))
                _next++;
            if (_next < _sorted.Length)
                return true;
            _isOver = !await _later.Reader.WaitToReadAsync(cancellationToken);
            if (_later.Reader.TryRead(out var window))
            {
                (_sorted, _next) = (window, 0);
                _isOver = !window.Any(chunk => faults.MayGive(cap, chunk));
            }
        }
        return false;
    }

    /// <summary>Decides what is read next, and reads it. The turn goes to the next read at once where the way is fast, so that it never idles; else when the answer is here.</summary>
    /// <returns>False when nothing more is read.</returns>
    private async Task<bool> ReadNextAsync(PackRead read, PassPipeline.Turn turn, CancellationToken cancellationToken)
    {
        if (_end is not null || !await FindNextAsync(cancellationToken))
            return false;
        var mostBytes = await gate.PassAsync(cap, cancellationToken);
        if (time.GetElapsedTime(_began) >= Longest)
            return End(PassEnd.TimeIsUp);
        if (gate.Closed(need) > TimeSpan.Zero)
            return End(PassEnd.Closed);
        if (gate.TooSlow(need, cap) is not null)
            return End(PassEnd.TooSlow);
        read.Begin(RangePlanner.Next(_sorted, _next, mostBytes));
        _next += read.Range.Chunks.Count;
        if (gate.IsFast(cap))
            turn.Pass();
        read.Count = await ReadAsync(read, cancellationToken);
        return true;
    }

    private bool End(PassEnd end)
    {
        _end = end;
        return false;
    }

    /// <returns>Bytes read; -1 when there was no answer.</returns>
    private async Task<int> ReadAsync(PackRead read, CancellationToken cancellationToken)
    {
        var (range, isAnswered) = (read.Range, false);
        using var over = new CancellationTokenSource(LongestRead, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        var began = time.GetTimestamp();
        try
        {
            var path = StorePath.Parse(Layout.Pack(range.Pack));
            var count = store is IGivenReads given ? await given.ReadGivenAsync(path, range.Offset, read.Memory, either.Token) : await store.ReadAsync(path, range.Offset, read.Memory, either.Token);
            isAnswered = true;
            Note(count, began);
            return count;
        }
        catch (NalException e) when (e is { Error: NalError.Conflict, IsTransient: true })
        {
            // Who writes it lets nobody read meanwhile.
            Unfinished(range.Pack, null, e.Message);
        }
        catch (NalException e) when (e.Error is NalError.NotFound or NalError.AccessDenied or NalError.Conflict)
        {
            PackFault(range.Pack, e.Error == NalError.NotFound ? "it is not there" : e.Message);
        }
        catch (NalException e) when (e.Error == NalError.ReadRemote && Interlocked.Increment(ref _failures) < MostFailures)
        {
            PackFault(range.Pack, e.Message);
        }
        catch (NalException e)
        {
            faults.Lose(cap, $"{cap}: {e.Message}");
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // A way that is only slow brings a shorter read in that time.
            gate.Note(cap, 0, LongestRead);
            faults.Lose(cap, $"{cap}: no answer within {LongestRead.TotalSeconds:F0} s while a pack was read");
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            // Nobody told it to stop: it gave up by itself.
            faults.Lose(cap, $"{cap}: {e.Message}");
        }
        finally
        {
            if (!isAnswered)
                read.Abandon();
        }
        return -1;
    }

    /// <summary>Two reads that were under way together took the time of both only once.</summary>
    private void Note(int count, long began)
    {
        lock (_gate)
        {
            gate.Note(cap, count, time.GetElapsedTime(Math.Max(began, _answered)));
            _answered = time.GetTimestamp();
            BytesRead += count;
            Reads++;
            _failures = 0;
        }
    }

    private void Take(CheckBatch batch)
    {
        var read = batch.Read;
        if (read.Count < 0)
            return;
        var ends = read.Range.Offset + read.Count;
        var isRight = true;
        fetch.Put(batch.Found, chunk =>
        {
            isRight = false;
            if (chunk.End <= ends)
                ChunkFault(chunk, "the bytes there are not what was published");
            else
                // What lies behind its end is not there either, and need not be asked for one by one.
                Unfinished(chunk.Pack, ends, string.Create(CultureInfo.InvariantCulture, $"it ends after {ends} bytes and should have more"));
        });
        if (isRight)
        {
            gate.Trust(cap);
            faults.Gave(cap);
        }
        _placed = time.GetTimestamp();
        Progress();
    }

    private void PackFault(ContentHash pack, string cause)
    {
        if (faults.AddPack(cap, pack, cause))
            ContentLog.PackUnusable(log, cap.ToString(), pack.ToString(), cause);
    }

    /// <summary>The site may be writing it: then nothing is wrong.</summary>
    /// <param name="ends">How far it went; null where that is not known.</param>
    private void Unfinished(ContentHash pack, long? ends, string cause)
    {
        if (!faults.AddUnfinished(cap, pack, ends, $"it may still be written there: {cause}", out var isNew))
            PackFault(pack, cause);
        else if (isNew)
            ContentLog.PackUnfinished(log, cap.ToString(), pack.ToString(), cause);
    }

    private void ChunkFault(NeededChunk chunk, string cause)
    {
        gate.Doubt(cap);
        switch (faults.AddChunk(cap, chunk, string.Create(CultureInfo.InvariantCulture, $"{cap}: pack {chunk.Pack} at byte {chunk.Offset}: {cause}")))
        {
            case Wrong.First:
                ContentLog.ChunkWrong(log, cap.ToString(), chunk.Pack.ToString(), chunk.Offset, cause);
                break;
            case Wrong.Pack:
                ContentLog.PackUnusable(log, cap.ToString(), chunk.Pack.ToString(), $"{SourceFaults.MostOfPack} of its chunks are not what was published");
                break;
            case Wrong.Cap:
                ContentLog.CapUnusable(log, cap.ToString(), fetch.Package.ToString());
                break;
        }
    }
}
