using System.Runtime.CompilerServices;
using Capstan.Nal;
using Capstan.Nal.Providers;

namespace Capstan.Testing.Stores;

/// <summary>Wraps a store and makes it fail as storage fails: before or after an operation, torn, late, stale, forgetful. Thread-safe.</summary>
/// <param name="time">Its timers are the delays.</param>
public sealed class FaultStore(IStore inner, TimeProvider time) : IStore
{
    private readonly Lock _gate = new();
    private readonly List<StoreFault> _faults = [];
    private readonly Dictionary<StorePath, StoreEntry[]> _listings = [];
    private readonly Stack<Func<CancellationToken, Task>> _unsynced = new();

    /// <summary>A directory that was listed once shows the same entries for ever, as a cached network directory does. Default off.</summary>
    public bool StaleListings { get; set; }

    /// <summary>Writes are undone by <see cref="CrashAsync"/>, as on a disk that lies about flushing. Default off.</summary>
    public bool ForgetWrites { get; set; }

    public FaultStore Add(StoreFault fault)
    {
        lock (_gate)
            _faults.Add(fault);
        return this;
    }

    /// <summary>Refuses these operations always: what a client account may not do on a CAP.</summary>
    public FaultStore Deny(StoreOperations operations) => Add(new StoreFault(operations, NalError.AccessDenied));

    public void Heal()
    {
        lock (_gate)
            _faults.Clear();
    }

    /// <summary>Undoes, newest first, the creates and replaces made while <see cref="ForgetWrites"/> was on.</summary>
    public async Task CrashAsync(CancellationToken cancellationToken)
    {
        while (TryPop(out var undo))
            await undo(cancellationToken);
    }

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) =>
        RunAsync(StoreOperations.Stat, path, () => inner.StatAsync(path, cancellationToken), cancellationToken);

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) =>
        RunAsync(StoreOperations.Read, path, () => inner.ReadAllAsync(path, maxBytes, cancellationToken), cancellationToken);

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        RunAsync(StoreOperations.Read, path, () => inner.ReadAsync(path, offset, buffer, cancellationToken), cancellationToken);

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entries = await RunAsync(StoreOperations.List, directory, () => ListNowOrThenAsync(directory, cancellationToken), cancellationToken);
        foreach (var entry in entries)
            yield return entry;
    }

    public async ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, cancellationToken);
        return await RunAsync(StoreOperations.Create, path, async () =>
        {
            var made = await inner.CreateAsync(path, new MemoryStream(copy.ToArray()), cancellationToken);
            if (made)
                Remember(async token => await inner.DeleteAsync(path, token));
            return made;
        }, cancellationToken, bytes => inner.CreateAsync(path, new MemoryStream(copy.ToArray()[..Math.Min(bytes, (int)copy.Length)]), cancellationToken));
    }

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        await RunAsync(StoreOperations.Replace, path, async () =>
        {
            var before = ForgetWrites ? await inner.ReadAllAsync(path, int.MaxValue / 2, cancellationToken) : null;
            await inner.ReplaceAsync(path, content, cancellationToken);
            Remember(before is null
                ? async token => await inner.DeleteAsync(path, token)
                : async token => await inner.ReplaceAsync(path, before, token));
            return true;
        }, cancellationToken, async bytes =>
        {
            await inner.ReplaceAsync(path, content[..Math.Min(bytes, content.Length)], cancellationToken);
            return true;
        });

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) =>
        RunAsync(StoreOperations.Delete, path, () => inner.DeleteAsync(path, cancellationToken), cancellationToken);

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) =>
        await RunAsync(StoreOperations.Rename, from, async () =>
        {
            await inner.RenameAsync(from, to, cancellationToken);
            return true;
        }, cancellationToken);

    public async ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) =>
        await RunAsync(StoreOperations.MakeDirectory, path, async () =>
        {
            await inner.CreateDirectoryAsync(path, cancellationToken);
            return true;
        }, cancellationToken);

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) =>
        RunAsync(StoreOperations.Space, StorePath.Root, () => inner.GetSpaceAsync(cancellationToken), cancellationToken);

    private async ValueTask<T> RunAsync<T>(StoreOperations operation, StorePath path, Func<ValueTask<T>> run, CancellationToken cancellationToken,
        Func<int, ValueTask<bool>>? tear = null)
    {
        var fault = Match(operation, path);
        if (fault?.Hold is { } hold)
            await hold.PassAsync();
        if (fault is { Delay: var delay } && delay > TimeSpan.Zero)
            await Task.Delay(delay, time, cancellationToken);
        if (fault?.Error is null)
            return await run();
        if (fault.After)
            await run();
        else if (fault.TearAtByte is { } bytes && tear is not null)
            await tear(bytes);
        throw fault.Thrown(path);
    }

    private StoreFault? Match(StoreOperations operation, StorePath path)
    {
        lock (_gate)
        {
            StoreFault? hit = null;
            foreach (var fault in _faults)
            {
                if (!fault.Operations.HasFlag(operation) || !path.Value.StartsWith(fault.PathPrefix, StringComparison.Ordinal))
                    continue;
                fault.Seen++;
                if (fault.Nth is null || fault.Nth == fault.Seen)
                    hit ??= fault;
            }
            return hit;
        }
    }

    private async ValueTask<StoreEntry[]> ListNowOrThenAsync(StorePath directory, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (StaleListings && _listings.TryGetValue(directory, out var then))
                return then;
        }
        var entries = new List<StoreEntry>();
        await foreach (var entry in inner.ListAsync(directory, cancellationToken))
            entries.Add(entry);
        lock (_gate)
            return _listings[directory] = [.. entries];
    }

    private void Remember(Func<CancellationToken, Task> undo)
    {
        lock (_gate)
        {
            if (ForgetWrites)
                _unsynced.Push(undo);
        }
    }

    private bool TryPop([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Func<CancellationToken, Task>? undo)
    {
        lock (_gate)
            return _unsynced.TryPop(out undo);
    }
}
