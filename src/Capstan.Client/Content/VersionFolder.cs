using System.IO.Enumeration;
using Capstan.Client.Inventory;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Content;

/// <summary>What is at a path of a <see cref="VersionFolder"/>.</summary>
/// <param name="Mode">Permission bits; 0 of a link, and where the system has none.</param>
/// <param name="Target">Of a link.</param>
/// <param name="AllocatedBytes">Room that a file takes; at most its length.</param>
internal readonly record struct FolderEntry(TreeKind Kind, long SizeBytes, int Mode, string? Target, long AllocatedBytes = 0);

/// <summary>A folder of content, in which nothing that is done goes through a link: paths are relative to it, and each of their components is what it is itself. Not thread-safe.</summary>
/// <remarks>Throws the platform's exceptions. What stands in the way of a path is removed, a link as itself, when something is made there.</remarks>
internal abstract class VersionFolder : IDisposable
{
    private const int OwnerReads = 0b100_000_000, OwnerUses = 0b110_000_000;

    /// <summary>As people read it; absolute.</summary>
    public string Directory { get; }

    protected VersionFolder(string directory) => Directory = directory;

    /// <exception cref="DirectoryNotFoundException">It is not there.</exception>
    public static VersionFolder Open(string directory) => LinuxCalls.CanResolveBeneath ? new LinuxVersionFolder(directory) : new PortableVersionFolder(directory);

    /// <summary>A path that the file APIs take for an entry of a real directory; null where its directory is none.</summary>
    protected abstract string? AccessOf(string path);

    /// <summary>Makes one directory below one that is there.</summary>
    protected abstract void MakeOne(string path);

    /// <summary>Opens what is no link.</summary>
    protected abstract SafeFileHandle? Open(string path, bool isWrite);

    /// <summary>Makes a file where nothing is.</summary>
    protected abstract SafeFileHandle Create(string path);

    public abstract void Dispose();

    /// <summary>Null when nothing is there.</summary>
    public abstract FolderEntry? Look(string path);

    /// <summary>As <see cref="Look"/>, by the file APIs.</summary>
    protected static FolderEntry? LookAt(string? access)
    {
        if (access is null)
            return null;
        var info = new FileInfo(access);
        if (info.Attributes == (FileAttributes)(-1))
            return null;
        if (info.Attributes.HasFlag(FileAttributes.ReparsePoint) && info.LinkTarget is { } target)
            return new FolderEntry(TreeKind.Link, 0, 0, target);
        var mode = OperatingSystem.IsWindows() ? 0 : (int)info.UnixFileMode;
        return info.Attributes.HasFlag(FileAttributes.Directory) ? new FolderEntry(TreeKind.Directory, 0, mode, null) : new FolderEntry(TreeKind.File, info.Length, mode, null, info.Length);
    }

    /// <summary>Null where there is no file: nothing, a directory, a link, or what cannot be read at a place, as a pipe.</summary>
    public SafeFileHandle? OpenRead(string path)
    {
        var handle = OpenAnyway(path);
        if (handle is null || IsFile(handle))
            return handle;
        handle.Dispose();
        return null;
    }

    /// <summary>Whether opening a file failed by the file: its mode, its owner or a bad sector. A process without handles learns nothing about it.</summary>
    public static bool IsClosed(Exception cause) =>
        cause is UnauthorizedAccessException || cause is IOException { HResult: LocalErrors.AccessDenied or LocalErrors.InputOutput };

    /// <summary>Opens a file, and makes it and the directories above it where they lack.</summary>
    public SafeFileHandle OpenWrite(string path)
    {
        if (Look(path) is { } there)
        {
            // Published modes may forbid their owner to read or write; they are set again in the end.
            if (there.Kind == TreeKind.File && (there.Mode & OwnerUses) != OwnerUses)
                SetMode(path, there, there.Mode | OwnerUses);
            try
            {
                if (there.Kind == TreeKind.File && Open(path, isWrite: true) is { } handle)
                {
                    if (IsFile(handle))
                        return handle;
                    handle.Dispose();
                }
            }
            catch (Exception e) when (IsClosed(e))
            {
                // Its name leads to another file from now on.
                Remove(path);
                return Create(path);
            }
            Remove(path);
        }
        MakeParents(path);
        return Create(path);
    }

    public void MakeDirectory(string path)
    {
        if (Look(path) is { } there)
        {
            if (there.Kind == TreeKind.Directory)
                return;
            Remove(path);
        }
        MakeParents(path);
        MakeOne(path);
    }

    public void MakeLink(string path, string target)
    {
        if (Look(path) is { } there)
        {
            if (there.Kind == TreeKind.Link && there.Target == target)
                return;
            Remove(path);
        }
        MakeParents(path);
        File.CreateSymbolicLink(AccessOf(path)!, target);
    }

    /// <summary>Sets the permission bits of a file or directory; no effect on Windows.</summary>
    public void SetMode(string path, int mode)
    {
        if (Look(path) is { } there)
            SetMode(path, there, mode);
    }

    /// <summary>As the other, of an entry that was just looked at.</summary>
    public void SetMode(string path, FolderEntry there, int mode)
    {
        if (!OperatingSystem.IsWindows() && there.Kind != TreeKind.Link && there.Mode != mode)
            File.SetUnixFileMode(AccessOf(path)!, (UnixFileMode)mode);
    }

    /// <summary>Removes what is there, with all that is in it; a link as itself.</summary>
    public void Remove(string path)
    {
        // First: what is open may lie in what goes, and the path below stands for the directory that is open then.
        Forget();
        if (Look(path) is not { } there)
            return;
        var access = AccessOf(path)!;
        if (there.Kind == TreeKind.Directory)
        {
            MakeRemovable(access);
            System.IO.Directory.Delete(access, recursive: true);
        }
        else
            File.Delete(access);
    }

    /// <summary>Names and kinds in one directory; nothing where there is none.</summary>
    /// <param name="path">Empty for the folder itself.</param>
    public IReadOnlyList<(string Path, bool IsDirectory)> List(string path)
    {
        if (path.Length > 0 && Look(path) is not { Kind: TreeKind.Directory })
            return [];
        var access = path.Length == 0 ? Path.GetDirectoryName(AccessOf("x"))! : AccessOf(path)!;
        return [.. new FileSystemEnumerable<(string, bool)>(access, (ref FileSystemEntry entry) =>
            // Only a directory is worth another look: whether it is a link to one.
            (path.Length == 0 ? entry.FileName.ToString() : $"{path}/{entry.FileName}", entry.IsDirectory && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint)),
            new EnumerationOptions { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false, ReturnSpecialDirectories = false })];
    }

    /// <summary>Room that all files take; what cannot be looked at is not counted.</summary>
    public long AllocatedBytes()
    {
        var bytes = 0L;
        var open = new Stack<string>([""]);
        while (open.TryPop(out var directory))
        {
            try
            {
                foreach (var (path, isDirectory) in List(directory))
                {
                    if (isDirectory)
                        open.Push(path);
                    else if (Look(path) is { } file)
                        bytes += file.AllocatedBytes;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }
        }
        return bytes;
    }

    /// <summary>Lets its owner write in every directory, whatever was published: the modes are set again in the end.</summary>
    public void MakeWritable() => MakeRemovable(Path.GetDirectoryName(AccessOf("x"))!);

    /// <summary>Lets go of what was opened on the way to an entry.</summary>
    protected virtual void Forget()
    {
    }

    protected static string ParentOf(string path) => path.LastIndexOf('/') is > 0 and var cut ? path[..cut] : "";

    protected static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    /// <summary>A published mode may forbid its owner to read: it is another for as long as the file is opened.</summary>
    private SafeFileHandle? OpenAnyway(string path)
    {
        try
        {
            return Open(path, isWrite: false);
        }
        catch (Exception e) when (IsClosed(e) && Look(path) is { Kind: TreeKind.File } closed && (closed.Mode & OwnerReads) == 0)
        {
            SetMode(path, closed, closed.Mode | OwnerReads);
            try
            {
                return Open(path, isWrite: false);
            }
            finally
            {
                SetMode(path, closed.Mode);
            }
        }
    }

    private void MakeParents(string path)
    {
        if (ParentOf(path) is { Length: > 0 } parent && AccessOf(path) is null)
            MakeDirectory(parent);
    }

    /// <summary>Published modes may forbid their owner to remove what is in a directory.</summary>
    /// <exception cref="IOException">Something is mounted there: a program has left it, and it is the machine's own. Nothing was touched.</exception>
    private static void MakeRemovable(string directory)
    {
        if (OperatingSystem.IsWindows())
            return;
        ThrowIfMounted(directory);
        var open = new Stack<string>([directory]);
        while (open.TryPop(out var next))
        {
            const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            if ((File.GetUnixFileMode(next) & Owner) != Owner)
                File.SetUnixFileMode(next, Owner);
            foreach (var below in new DirectoryInfo(next).EnumerateDirectories("*", new EnumerationOptions { AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false }))
                open.Push(below.FullName);
        }
    }

    /// <summary>A chroot that a program has made in its directory holds the machine's own <c>/dev</c> or <c>/home</c>: links are not followed, and mounts are no links.</summary>
    private static void ThrowIfMounted(string directory)
    {
        const string Table = "/proc/self/mountinfo", Handles = "/proc/self/fd/";
        if (!File.Exists(Table))
            return;
        var real = Path.GetFullPath(directory);
        if (real.StartsWith(Handles, StringComparison.Ordinal))
        {
            var end = real.IndexOf('/', Handles.Length);
            var handle = end < 0 ? real : real[..end];
            real = (new FileInfo(handle).LinkTarget ?? throw new IOException($"{handle} is not open any more")) + (end < 0 ? "" : real[end..]);
        }
        if (MountInfo.Parse(File.ReadAllText(Table)).FirstOrDefault(mount => mount.MountPoint == real || mount.MountPoint.StartsWith(real + "/", StringComparison.Ordinal)) is { } found)
            throw new IOException($"something is mounted at {found.MountPoint}, in the content of a package, so nothing there is touched: umount {found.MountPoint}");
    }

    private static bool IsFile(SafeFileHandle handle)
    {
        try
        {
            _ = RandomAccess.GetLength(handle);
            return !File.GetAttributes(handle).HasFlag(FileAttributes.Directory);
        }
        catch (NotSupportedException)
        {
            // A pipe, a socket, a device.
            return false;
        }
    }
}

/// <summary>Resolution by the kernel: beneath the folder and without links.</summary>
internal sealed class LinuxVersionFolder : VersionFolder
{
    private readonly SafeFileHandle _root;
    private string _near = "";
    private SafeFileHandle? _nearby;

    public LinuxVersionFolder(string directory) : base(directory) =>
        _root = LinuxCalls.OpenRoot(directory, out var error)
            ?? throw (error == LocalErrors.NoEntry ? new DirectoryNotFoundException($"{directory} is not there") : LocalErrors.Of(error, directory));

    public override FolderEntry? Look(string path)
    {
        if (Enter(ParentOf(path)) is not { } parent)
            return null;
        var error = LinuxCalls.Look(parent, NameOf(path), out var facts);
        return error switch
        {
            LocalErrors.NoEntry or LocalErrors.NotDirectory => null,
            not 0 => throw LocalErrors.Of(error, Path.Combine(Directory, path)),
            _ when facts.IsLink => LookAt(AccessOf(path)),
            _ when facts.IsDirectory => new FolderEntry(TreeKind.Directory, 0, facts.Permissions, null),
            _ => new FolderEntry(TreeKind.File, facts.SizeBytes, facts.Permissions, null, Math.Min(facts.SizeBytes, facts.AllocatedBytes)),
        };
    }

    protected override string? AccessOf(string path) =>
        Enter(ParentOf(path)) is { } parent ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{parent.DangerousGetHandle()}/{NameOf(path)}") : null;

    protected override void MakeOne(string path)
    {
        var error = LinuxCalls.MakeDirectory(Enter(ParentOf(path))!, NameOf(path));
        if (error != 0)
            throw LocalErrors.Of(error, Path.Combine(Directory, path));
    }

    protected override SafeFileHandle? Open(string path, bool isWrite) =>
        Enter(ParentOf(path)) is not { } parent ? null
        : LinuxCalls.OpenBeneath(parent, NameOf(path), (isWrite ? LinuxCalls.ReadWrite : LinuxCalls.ReadOnly) | LinuxCalls.NonBlocking, out var error)
            ?? (error is LocalErrors.NoEntry or LocalErrors.Loop or LocalErrors.IsDirectory or LocalErrors.NotDirectory or NoDevice ? null : throw LocalErrors.Of(error, Path.Combine(Directory, path)));

    protected override SafeFileHandle Create(string path) =>
        LinuxCalls.OpenBeneath(Enter(ParentOf(path))!, NameOf(path), LinuxCalls.ReadWriteNew, out var error) ?? throw LocalErrors.Of(error, Path.Combine(Directory, path));

    protected override void Forget()
    {
        _nearby?.Dispose();
        (_near, _nearby) = ("", null);
    }

    public override void Dispose()
    {
        Forget();
        _root.Dispose();
    }

    /// <summary>ENXIO: a pipe without a reader, or a socket.</summary>
    private const int NoDevice = 6;

    /// <summary>The directory, kept until another is entered; null where it, or one above it, is none.</summary>
    private SafeFileHandle? Enter(string directory)
    {
        if (directory.Length == 0)
            return _root;
        if (_nearby is not null && _near == directory)
            return _nearby;
        Forget();
        _nearby = LinuxCalls.OpenBeneath(_root, directory, LinuxCalls.PathOnly | LinuxCalls.DirectoryOnly, out var error);
        if (_nearby is null && error is not (LocalErrors.NoEntry or LocalErrors.NotDirectory or LocalErrors.Loop))
            throw LocalErrors.Of(error, Path.Combine(Directory, directory));
        _near = directory;
        return _nearby;
    }
}

/// <summary>Resolution by looking at each component first, where the kernel has no call for it: the folder is the client's own, and whoever else writes there must be trusted.</summary>
internal sealed class PortableVersionFolder : VersionFolder
{
    public PortableVersionFolder(string directory) : base(directory)
    {
        if (!System.IO.Directory.Exists(directory))
            throw new DirectoryNotFoundException($"{directory} is not there");
    }

    public override FolderEntry? Look(string path) => LookAt(AccessOf(path));

    protected override string? AccessOf(string path)
    {
        for (var above = ParentOf(path); above.Length > 0; above = ParentOf(above))
        {
            var info = new FileInfo(Native(above));
            if (info.Attributes == (FileAttributes)(-1) || info.LinkTarget is not null || !info.Attributes.HasFlag(FileAttributes.Directory))
                return null;
        }
        return Native(path);
    }

    protected override void MakeOne(string path) => System.IO.Directory.CreateDirectory(Native(path));

    protected override SafeFileHandle? Open(string path, bool isWrite) => Look(path) is { Kind: TreeKind.File }
        ? File.OpenHandle(Native(path), FileMode.Open, isWrite ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete)
        : null;

    protected override SafeFileHandle Create(string path) => File.OpenHandle(Native(path), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);

    public override void Dispose()
    {
    }

    private string Native(string path) => Path.Combine(Directory, path.Replace('/', Path.DirectorySeparatorChar));
}
