using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Capstan.Nal;
using Capstan.Nal.Providers;

namespace Capstan.Testing.Stores;

/// <summary>A store in memory that counts what it is asked. Thread-safe; operations are atomic.</summary>
/// <param name="time">Dates the entries.</param>
public sealed class MemoryStore(TimeProvider time) : IStore
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, (ImmutableArray<byte> Content, DateTimeOffset Written)> _files = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, DateTimeOffset> _directories = new(StringComparer.Ordinal) { [""] = time.GetUtcNow() };
    /// <summary>Names of files and directories by the directory that they are in: what a listing and a deletion look at.</summary>
    private readonly Dictionary<string, SortedSet<string>> _children = new(StringComparer.Ordinal) { [""] = new(StringComparer.Ordinal) };
    /// <summary>Bytes that files hold together: counted along, since adding them up at each write makes many files slow.</summary>
    private long _used;

    /// <summary>What was asked so far.</summary>
    public StoreCounts Counts { get; } = new();

    /// <summary>Bytes that files may hold together; beyond it writing fails with <see cref="NalError.StorageFull"/>. Default unbounded.</summary>
    public long CapacityBytes { get; set; } = long.MaxValue;

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) =>
        Do("stat", path, () => Entry(path.Value), cancellationToken);

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => Do<byte[]?>("read", path, () =>
    {
        if (!_files.TryGetValue(path.Value, out var file))
            return _directories.ContainsKey(path.Value) ? throw Conflict(path, "it is a directory") : null;
        if (file.Content.Length > maxBytes)
            throw new NalException(NalError.TooLarge, $"{path} is {file.Content.Length} bytes long; at most {maxBytes} are read", path.Value);
        Counts.AddBytesRead(path, file.Content.Length);
        return file.Content.ToArray();
    }, cancellationToken);

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => Do("read", path, () =>
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (!_files.TryGetValue(path.Value, out var file))
            throw NothingThere(path);
        var count = (int)Math.Clamp(file.Content.Length - offset, 0, buffer.Length);
        file.Content.AsSpan((int)Math.Min(offset, file.Content.Length), count).CopyTo(buffer.Span);
        Counts.AddBytesRead(path, count);
        return count;
    }, cancellationToken);

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entries = await Do("list", directory, () => _children.TryGetValue(directory.Value, out var names) ? names.Select(name => Entry(name)!).ToArray() : [], cancellationToken);
        foreach (var entry in entries)
            yield return entry;
    }

    public async ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, cancellationToken);
        return await Do("create", path, () => Entry(path.Value) is null && Write(path, copy.ToArray()), cancellationToken);
    }

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => await Do("replace", path,
        () => _directories.ContainsKey(path.Value) ? throw Conflict(path, "a directory has that name") : Write(path, content.ToArray()), cancellationToken);

    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => Do("delete", path, () =>
    {
        if (path.IsRoot)
            throw new NalException(NalError.AccessDenied, "the root of a store is not deleted through it", path.Value);
        if (_children.TryGetValue(path.Value, out var children) && children.Count > 0)
            throw Conflict(path, "the directory is not empty");
        if (_files.Remove(path.Value, out var file))
            _used -= file.Content.Length;
        else if (!_directories.Remove(path.Value))
            return false;
        _children.Remove(path.Value);
        _children[path.Parent.Value].Remove(path.Value);
        return true;
    }, cancellationToken);

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => await Do("rename", from, () =>
    {
        if (_directories.ContainsKey(from.Value))
            throw Conflict(from, "only files are renamed");
        if (!_files.TryGetValue(from.Value, out var file))
            throw NothingThere(from);
        if (Entry(to.Value) is not null)
            throw Conflict(to, "the name is taken");
        MakeDirectories(to.Parent);
        _files.Remove(from.Value);
        _children[from.Parent.Value].Remove(from.Value);
        _files.Add(to.Value, file);
        _children[to.Parent.Value].Add(to.Value);
        return true;
    }, cancellationToken);

    public async ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => await Do("mkdir", path, () =>
    {
        MakeDirectories(path);
        return true;
    }, cancellationToken);

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => Do("space", StorePath.Root,
        () => CapacityBytes == long.MaxValue ? null : new StoreSpace(CapacityBytes - _used, CapacityBytes), cancellationToken);

    private ValueTask<T> Do<T>(string operation, StorePath path, Func<T> action, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<T>(cancellationToken);
        lock (_gate)
        {
            Counts.AddOperation(operation, path);
            try
            {
                return ValueTask.FromResult(action());
            }
            catch (NalException failure)
            {
                return ValueTask.FromException<T>(failure);
            }
        }
    }

    private StoreEntry? Entry(string name) =>
        _directories.TryGetValue(name, out var made) ? new StoreEntry(StorePath.Parse(name), IsDirectory: true, 0, made)
        : _files.TryGetValue(name, out var file) ? new StoreEntry(StorePath.Parse(name), IsDirectory: false, file.Content.Length, file.Written)
        : null;

    private bool Write(StorePath path, byte[] content)
    {
        MakeDirectories(path.Parent);
        var used = _used - (_files.TryGetValue(path.Value, out var file) ? file.Content.Length : 0) + content.Length;
        if (used > CapacityBytes)
            throw new NalException(NalError.StorageFull, $"writing {path}: the store is full ({_used} of {CapacityBytes} bytes)", path.Value, isTransient: true);
        _used = used;
        _children[path.Parent.Value].Add(path.Value);
        _files[path.Value] = ([.. content], time.GetUtcNow());
        return true;
    }

    private void MakeDirectories(StorePath path)
    {
        for (var at = path; !at.IsRoot; at = at.Parent)
        {
            if (_files.ContainsKey(at.Value))
                throw Conflict(at, "a file stands where a directory should be");
        }
        if (path.IsRoot || !_directories.TryAdd(path.Value, time.GetUtcNow()))
            return;
        _children[path.Value] = new SortedSet<string>(StringComparer.Ordinal);
        MakeDirectories(path.Parent);
        _children[path.Parent.Value].Add(path.Value);
    }

    private static NalException Conflict(StorePath path, string why) => new(NalError.Conflict, $"{path}: {why}", path.Value);

    private static NalException NothingThere(StorePath path) => new(NalError.NotFound, $"{path}: nothing is there", path.Value);
}

/// <summary>Operations and bytes, per path: what an idle day costs. Thread-safe.</summary>
public sealed class StoreCounts
{
    private readonly ConcurrentDictionary<(string Operation, string Path), long> _operations = new();
    private readonly ConcurrentDictionary<string, long> _bytesRead = new(StringComparer.Ordinal);

    public long TotalOperations => _operations.Values.Sum();
    public long TotalBytesRead => _bytesRead.Values.Sum();

    /// <summary>Operations by name: <c>stat read list create replace delete rename mkdir space</c>.</summary>
    public long OperationsOf(string operation) => _operations.Where(pair => string.Equals(pair.Key.Operation, operation, StringComparison.Ordinal)).Sum(pair => pair.Value);

    public long OperationsAt(string path) => _operations.Where(pair => string.Equals(pair.Key.Path, path, StringComparison.Ordinal)).Sum(pair => pair.Value);

    public long BytesReadAt(string path) => _bytesRead.GetValueOrDefault(path);

    /// <summary>Begins a new count.</summary>
    public void Reset()
    {
        _operations.Clear();
        _bytesRead.Clear();
    }

    internal void AddOperation(string operation, StorePath path) => _operations.AddOrUpdate((operation, path.Value), 1, static (_, count) => count + 1);

    internal void AddBytesRead(StorePath path, long bytes) => _bytesRead.AddOrUpdate(path.Value, bytes, (_, count) => count + bytes);
}
