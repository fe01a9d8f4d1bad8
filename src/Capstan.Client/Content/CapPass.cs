using System.Globalization;
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

    /// <summary>Reads in turn that fail for no reason of their own: the CAP is gone.</summary>
    private const int MostFailures = 3;

    private readonly long _began = time.GetTimestamp();
    private readonly byte[][] _buffers = [new byte[RangePlanner.MostBytes], new byte[RangePlanner.MostBytes]];
    private int _next, _reads, _failures;
    private NeededChunk[] _sorted = [];

    /// <summary>Read from the CAP.</summary>
    public long BytesRead { get; private set; }

    public int Reads { get; private set; }

    /// <summary>Told after each read.</summary>
    public Action Progress { get; init; } = static () => { };

    /// <exception cref="IOException">This machine's disk failed, or is full. What was written stays.</exception>
    public async Task<PassEnd> RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            _sorted = RangePlanner.Sort(fetch.Pending.Where(chunk => faults.MayGive(cap, chunk)));
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

    /// <summary>One read is under way while the one before it is verified and written.</summary>
    private async Task<PassEnd?> ReadAllAsync(CancellationToken cancellationToken)
    {
        _next = 0;
        var reading = ReadNextAsync(cancellationToken);
        try
        {
            while (true)
            {
                var read = await reading;
                if (read.End is not null || read.Range.IsEmpty)
                    return read.End;
                reading = ReadNextAsync(cancellationToken);
                Take(read);
                Progress();
            }
        }
        finally
        {
            // It writes into a buffer of this pass.
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<Read> ReadNextAsync(CancellationToken cancellationToken)
    {
        // The caller verifies and writes meanwhile.
        await Task.Yield();
        while (_next < _sorted.Length && !faults.MayGive(cap, _sorted[_next]))
            _next++;
        if (_next == _sorted.Length)
            return default;
        if (faults.IsLost(cap))
            return new Read(default, 0, 0, PassEnd.Lost);
        var mostBytes = await gate.PassAsync(cap, cancellationToken);
        if (time.GetElapsedTime(_began) >= Longest)
            return new Read(default, 0, 0, PassEnd.TimeIsUp);
        if (gate.Closed(need) > TimeSpan.Zero)
            return new Read(default, 0, 0, PassEnd.Closed);
        if (gate.TooSlow(need, cap) is not null)
            return new Read(default, 0, 0, PassEnd.TooSlow);
        var range = RangePlanner.Next(_sorted, _next, mostBytes);
        _next += range.Chunks.Count;
        var buffer = _reads++ % _buffers.Length;
        var count = await ReadAsync(range, _buffers[buffer].AsMemory(0, range.Bytes), cancellationToken);
        return new Read(range, buffer, count, null);
    }

    /// <returns>Bytes read; -1 when there was no answer.</returns>
    private async Task<int> ReadAsync(PackRange range, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource(LongestRead, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        var began = time.GetTimestamp();
        try
        {
            var count = await store.ReadAsync(StorePath.Parse(Layout.Pack(range.Pack)), range.Offset, buffer, either.Token);
            gate.Note(cap, count, time.GetElapsedTime(began));
            BytesRead += count;
            Reads++;
            _failures = 0;
            return count;
        }
        catch (NalException e) when (e.Error is NalError.NotFound or NalError.AccessDenied or NalError.Conflict)
        {
            PackFault(range.Pack, e.Error == NalError.NotFound ? "it is not there" : e.Message);
        }
        catch (NalException e) when (e.Error == NalError.ReadRemote && ++_failures < MostFailures)
        {
            PackFault(range.Pack, e.Message);
        }
        catch (NalException e)
        {
            faults.Lose(cap, $"{cap}: {e.Message}");
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            faults.Lose(cap, $"{cap}: no answer within {LongestRead.TotalSeconds:F0} s while a pack was read");
        }
        return -1;
    }

    private void Take(Read read)
    {
        if (read.Count < 0)
            return;
        var ends = read.Range.Offset + read.Count;
        fetch.Put(read.Range, _buffers[read.Buffer].AsSpan(0, read.Count), chunk =>
        {
            if (chunk.End <= ends)
                ChunkFault(chunk, "the bytes there are not what was published");
            else
                // What lies behind its end is not there either, and need not be asked for one by one.
                PackFault(chunk.Pack, string.Create(CultureInfo.InvariantCulture, $"it ends after {ends} bytes and should have more"));
        });
    }

    private void PackFault(ContentHash pack, string cause)
    {
        if (faults.AddPack(cap, pack, $"{cap}: pack {pack}: {cause}"))
            ContentLog.PackUnusable(log, cap.ToString(), pack.ToString(), cause);
    }

    private void ChunkFault(NeededChunk chunk, string cause)
    {
        faults.AddChunk(cap, chunk, string.Create(CultureInfo.InvariantCulture, $"{cap}: pack {chunk.Pack} at byte {chunk.Offset}: {cause}"));
        ContentLog.ChunkWrong(log, cap.ToString(), chunk.Pack.ToString(), chunk.Offset, cause);
    }

    /// <param name="Count">Bytes that came; -1 for none.</param>
    private readonly record struct Read(PackRange Range, int Buffer, int Count, PassEnd? End);
}
