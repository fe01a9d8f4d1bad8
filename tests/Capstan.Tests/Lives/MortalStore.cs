using System.Runtime.CompilerServices;
using Capstan.Nal;
using Capstan.Nal.Providers;

namespace Capstan.Tests.Lives;

/// <summary>When a computer dies, counted in its operations on storage, and what it leaves behind.</summary>
internal sealed class Mortality
{
    private int? _left;
    private bool _after;

    /// <summary>It died: nothing that it does any more has an effect.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Called at the instant of death: whatever is not on the disk now is gone.</summary>
    public Action? OnDeath { get; set; }

    /// <param name="operations">Until the one at which it dies.</param>
    /// <param name="after">That operation still has its effect.</param>
    public void Doom(int operations, bool after) => (_left, _after) = (operations, after);

    /// <summary>Switched on again.</summary>
    public void Revive() => (_left, IsDead) = (null, false);

    public async ValueTask<T> LiveAsync<T>(Func<ValueTask<T>> operation)
    {
        if (IsDead)
            throw Died();
        if (_left is null || --_left > 0)
            return await operation();
        if (_after)
            await operation();
        IsDead = true;
        _left = null;
        OnDeath?.Invoke();
        throw Died();
    }

    private static NalException Died() => new(NalError.Connect, "this computer is dead", "", isTransient: true);
}

/// <summary>A store through which a computer works until it dies, with one fault on the way.</summary>
internal sealed class MortalStore(IStore inner, Mortality life) : IStore
{
    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => life.LiveAsync(() => inner.StatAsync(path, cancellationToken));

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => life.LiveAsync(() => inner.ReadAllAsync(path, maxBytes, cancellationToken));

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        life.LiveAsync(() => inner.ReadAsync(path, offset, buffer, cancellationToken));

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await life.LiveAsync(static () => ValueTask.FromResult(true));
        await foreach (var entry in inner.ListAsync(directory, cancellationToken))
            yield return entry;
    }

    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => life.LiveAsync(() => inner.CreateAsync(path, content, cancellationToken));

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => await life.LiveAsync(async () =>
    {
        await inner.ReplaceAsync(path, content, cancellationToken);
        return true;
    });

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => life.LiveAsync(() => inner.DeleteAsync(path, cancellationToken));

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => await life.LiveAsync(async () =>
    {
        await inner.RenameAsync(from, to, cancellationToken);
        return true;
    });

    public async ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => await life.LiveAsync(async () =>
    {
        await inner.CreateDirectoryAsync(path, cancellationToken);
        return true;
    });

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => life.LiveAsync(() => inner.GetSpaceAsync(cancellationToken));
}
