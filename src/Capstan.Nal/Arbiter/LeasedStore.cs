using System.Runtime.CompilerServices;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

/// <summary>A store that ends with its lease: whoever keeps it longer gets <see cref="ObjectDisposedException"/>, not somebody else's connection.</summary>
internal sealed class LeasedStore(IStore inner, NalPath path) : IStore
{
    private volatile bool _ended;

    public void End() => _ended = true;

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.StatAsync(path, cancellationToken), cancellationToken);

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => Bounded(Store.ReadAllAsync(path, maxBytes, cancellationToken), cancellationToken);

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        Store.ReadAsync(path, offset, buffer, cancellationToken);

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in Store.ListAsync(directory, cancellationToken))
        {
            yield return entry;
            _ = Store;
        }
    }

    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => Bounded(Store.CreateAsync(path, content, cancellationToken), cancellationToken);

    public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Bounded(Store.ReplaceAsync(path, content, cancellationToken), cancellationToken);

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.DeleteAsync(path, cancellationToken), cancellationToken);

    public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => Bounded(Store.RenameAsync(from, to, cancellationToken), cancellationToken);

    public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => Bounded(Store.CreateDirectoryAsync(path, cancellationToken), cancellationToken);

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => Bounded(Store.GetSpaceAsync(cancellationToken), cancellationToken);

    /// <summary>An operation that hangs in the kernel does not look at its token: the caller gets away all the same, and the operation ends when it can.</summary>
    /// <remarks>Not for a read into the caller's buffer, which would be written to after the caller has it back.</remarks>
    private static ValueTask<T> Bounded<T>(ValueTask<T> operation, CancellationToken cancellationToken) =>
        operation.IsCompleted || !cancellationToken.CanBeCanceled ? operation : new ValueTask<T>(operation.AsTask().WaitAsync(cancellationToken));

    private static ValueTask Bounded(ValueTask operation, CancellationToken cancellationToken) =>
        operation.IsCompleted || !cancellationToken.CanBeCanceled ? operation : new ValueTask(operation.AsTask().WaitAsync(cancellationToken));

    private IStore Store => _ended ? throw new ObjectDisposedException(nameof(Lease), $"the lease on {path} was given back: its store cannot be used any more") : inner;
}
