using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

internal sealed partial class LocalStore
{
    private const int CopyBufferBytes = 128 * 1024;
    private const int MaxSweptDirectories = 1_024;

    private readonly ConcurrentDictionary<StorePath, DateTimeOffset> _swept = new();

    public async ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var folder = await OnPool("creating", path, isWrite: true, () => EnterForWriting(path), cancellationToken);
        var handle = await OnPool("creating", path, isWrite: true, () => folder.CreateNew(path.Name), cancellationToken);
        if (handle is null)
            return false;
        await FillAsync("creating", path, folder, path.Name, handle, content, cancellationToken);
        await OnPool("creating", path, isWrite: true, () => Synced(folder), cancellationToken);
        return true;
    }

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        using var folder = await OnPool("replacing", path, isWrite: true, () => EnterForWriting(path), cancellationToken);
        await OnPool("replacing", path, isWrite: true, () => Sweep(folder, path.Parent), cancellationToken);
        var temporary = TemporaryNames.Next();
        var handle = await OnPool("replacing", path, isWrite: true, () => folder.CreateNew(temporary), cancellationToken)
            ?? throw new NalException(NalError.Conflict, $"replacing {_tree.Show(path)}: the temporary name {temporary} is taken; try again", path.Value, isTransient: true);
        await FillAsync("replacing", path, folder, temporary, handle, content, cancellationToken);
        await OnPool("replacing", path, isWrite: true, () => MoveOver(folder, temporary, path.Name), cancellationToken);
    }

    public async ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken)
    {
        if (path.IsRoot)
            throw new NalException(NalError.AccessDenied, $"the root {_tree.Root} of a store is not deleted through it", path.Value);
        return await OnPool("deleting", path, isWrite: true, () =>
        {
            using var folder = _tree.Enter(path.Parent);
            return folder is not null && Stat(folder, path) is { } entry && folder.Delete(path.Name, entry.IsDirectory);
        }, cancellationToken);
    }

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) =>
        await OnPool("renaming", from, isWrite: true, () =>
        {
            if (Stat(from) is not { } entry)
                throw new NalException(NalError.NotFound, $"renaming {_tree.Show(from)}: nothing is there", from.Value);
            if (entry.IsDirectory)
                throw new NalException(NalError.Conflict, $"renaming {_tree.Show(from)}: it is a directory; only files are renamed", from.Value);
            using var source = _tree.Enter(from.Parent)!;
            using var target = EnterForWriting(to);
            File.Move(source.PathOf(from.Name), target.PathOf(to.Name), overwrite: false);
            target.Sync();
            return Synced(source);
        }, cancellationToken);

    public async ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) =>
        await OnPool("making", path, isWrite: true, () =>
        {
            // Asked for by name, the root itself may be made again: an administrator deleted it and republishes.
            if (path.IsRoot)
                Directory.CreateDirectory(_tree.Root);
            _tree.EnterOrCreate(path).Dispose();
            return true;
        }, cancellationToken);

    private LocalFolder EnterForWriting(StorePath path)
    {
        if (path.IsRoot || TemporaryNames.Is(path.Name))
            throw new NalException(NalError.Conflict, $"'{path.Name}' cannot be the name of a file here", path.Value);
        return _tree.EnterOrCreate(path.Parent);
    }

    private async Task FillAsync(string verb, StorePath path, LocalFolder folder, string name, SafeFileHandle handle, ReadOnlyMemory<byte> content,
        CancellationToken cancellationToken) =>
        await GuardedAsync(verb, path, folder, name, handle, async () => await RandomAccess.WriteAsync(handle, content, 0, cancellationToken), cancellationToken);

    private async Task FillAsync(string verb, StorePath path, LocalFolder folder, string name, SafeFileHandle handle, Stream content,
        CancellationToken cancellationToken) =>
        await GuardedAsync(verb, path, folder, name, handle, async () =>
        {
            var buffer = ArrayPool<byte>.Shared.Rent(CopyBufferBytes);
            try
            {
                long offset = 0;
                int count;
                while ((count = await content.ReadAsync(buffer, cancellationToken)) > 0)
                {
                    await RandomAccess.WriteAsync(handle, buffer.AsMemory(0, count), offset, cancellationToken);
                    offset += count;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }, cancellationToken);

    /// <summary>Writes and flushes; what fails half-way is removed again, so that the name is free for the next attempt.</summary>
    private async Task GuardedAsync(string verb, StorePath path, LocalFolder folder, string name, SafeFileHandle handle, Func<Task> write,
        CancellationToken cancellationToken)
    {
        var what = $"{verb} {_tree.Show(path)}";
        try
        {
            using (handle)
            {
                await write();
                cancellationToken.ThrowIfCancellationRequested();
                await Task.Run(() => RandomAccess.FlushToDisk(handle), CancellationToken.None);
            }
        }
        catch (Exception cause)
        {
            var remains = await Task.Run(() => Remove(folder, name), CancellationToken.None) is { } why
                ? $"{what}; a short file remains as {name}: {why}"
                : what;
            if (LocalErrors.IsPlatform(cause))
                throw LocalErrors.Translate(cause, isWrite: true, remains, path);
            throw;
        }
    }

    private static string? Remove(LocalFolder folder, string name)
    {
        try
        {
            folder.Delete(name, isDirectory: false);
            return null;
        }
        catch (Exception cause) when (LocalErrors.IsPlatform(cause))
        {
            return cause.Message;
        }
    }

    private static bool MoveOver(LocalFolder folder, string temporary, string name)
    {
        try
        {
            File.Move(folder.PathOf(temporary), folder.PathOf(name), overwrite: true);
        }
        catch (Exception cause) when (LocalErrors.IsPlatform(cause))
        {
            Remove(folder, temporary);
            throw;
        }
        return Synced(folder);
    }

    private static bool Synced(LocalFolder folder)
    {
        folder.Sync();
        return true;
    }

    /// <summary>Removes temporaries of processes that were killed: at most once per directory in the time after which one counts as abandoned.</summary>
    private bool Sweep(LocalFolder folder, StorePath directory)
    {
        var now = time.GetUtcNow();
        if (_swept.TryGetValue(directory, out var last) && now - last < TemporaryNames.AbandonedAfter)
            return false;
        if (_swept.Count >= MaxSweptDirectories)
            _swept.Clear();
        _swept[directory] = now;
        try
        {
            foreach (var file in new DirectoryInfo(folder.PathOf(".")).EnumerateFiles())
            {
                if (TemporaryNames.Is(file.Name) && now.UtcDateTime - file.LastWriteTimeUtc >= TemporaryNames.AbandonedAfter)
                    Remove(folder, file.Name);
            }
        }
        catch (UnauthorizedAccessException)
        {
            // An account that may create but not list leaves the sweeping to one that may.
            return false;
        }
        return true;
    }
}
