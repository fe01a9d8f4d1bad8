using System.Runtime.CompilerServices;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Ncp;
using Capstan.Ncp.Files;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>A folder of a volume as a store. Thread-safe.</summary>
/// <remarks>
/// <para>Durable means: the server answered a commit before a file got its final name (replace) or before this returned (create).</para>
/// <para>NetWare never renames over a file: a replacement is written under a temporary name, then the old file is deleted and the new one renamed. Whoever looks in between finds nothing, never
/// a mixture; whoever dies in between leaves the new content under its temporary name, and nothing under the old.</para>
/// <para>Listings leave out temporaries and names that no <see cref="StorePath"/> can hold.</para>
/// </remarks>
/// <param name="root">Below the volume, segments joined by <c>/</c>; empty for the volume itself.</param>
internal sealed class NwbindStore(NwbindConnection connection, NcpVolume volume, string root, TemporarySweep sweep, TimeProvider time) : IStore
{
    private const int MostSwept = 10_000;
    private const int ChunkBytes = 64 * 1024;

    /// <summary>Before a file that somebody has open is tried again: 1.95 s in all. Readers of Capstan hold a file for one read.</summary>
    private static readonly TimeSpan[] Pauses =
        [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(150), TimeSpan.FromMilliseconds(350), TimeSpan.FromMilliseconds(600), TimeSpan.FromMilliseconds(800)];

    /// <exception cref="NalException"><see cref="NalError.NotFound"/>, <see cref="NalError.Conflict"/>.</exception>
    public async ValueTask ProveRootAsync(CancellationToken cancellationToken)
    {
        var entry = await volume.StatAsync(root, cancellationToken) ?? throw RootMissing();
        if (!entry.IsDirectory)
            throw new NalException(NalError.Conflict, $"{Show(StorePath.Root)} is a file, not a folder", server: connection.Server);
    }

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => DoAsync("looking at", path, isWrite: false, async () =>
    {
        if (TemporaryNames.Is(path.Name))
            return null;
        var entry = await volume.StatAsync(At(path), cancellationToken);
        return entry is null ? path.IsRoot ? throw RootMissing() : null : EntryOf(path, entry);
    });

    public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        return DoAsync("reading", path, isWrite: false, async () =>
        {
            if (TemporaryNames.Is(path.Name) || await OpenOrNothingAsync(path, cancellationToken) is not { } file)
                return null;
            await using (file.ConfigureAwait(false))
            {
                if (file.Entry.LengthBytes > maxBytes)
                    throw new NalException(NalError.TooLarge, $"{path} is {file.Entry.LengthBytes} bytes long; at most {maxBytes} are read", path.Value, server: connection.Server);
                var content = new byte[file.Entry.LengthBytes];
                var count = await file.ReadAsync(0, content, cancellationToken);
                await file.CloseAsync(cancellationToken);
                return count == content.Length ? content : content[..count];
            }
        });
    }

    public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return DoAsync("reading", path, isWrite: false, async () =>
        {
            var file = await OpenOrNothingAsync(path, cancellationToken)
                ?? throw new NalException(NalError.NotFound, $"reading {Show(path)}: nothing is there", path.Value, server: connection.Server);
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
        var entries = volume.ListAsync(At(directory), cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (entries.ConfigureAwait(false))
        {
            while (await DoAsync("listing", directory, isWrite: false, () => NextAsync(entries)))
            {
                var entry = entries.Current;
                if (!TemporaryNames.Is(entry.Name) && StorePath.TryParse(entry.Name, out _, out _))
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
            var file = await CreateOrTakenAsync(path, cancellationToken);
            if (file is null)
                return false;
            await FillAsync(file, At(path), content, cancellationToken);
            return true;
        });
    }

    public async ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        RefuseName(path);
        await DoAsync("replacing", path, isWrite: true, async () =>
        {
            await SweepAsync(path.Parent, cancellationToken);
            if ((await volume.StatAsync(At(path), cancellationToken))?.IsDirectory == true)
                throw new NalException(NalError.Conflict, $"replacing {Show(path)}: a directory has that name", path.Value, server: connection.Server);
            var temporary = path.Parent.IsRoot ? StorePath.Parse(TemporaryNames.Next()) : path.Parent.Combine(TemporaryNames.Next());
            var file = await CreateOrTakenAsync(temporary, cancellationToken)
                ?? throw new NalException(NalError.Conflict, $"replacing {Show(path)}: the temporary name {temporary} is taken", path.Value, isTransient: true, server: connection.Server);
            await FillAsync(file, At(temporary), new MemoryStream(content.ToArray(), writable: false), cancellationToken);
            await MoveOverAsync(path, temporary, cancellationToken);
            return true;
        });
    }

    public async ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken)
    {
        if (path.IsRoot)
            throw new NalException(NalError.AccessDenied, $"the root {Show(path)} of a store is not deleted through it", path.Value, server: connection.Server);
        return await DoAsync("deleting", path, isWrite: true, async () => await volume.DeleteAsync(At(path), cancellationToken));
    }

    public async ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken)
    {
        RefuseName(to);
        await DoAsync("renaming", from, isWrite: true, async () =>
        {
            var entry = await volume.StatAsync(At(from), cancellationToken)
                ?? throw new NalException(NalError.NotFound, $"renaming {Show(from)}: nothing is there", from.Value, server: connection.Server);
            if (entry.IsDirectory)
                throw new NalException(NalError.Conflict, $"renaming {Show(from)}: it is a directory; only files are renamed", from.Value, server: connection.Server);
            try
            {
                await volume.RenameAsync(At(from), At(to), cancellationToken);
            }
            catch (NcpException missing) when (NcpVolume.IsMissing(missing.Code))
            {
                await MakeAsync(to.Parent, withRoot: false, cancellationToken);
                await volume.RenameAsync(At(from), At(to), cancellationToken);
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
        var space = await volume.GetSpaceAsync(cancellationToken);
        return (StoreSpace?)new StoreSpace(space.FreeBytes, space.TotalBytes);
    });

    private string At(StorePath path) => root.Length == 0 ? path.Value : path.IsRoot ? root : $"{root}/{path.Value}";

    /// <summary>The path as people read it in messages.</summary>
    private string Show(StorePath path) => $@"\\{connection.Server}\{volume.Name}\{At(path).Replace('/', '\\')}".TrimEnd('\\');

    /// <summary>A server without a time for an entry has it of the beginning of 1970.</summary>
    private StoreEntry EntryOf(StorePath path, NcpEntry entry) =>
        new(path, entry.IsDirectory, entry.LengthBytes, entry.Modified is { } modified ? new DateTimeOffset(modified - connection.Zone, TimeSpan.Zero) : DateTimeOffset.UnixEpoch);

    private NalException RootMissing() => new(NalError.NotFound, $"the folder {Show(StorePath.Root)} is not there; create it, or correct the path", isTransient: true, server: connection.Server);

    private void RefuseName(StorePath path)
    {
        if (path.IsRoot || TemporaryNames.Is(path.Name))
            throw new NalException(NalError.Conflict, $"'{path.Name}' cannot be the name of a file here", path.Value, server: connection.Server);
    }

    /// <summary>Null when nothing is there. A directory is no file.</summary>
    private async Task<NcpFile?> OpenOrNothingAsync(StorePath path, CancellationToken cancellationToken)
    {
        try
        {
            return await volume.OpenAsync(At(path), cancellationToken);
        }
        catch (ArgumentException) when (At(path).Length == 0)
        {
            throw new NalException(NalError.Conflict, $"reading {Show(path)}: it is a directory", path.Value, server: connection.Server);
        }
        catch (NcpException missing) when (missing.Failure == NcpFailure.Completion)
        {
            var entry = await volume.StatAsync(At(path), cancellationToken);
            return entry switch
            {
                null => null,
                { IsDirectory: true } => throw new NalException(NalError.Conflict, $"reading {Show(path)}: it is a directory", path.Value, server: connection.Server, code: missing.Code.Value, inner: missing),
                _ => throw NcpErrors.Operation(missing, connection, volume, $"reading {Show(path)}", isWrite: false, path),
            };
        }
    }

    /// <summary>A new, empty file, and the directories above it; null when the name is taken: servers say that in several ways, so it is looked at.</summary>
    private async Task<NcpFile?> CreateOrTakenAsync(StorePath path, CancellationToken cancellationToken)
    {
        for (var mayMake = true; ; mayMake = false)
        {
            try
            {
                return await volume.CreateAsync(At(path), cancellationToken);
            }
            catch (NcpException refused) when (refused.Failure == NcpFailure.Completion)
            {
                if (await IsThereAsync(path, refused, cancellationToken))
                    return null;
                if (!mayMake || !NcpVolume.IsMissing(refused.Code))
                    throw;
            }
            await MakeAsync(path.Parent, withRoot: false, cancellationToken);
        }
    }

    /// <summary>Whether something has the name of a file that could not be created. Who may only create is not told: then a refusal that is none of rights or of the path means that.</summary>
    private async Task<bool> IsThereAsync(StorePath path, NcpException refused, CancellationToken cancellationToken)
    {
        try
        {
            return await volume.StatAsync(At(path), cancellationToken) is not null;
        }
        catch (NcpException untold) when (NcpErrors.IsDenied(untold.Code))
        {
            return refused.Code == NcpCode.Failure || refused.Code == NcpCode.AllNamesTaken || refused.Code == NcpCode.SomeNamesTaken || refused.Code == NcpCode.FileInUse;
        }
    }

    /// <summary>Writes, commits and closes a new file. What fails leaves nothing under the name.</summary>
    private async Task FillAsync(NcpFile file, string path, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            var buffer = new byte[ChunkBytes];
            for (long offset = 0; ;)
            {
                var count = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
                await file.WriteAsync(offset, buffer.AsMemory(0, count), cancellationToken);
                offset += count;
                if (count < buffer.Length)
                    break;
            }
            await file.FlushAsync(cancellationToken);
            await file.CloseAsync(cancellationToken);
        }
        catch
        {
            await UnmakeAsync(file, path);
            throw;
        }
    }

    private async Task UnmakeAsync(NcpFile file, string path)
    {
        try
        {
            await file.DisposeAsync();
            await volume.DeleteFileAsync(path, CancellationToken.None);
        }
        catch (NcpException)
        {
            // A short file remains, as after a cut link: the first failure is the one to tell.
            return;
        }
    }

    /// <summary>Deletes what has the name, and renames; both again for a while when a file is open or somebody else was quicker.</summary>
    private async Task MoveOverAsync(StorePath path, StorePath temporary, CancellationToken cancellationToken)
    {
        try
        {
            for (var tries = 0; ; tries++)
            {
                try
                {
                    await volume.DeleteFileAsync(At(path), cancellationToken);
                    await volume.RenameAsync(At(temporary), At(path), cancellationToken);
                    return;
                }
                catch (NcpException inTheWay) when (tries < Pauses.Length
                    && (NcpErrors.IsInUse(inTheWay.Code) || inTheWay.Code == NcpCode.AllNamesTaken || inTheWay.Code == NcpCode.SomeNamesTaken))
                {
                    await Task.Delay(Pauses[tries], time, cancellationToken);
                }
            }
        }
        catch
        {
            await RemoveAsync(temporary);
            throw;
        }
    }

    private async Task RemoveAsync(StorePath temporary)
    {
        try
        {
            await volume.DeleteFileAsync(At(temporary), CancellationToken.None);
        }
        catch (NcpException)
        {
            // A later replacement sweeps it.
            return;
        }
    }

    /// <summary>Makes a directory and what is missing above it, up to the root.</summary>
    private async Task MakeAsync(StorePath directory, bool withRoot, CancellationToken cancellationToken)
    {
        if (await volume.StatAsync(At(directory), cancellationToken) is { } there)
        {
            if (!there.IsDirectory)
                throw new NalException(NalError.Conflict, $"making {Show(directory)}: a file has that name", directory.Value, server: connection.Server);
            return;
        }
        if (directory.IsRoot && !withRoot)
            throw RootMissing();
        if (!directory.IsRoot)
            await MakeAsync(directory.Parent, withRoot, cancellationToken);
        try
        {
            await volume.CreateDirectoryAsync(At(directory), cancellationToken);
        }
        catch (NcpException refused) when (refused.Failure == NcpFailure.Completion)
        {
            // Somebody else may have made it meanwhile.
            if ((await volume.StatAsync(At(directory), cancellationToken))?.IsDirectory != true)
                throw;
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
            await foreach (var entry in volume.ListAsync(At(directory), cancellationToken))
            {
                if (++seen > MostSwept)
                    break;
                if (TemporaryNames.Is(entry.Name) && sweep.IsAbandoned(EntryOf(directory.Combine("x"), entry).LastWrite))
                    abandoned.Add(At(directory).Length == 0 ? entry.Name : $"{At(directory)}/{entry.Name}");
            }
            foreach (var path in abandoned)
                await volume.DeleteFileAsync(path, cancellationToken);
        }
        catch (NcpException refused) when (refused.Failure == NcpFailure.Completion)
        {
            // Whatever stands in the way, the write itself finds out what matters of it.
            return;
        }
    }

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<NcpEntry> entries)
    {
        try
        {
            return await entries.MoveNextAsync();
        }
        catch (NcpException missing) when (NcpVolume.IsMissing(missing.Code))
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
        catch (NcpException cause)
        {
            if (cause.Code == NcpCode.NoSuchVolume)
                connection.Forget(volume);
            throw NcpErrors.Operation(cause, connection, volume, $"{verb} {Show(path)}", isWrite, path);
        }
    }
}
