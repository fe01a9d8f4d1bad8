using System.Security.Cryptography;
using System.Threading.Channels;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Bytes in, chunks out to where they are stored: one thread reads and cuts, the others hash and compress whole batches, one stores them in order. Used by one publication.</summary>
/// <remarks>Memory is bounded by the number of batches: whoever reads waits for a free one.</remarks>
internal sealed class ChunkPipeline : IAsyncDisposable
{
    /// <summary>12 MiB in all: enough that no processor waits for another.</summary>
    private const int Batches = 6;

    private readonly IBatchStore _store;
    private readonly Channel<ChunkBatch> _free = Channel.CreateBounded<ChunkBatch>(Batches);
    private readonly Channel<Step> _steps = Channel.CreateUnbounded<Step>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _storing;
    private ChunkBatch _batch = new();
    private int _chunkFrom, _filled;
    private long _length;

    /// <param name="store">Stays the caller's.</param>
    public ChunkPipeline(IBatchStore store)
    {
        _store = store;
        for (var i = 1; i < Batches; i++)
            _free.Writer.TryWrite(new ChunkBatch());
        _storing = Task.Run(StoreAsync);
    }

    /// <summary>Chunks cut so far.</summary>
    public long Chunks { get; private set; }

    /// <summary>Where the next bytes go; never empty.</summary>
    public Memory<byte> Free => _batch.Plain[_filled..];

    /// <summary>So many bytes of <see cref="Free"/> were filled.</summary>
    public async ValueTask AdvanceAsync(int count, CancellationToken cancellationToken)
    {
        _hash.AppendData(_batch.Plain.Span.Slice(_filled, count));
        _length += count;
        _filled += count;
        Cut(isLast: false);
        if (_filled == ChunkBatch.Capacity || _batch.IsFull)
            await PassOnAsync(cancellationToken);
    }

    /// <summary>Ends a file: what follows is another.</summary>
    public async ValueTask<(long LengthBytes, ContentHash Hash)> EndFileAsync(CancellationToken cancellationToken)
    {
        Cut(isLast: true);
        if (_filled == ChunkBatch.Capacity || _batch.IsFull)
            await PassOnAsync(cancellationToken);
        var length = _length;
        _length = 0;
        return (length, new ContentHash(_hash.GetHashAndReset()));
    }

    /// <summary>Waits until all files that ended are in packs, and every pack is whole and durable.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await PassOnAsync(cancellationToken);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _steps.Writer.WriteAsync(new Step(null, Task.CompletedTask, done), cancellationToken);
        // What storing throws is thrown here.
        await await Task.WhenAny(done.Task, _storing).WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _steps.Writer.TryComplete();
        await _storing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Nobody works on a batch any more that somebody else could be given.
        while (_steps.Reader.TryRead(out var left))
            await left.Prepared.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _hash.Dispose();
        _ending.Dispose();
    }

    private void Cut(bool isLast)
    {
        while (_chunkFrom < _filled && ContentChunker.Next(_batch.Plain.Span[_chunkFrom.._filled], isLast) is > 0 and var length)
        {
            _batch.Add(_chunkFrom, length);
            _chunkFrom += length;
            Chunks++;
        }
    }

    /// <summary>The batch goes on; what is not cut yet goes to the beginning of the next.</summary>
    private async ValueTask PassOnAsync(CancellationToken cancellationToken)
    {
        var next = await FreeBatchAsync(cancellationToken);
        var left = _batch.Plain[_chunkFrom.._filled];
        left.CopyTo(next.Plain);
        (_chunkFrom, _filled) = (0, left.Length);
        var batch = _batch;
        _batch = next;
        // Never refused, and asks no token: what has begun is always waited for.
        _steps.Writer.TryWrite(new Step(batch, Task.Run(() => _store.PrepareAsync(batch, _ending.Token), _ending.Token), null));
    }

    private async ValueTask<ChunkBatch> FreeBatchAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _free.Reader.ReadAsync(cancellationToken);
        }
        catch (ChannelClosedException)
        {
            // Storing has failed: its own cause is what the sender is told.
            await _storing;
            throw;
        }
    }

    private async Task StoreAsync()
    {
        try
        {
            await foreach (var step in _steps.Reader.ReadAllAsync(_ending.Token))
            {
                if (step.Batch is not { } batch)
                {
                    await _store.FlushAsync();
                    step.Flushed!.SetResult();
                    continue;
                }
                await step.Prepared;
                await _store.StoreAsync(batch, _ending.Token);
                batch.Clear();
                _free.Writer.TryWrite(batch);
            }
        }
        catch (Exception cause)
        {
            _free.Writer.TryComplete(cause);
            throw;
        }
    }

    /// <param name="Batch">Null for the end of all that came before.</param>
    private sealed record Step(ChunkBatch? Batch, Task Prepared, TaskCompletionSource? Flushed);
}
