using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

/// <summary>A directory of this machine as a store.</summary>
/// <remarks>
/// <para>Nothing below the root may be a link: an operation that meets one fails with <see cref="NalError.AccessDenied"/>, and listings leave
/// links out. On Linux the kernel itself refuses (openat2), so nobody who may write in the tree can win a race; elsewhere see <see cref="PortableTree"/>.
/// The root may be reached through links. It is resolved anew for each operation, so a root that is deleted and made again is found again.</para>
/// <para>Listings leave out temporaries and names that no <see cref="StorePath"/> can hold.</para>
/// <para>File operations run on the thread pool and, once begun, do not look at their token: a lease is what lets a caller get away from one that hangs.</para>
/// <para>Durable means: the file and the directories that name it were synchronised. Where this account may not read a directory, only the file is.</para>
/// </remarks>
internal sealed partial class LocalStore(LocalTree tree, TimeProvider time) : IStore
{
    private const int ListBatch = 256;

    private readonly LocalTree _tree = tree;

    public LocalStore(string root, TimeProvider time) : this(LocalTree.For(root), time) { }

    public async ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) =>
        await OnPool("looking at", path, isWrite: false, () => Stat(path), cancellationToken);

    public async ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxBytes, Array.MaxLength - 1);
        return await OnPool("reading", path, isWrite: false, () => ReadWhole(path, maxBytes), cancellationToken);
    }

    public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        using var handle = await OnPool("opening", path, isWrite: false, () => OpenRead(path), cancellationToken)
            ?? throw new NalException(NalError.NotFound, $"reading {_tree.Show(path)}: nothing is there", path.Value);
        try
        {
            var done = 0;
            while (done < buffer.Length)
            {
                var count = await RandomAccess.ReadAsync(handle, buffer[done..], offset + done, cancellationToken);
                if (count == 0)
                    break;
                done += count;
            }
            return done;
        }
        catch (Exception cause) when (LocalErrors.IsPlatform(cause))
        {
            throw LocalErrors.Translate(cause, isWrite: false, $"reading {_tree.Show(path)}", path);
        }
    }

    public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var folder = await OnPool("listing", directory, isWrite: false, () => _tree.Enter(directory), cancellationToken);
        if (folder is null)
            yield break;
        using var entries = Entries(folder, directory).GetEnumerator();
        List<StoreEntry> batch;
        do
        {
            batch = await OnPool("listing", directory, isWrite: false, () => Next(entries), cancellationToken);
            foreach (var entry in batch)
                yield return entry;
        }
        while (batch.Count == ListBatch);
    }

    public async ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) =>
        await OnPool("asking for the space of", StorePath.Root, isWrite: false, () =>
        {
            using var folder = _tree.Enter(StorePath.Root);
            var drive = new DriveInfo(_tree.Root);
            return new StoreSpace(drive.AvailableFreeSpace, drive.TotalSize);
        }, cancellationToken);

    private StoreEntry? Stat(StorePath path)
    {
        using var folder = _tree.Enter(path.Parent);
        return folder is null ? null : Stat(folder, path);
    }

    private StoreEntry? Stat(LocalFolder folder, StorePath path)
    {
        if (TemporaryNames.Is(path.Name))
            return null;
        if (path.IsRoot)
            return new StoreEntry(path, IsDirectory: true, 0, new DateTimeOffset(Directory.GetLastWriteTimeUtc(folder.PathOf("."))));
        var info = new FileInfo(folder.PathOf(path.Name));
        if (info.Attributes == (FileAttributes)(-1))
            return null;
        if (info.Attributes.HasFlag(FileAttributes.ReparsePoint) && info.LinkTarget is not null)
            throw _tree.LinkInTheWay(path);
        var isDirectory = info.Attributes.HasFlag(FileAttributes.Directory);
        return new StoreEntry(path, isDirectory, isDirectory ? 0 : info.Length, new DateTimeOffset(info.LastWriteTimeUtc));
    }

    private SafeFileHandle? OpenRead(StorePath path)
    {
        if (path.IsRoot)
            throw LocalErrors.Of(LocalErrors.IsDirectory, _tree.Root);
        using var folder = _tree.Enter(path.Parent);
        return TemporaryNames.Is(path.Name) ? null : folder?.OpenRead(path.Name);
    }

    private byte[]? ReadWhole(StorePath path, long maxBytes)
    {
        using var handle = OpenRead(path);
        if (handle is null)
            return null;
        if (File.GetAttributes(handle).HasFlag(FileAttributes.Directory))
            throw LocalErrors.Of(LocalErrors.IsDirectory, _tree.Show(path));
        using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        if (!stream.CanSeek)
            throw new NalException(NalError.Conflict, $"reading {_tree.Show(path)}: it is a pipe, a socket or a device, not a file", path.Value);
        if (stream.Length > maxBytes)
            throw TooLarge(path, stream.Length, maxBytes);
        var content = new byte[stream.Length];
        var count = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
        // A file that is still being written may be longer now; what was there at the time of opening is the answer.
        return count == content.Length ? content : content[..count];
    }

    private static NalException TooLarge(StorePath path, long length, long maxBytes) => new(NalError.TooLarge,
        $"{path} is {length} bytes long; at most {maxBytes} are read", path.Value);

    private static FileSystemEnumerable<StoreEntry> Entries(LocalFolder folder, StorePath directory) =>
        new(folder.PathOf("."), (ref FileSystemEntry entry) => new StoreEntry(
            directory.Combine(entry.FileName.ToString()), entry.IsDirectory, entry.IsDirectory ? 0 : entry.Length, entry.LastWriteTimeUtc),
            new EnumerationOptions { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false, ReturnSpecialDirectories = false })
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) =>
                !entry.Attributes.HasFlag(FileAttributes.ReparsePoint) && !TemporaryNames.Is(entry.FileName)
                && StorePath.TryParse(entry.FileName.ToString(), out _, out _),
        };

    private static List<StoreEntry> Next(IEnumerator<StoreEntry> entries)
    {
        var batch = new List<StoreEntry>(ListBatch);
        while (batch.Count < ListBatch && entries.MoveNext())
            batch.Add(entries.Current);
        return batch;
    }

    private async Task<T> OnPool<T>(string verb, StorePath path, bool isWrite, Func<T> action, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(action, cancellationToken);
        }
        catch (Exception cause) when (LocalErrors.IsPlatform(cause))
        {
            throw LocalErrors.Translate(cause, isWrite, $"{verb} {_tree.Show(path)}", path);
        }
    }
}
