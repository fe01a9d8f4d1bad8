using System.Runtime.CompilerServices;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

/// <summary>A store that ends with its lease: whoever keeps it longer gets <see cref="ObjectDisposedException"/>, not somebody else's connection.</summary>
internal sealed class LeasedStore(IStore inner, NalPath path) : IStore
{
    private volatile bool _ended;

    public void End() => _ended = true;

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => Store.StatAsync(path, cancellationToken);

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => Store.ReadAllAsync(path, maxBytes, cancellationToken);

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

    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => Store.CreateAsync(path, content, cancellationToken);

    public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Store.ReplaceAsync(path, content, cancellationToken);

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => Store.DeleteAsync(path, cancellationToken);

    public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => Store.RenameAsync(from, to, cancellationToken);

    public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => Store.CreateDirectoryAsync(path, cancellationToken);

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => Store.GetSpaceAsync(cancellationToken);

    private IStore Store => _ended ? throw new ObjectDisposedException(nameof(Lease), $"the lease on {path} was given back: its store cannot be used any more") : inner;
}
