using System.Buffers;
using System.Runtime.CompilerServices;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

/// <summary>A store that ends with its lease: whoever keeps it longer gets <see cref="ObjectDisposedException"/>, not somebody else's connection.</summary>
/// <remarks>An operation that hangs in the kernel does not look at its token: the caller gets away all the same, and the operation, which still has its effect
/// when it ends, goes to <paramref name="abandoned"/>.</remarks>
internal sealed class LeasedStore(IStore inner, NalPath path, AbandonedCalls abandoned) : IStore, IGivenReads
{
    private volatile bool _ended;
    private volatile NalException? _lost;

    public void End() => _ended = true;

    /// <summary>The connection is over: whoever goes on using the lease is told why.</summary>
    public void Lose(NalException cause) => _lost = cause;

    /// <summary>What a caller is told who uses a lease whose connection is over.</summary>
    public static NalException Over(NalException cause, NalPath path) => new(cause.Error, $"the lease on {path} ended with its connection: {cause.Message}",
        path.ToString(), Completion.NotSent, isTransient: true, cause.Server, cause.Code, cause);

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.StatAsync(path, cancellationToken), cancellationToken);

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => Bounded(Store.ReadAllAsync(path, maxBytes, cancellationToken), cancellationToken);

    public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // An abandoned read would write to the caller's buffer after the caller has it back. It keeps this one, too: only what has ended goes back to the pool.
        var own = ArrayPool<byte>.Shared.Rent(buffer.Length);
        var count = await Bounded(Store.ReadAsync(path, offset, own.AsMemory(0, buffer.Length), cancellationToken), cancellationToken);
        own.AsSpan(0, count).CopyTo(buffer.Span);
        ArrayPool<byte>.Shared.Return(own);
        return count;
    }

    public ValueTask<int> ReadGivenAsync(StorePath path, long offset, Memory<byte> given, CancellationToken cancellationToken) =>
        Bounded(Store.ReadAsync(path, offset, given, cancellationToken), cancellationToken);

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entries = Store.ListAsync(directory, cancellationToken).GetAsyncEnumerator(cancellationToken);
        var moving = Task.FromResult(true);
        try
        {
            while (true)
            {
                moving = entries.MoveNextAsync().AsTask();
                if (!await Bounded(new ValueTask<bool>(moving), cancellationToken))
                    break;
                yield return entries.Current;
                _ = Store;
            }
        }
        finally
        {
            // An enumerator must not be disposed while it moves.
            if (moving.IsCompleted)
                await entries.DisposeAsync();
            else
                abandoned.Add(DisposeAfterAsync(moving, entries));
        }
    }

    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => Bounded(Store.CreateAsync(path, content, cancellationToken), cancellationToken);

    public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Bounded(Store.ReplaceAsync(path, content, cancellationToken), cancellationToken);

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.DeleteAsync(path, cancellationToken), cancellationToken);

    public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => Bounded(Store.RenameAsync(from, to, cancellationToken), cancellationToken);

    public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.CreateDirectoryAsync(path, cancellationToken), cancellationToken);

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => Bounded(Store.GetSpaceAsync(cancellationToken), cancellationToken);

    private async ValueTask<T> Bounded<T>(ValueTask<T> operation, CancellationToken cancellationToken)
    {
        if (operation.IsCompleted || !cancellationToken.CanBeCanceled)
            return await operation;
        var running = operation.AsTask();
        await WaitAsync(running, cancellationToken);
        return await running;
    }

    private async ValueTask Bounded(ValueTask operation, CancellationToken cancellationToken)
    {
        if (operation.IsCompleted || !cancellationToken.CanBeCanceled)
            await operation;
        else
            await WaitAsync(operation.AsTask(), cancellationToken);
    }

    private async Task WaitAsync(Task running, CancellationToken cancellationToken)
    {
        try
        {
            await running.WaitAsync(cancellationToken);
        }
        finally
        {
            if (!running.IsCompleted)
                abandoned.Add(running);
        }
    }

    private static async Task DisposeAfterAsync(Task moving, IAsyncDisposable entries)
    {
        await moving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await entries.DisposeAsync();
    }

    private IStore Store => _ended ? throw new ObjectDisposedException(nameof(Lease), $"the lease on {path} was given back: its store cannot be used any more")
        : _lost is { } cause ? throw Over(cause, path)
        : inner;
}
