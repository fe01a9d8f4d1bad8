using System.Runtime.CompilerServices;
using Capstan.Smb;
using Capstan.Smb.Files;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>A folder of a share as a store. Thread-safe.</summary>
/// <remarks>
/// <para>Durable means: FLUSH was answered before a file got its final name (replace) or before this returned (create); Samba and Windows write their disk then.</para>
/// <para>Directories are made when a write finds that they are missing, so that an account that may only create files in them needs no other right.</para>
/// <para>Listings leave out temporaries, links and names that no <see cref="StorePath"/> can hold.</para>
/// </remarks>
/// <param name="root">Below the share, segments joined by <c>/</c>; empty for the share itself.</param>
internal sealed class MswnetStore(MswnetConnection connection, SmbTree tree, string root, TemporarySweep sweep, TimeProvider time) : IStore
{
    /// <summary>A server that is asked for temporaries and never comes to an end is asked no further.</summary>
    private const int MostSwept = 10_000;

    /// <summary>Before a replacement is tried again that an open file is in the way of: 1.95 s in all. Readers of Capstan hold a file for one read.</summary>
    private static readonly TimeSpan[] Pauses =
        [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(150), TimeSpan.FromMilliseconds(350), TimeSpan.FromMilliseconds(600), TimeSpan.FromMilliseconds(800)];

    /// <exception cref="NalException"><see cref="NalError.NotFound"/>, <see cref="NalError.Conflict"/>.</exception>
    public async ValueTask ProveRootAsync(CancellationToken cancellationToken)
    {
        var entry = await tree.StatAsync(root, cancellationToken);
        if (entry is null)
            throw RootMissing();
        if (!entry.IsDirectory)
            throw new NalException(NalError.Conflict, $"{Show(StorePath.Root)} is a file, not a folder", server: connection.Server);
    }

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => DoAsync("looking at", path, isWrite: false, async () =>
    {
        if (TemporaryNames.Is(path.Name))
            return null;
        var entry = await OrNothingAsync(tree.StatAsync(At(path), cancellationToken));
        return entry is null ? path.IsRoot ? throw RootMissing() : null : EntryOf(path, entry);
    });

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        return DoAsync("reading", path, isWrite: false, async () =>
        {
            if (TemporaryNames.Is(path.Name))
                return null;
            var content = await OrNothingAsync(tree.ReadAllAsync(At(path), maxBytes, cancellationToken));
            return !content.Exists || content.Bytes is not null
                ? content.Bytes
                : throw new NalException(NalError.TooLarge, $"{path} is {content.LengthBytes} bytes long; at most {maxBytes} are read", path.Value, server: connection.Server);
        });
    }

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return DoAsync("reading", path, isWrite: false, async () =>
        {
            var file = await tree.OpenAsync(At(path), SmbOpen.Read, cancellationToken);
            await using (file.ConfigureAwait(false))
            {
                var count = await file.ReadAsync(offset, buffer, cancellationToken);
                await file.CloseAsync(cancellationToken);
                return count;
            }
        });
    }

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entries = tree.ListAsync(At(directory), "*", cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (entries.ConfigureAwait(false))
        {
            while (await DoAsync("listing", directory, isWrite: false, () => NextAsync(entries)))
            {
                var entry = entries.Current;
                if (!entry.Attributes.HasFlag(SmbAttributes.ReparsePoint) && !TemporaryNames.Is(entry.Name) && StorePath.TryParse(entry.Name, out _, out _))
                    yield return EntryOf(directory.Combine(entry.Name), entry);
            }
        }
    }

    public async ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        RefuseName(path);
        return await DoAsync("creating", path, isWrite: true, async () =>
        {
            // What cannot be read twice needs its directory first.
            long? begin = content.CanSeek ? content.Position : null;
            if (begin is null)
                await MakeAsync(path.Parent, withRoot: false, cancellationToken);
            try
            {
                return await tree.CreateAsync(At(path), content, flush: true, cancellationToken);
            }
            catch (SmbException missing) when (begin is not null && missing.Status == NtStatus.ObjectPathNotFound)
            {
                await MakeAsync(path.Parent, withRoot: false, cancellationToken);
                content.Position = begin.Value;
                return await tree.CreateAsync(At(path), content, flush: true, cancellationToken);
            }
            catch (SmbException taken) when (taken.Status == NtStatus.FileIsADirectory && taken.Command == SmbCommand.Create)
            {
                return false;
            }
        });
    }

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        RefuseName(path);
        await DoAsync("replacing", path, isWrite: true, async () =>
        {
            await SweepAsync(path.Parent, cancellationToken);
            try
            {
                await ReplaceOnceAsync(path, content, cancellationToken);
            }
            catch (SmbException missing) when (missing.Status == NtStatus.ObjectPathNotFound)
            {
                await MakeAsync(path.Parent, withRoot: false, cancellationToken);
                await ReplaceOnceAsync(path, content, cancellationToken);
            }
            return true;
        });
    }

    public async ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken)
    {
        if (path.IsRoot)
            throw new NalException(NalError.AccessDenied, $"the root {Show(path)} of a store is not deleted through it", path.Value, server: connection.Server);
        return await DoAsync("deleting", path, isWrite: true, () => OrNothingAsync(tree.DeleteAsync(At(path), cancellationToken)));
    }

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken)
    {
        RefuseName(to);
        await DoAsync("renaming", from, isWrite: true, async () =>
        {
            var entry = await OrNothingAsync(tree.StatAsync(At(from), cancellationToken))
                ?? throw new NalException(NalError.NotFound, $"renaming {Show(from)}: nothing is there", from.Value, server: connection.Server);
            if (entry.IsDirectory)
                throw new NalException(NalError.Conflict, $"renaming {Show(from)}: it is a directory; only files are renamed", from.Value, server: connection.Server);
            try
            {
                await tree.RenameAsync(At(from), At(to), replace: false, cancellationToken);
            }
            catch (SmbException missing) when (missing.Status == NtStatus.ObjectPathNotFound)
            {
                await MakeAsync(to.Parent, withRoot: false, cancellationToken);
                await tree.RenameAsync(At(from), At(to), replace: false, cancellationToken);
            }
            return true;
        });
    }

    public async ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => await DoAsync("making", path, isWrite: true, async () =>
    {
        // Asked for by name, the root itself may be made again: an administrator deleted it and republishes.
        await MakeAsync(path, withRoot: true, cancellationToken);
        return true;
    });

    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => DoAsync("asking for the space of", StorePath.Root, isWrite: false, async () =>
    {
        var space = await tree.GetSpaceAsync(cancellationToken);
        return (StoreSpace?)new StoreSpace(space.FreeBytes, space.TotalBytes);
    });

    private string At(StorePath path) => root.Length == 0 ? path.Value : path.IsRoot ? root : $"{root}/{path.Value}";

    /// <summary>The path as people read it in messages.</summary>
    private string Show(StorePath path) => $@"\\{connection.Server}\{tree.Share}\{At(path).Replace('/', '\\')}".TrimEnd('\\');

    private static StoreEntry EntryOf(StorePath path, SmbEntry entry) => new(path, entry.IsDirectory, entry.LengthBytes, entry.LastWrite);

    private NalException RootMissing() => new(NalError.NotFound, $"the folder {Show(StorePath.Root)} is not there; create it, or correct the path", isTransient: true, server: connection.Server);

    private void RefuseName(StorePath path)
    {
        if (path.IsRoot || TemporaryNames.Is(path.Name))
            throw new NalException(NalError.Conflict, $"'{path.Name}' cannot be the name of a file here", path.Value, server: connection.Server);
    }

    /// <summary>Replaces, and tries again for a while when somebody has the file open: Windows, and Samba within one connection, refuse the rename then.</summary>
    private async Task ReplaceOnceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        for (var tries = 0; ; tries++)
        {
            var temporary = At(path.IsRoot ? path : path.Parent.Combine(TemporaryNames.Next()));
            try
            {
                await tree.ReplaceAsync(temporary, At(path), content, flush: true, cancellationToken);
                return;
            }
            catch (SmbException refused) when (refused.Command == SmbCommand.SetInfo && (SmbErrors.IsDenied(refused.Status) || refused.Status == NtStatus.SharingViolation))
            {
                // Without a file in the way it is a right that is missing.
                if (await tree.StatAsync(At(path), cancellationToken) is not { } there)
                    throw;
                if (there.IsDirectory)
                    throw new NalException(NalError.Conflict, $"replacing {Show(path)}: a directory has that name", path.Value, server: connection.Server, code: refused.Status.Code, inner: refused);
                if (tries == Pauses.Length)
                {
                    throw new NalException(NalError.Conflict,
                        $"replacing {Show(path)}: refused {tries + 1} times in 2 s ({refused.Status}): somebody has it open, or account {connection.Account} may not replace it; it is tried again",
                        path.Value, isTransient: true, server: connection.Server, code: refused.Status.Code, inner: refused);
                }
            }
            await Task.Delay(Pauses[tries], time, cancellationToken);
        }
    }

    /// <summary>Makes a directory and what is missing above it, up to the root.</summary>
    private async Task MakeAsync(StorePath directory, bool withRoot, CancellationToken cancellationToken)
    {
        if (directory.IsRoot && !withRoot)
        {
            if (await tree.StatAsync(root, cancellationToken) is null)
                throw RootMissing();
            return;
        }
        try
        {
            if (At(directory).Length > 0)
                await tree.CreateDirectoryAsync(At(directory), cancellationToken);
        }
        catch (SmbException missing) when (missing.Status == NtStatus.ObjectPathNotFound && !directory.IsRoot)
        {
            await MakeAsync(directory.Parent, withRoot, cancellationToken);
            await tree.CreateDirectoryAsync(At(directory), cancellationToken);
        }
    }

    /// <summary>Removes temporaries of processes that were killed. An account that may not list leaves that to one that may.</summary>
    private async Task SweepAsync(StorePath directory, CancellationToken cancellationToken)
    {
        if (!sweep.IsDue(Show(directory)))
            return;
        try
        {
            var abandoned = new List<string>();
            var seen = 0;
            await foreach (var entry in tree.ListAsync(At(directory), TemporaryNames.Pattern, cancellationToken))
            {
                if (++seen > MostSwept)
                    break;
                if (TemporaryNames.Is(entry.Name) && sweep.IsAbandoned(entry.LastWrite))
                    abandoned.Add(At(directory.Combine(entry.Name)));
            }
            foreach (var path in abandoned)
                await tree.DeleteAsync(path, cancellationToken);
        }
        catch (SmbException refused) when (refused.Failure == SmbFailure.Status)
        {
            // Whatever stands in the way, the write itself finds out what matters of it.
            return;
        }
    }

    /// <summary>Nothing below a file is nothing at all.</summary>
    private static async ValueTask<T?> OrNothingAsync<T>(ValueTask<T> operation)
    {
        try
        {
            return await operation;
        }
        catch (SmbException below) when (below.Status == NtStatus.NotADirectory)
        {
            return default;
        }
    }

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<SmbEntry> entries)
    {
        try
        {
            return await entries.MoveNextAsync();
        }
        catch (SmbException file) when (file.Status == NtStatus.NotADirectory)
        {
            return false;
        }
    }

    private async ValueTask<T> DoAsync<T>(string verb, StorePath path, bool isWrite, Func<ValueTask<T>> operation)
    {
        try
        {
            return await operation();
        }
        catch (SmbException cause)
        {
            connection.Notice(cause, tree);
            throw SmbErrors.Operation(cause, connection, $"{verb} {Show(path)}", isWrite, path);
        }
    }
}
