using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Providers.Local;

/// <summary>The system calls of Linux that the base library lacks: resolving a path that can neither leave a directory nor pass through a link.</summary>
internal static partial class LinuxCalls
{
    public const int ReadOnly = 0;
    public const int ReadWrite = 0x2;
    public const int WriteNew = 0x1 | Create | 0x80;    // O_WRONLY | O_CREAT | O_EXCL
    public const int ReadWriteNew = 0x2 | Create | 0x80;
    public const int NonBlocking = 0x800 | 0x100;       // O_NONBLOCK | O_NOCTTY: opening a FIFO must not wait for its other end
    public const int PathOnly = 0x200000;               // O_PATH
    public static readonly int DirectoryOnly =          // O_DIRECTORY is one of the few flags that differ by processor
        RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Ppc64le ? 0x4000 : 0x10000;

    /// <summary>Of statx, for which glibc has a name since 2.28 only.</summary>
    public static readonly nint StatxNumber = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 332 : 291;

    private const int Create = 0x40;
    private const int CloseOnExec = 0x80000;
    private const int WorkingDirectory = -100;
    private const int OpenAt2Number = 437;              // the same on every processor
    private const ulong BeneathWithoutLinks = 0x8 | 0x4 | 0x2;  // RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    private const uint NewFileMode = 0x1B6;             // 0666, less the umask

    /// <summary>False on kernels before 5.6, in sandboxes that forbid the call, and where /proc is not mounted.</summary>
    public static readonly bool CanResolveBeneath = Probe();

    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>Some of what statx(2) tells, whose form is the same on every processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct EntryFacts
    {
        [FieldOffset(28)]
        public ushort Mode;

        /// <summary>Apparent length.</summary>
        [FieldOffset(40)]
        public long SizeBytes;

        [FieldOffset(48)]
        public long Blocks;

        /// <summary>Room that it takes: less than its length where it has holes.</summary>
        public readonly long AllocatedBytes => Blocks * 512;

        public readonly int Permissions => Mode & 0x1FF;

        public readonly bool IsDirectory => (Mode & 0xF000) == 0x4000;

        public readonly bool IsLink => (Mode & 0xF000) == 0xA000;
    }

    /// <summary>Opens <paramref name="path"/> below <paramref name="directory"/>; no component may be a link.</summary>
    /// <returns>Null with the error number when it cannot be opened.</returns>
    public static SafeFileHandle? OpenBeneath(SafeFileHandle directory, string path, int flags, out int error)
    {
        var added = false;
        try
        {
            directory.DangerousAddRef(ref added);
            return Open((int)directory.DangerousGetHandle(), path, flags, BeneathWithoutLinks, out error);
        }
        finally
        {
            if (added)
                directory.DangerousRelease();
        }
    }

    /// <summary>Opens an absolute directory for resolving below it; links on the way to it are followed: whoever configured the path chose them.</summary>
    public static SafeFileHandle? OpenRoot(string path, out int error) => Open(WorkingDirectory, path, PathOnly | DirectoryOnly, resolve: 0, out error);

    /// <summary>Creates a directory below an open one.</summary>
    /// <returns>0, or the error number.</returns>
    public static int MakeDirectory(SafeFileHandle directory, string name) => MkDirAt(directory, name, 0x1FF) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Deletes an entry of an open directory; a link is deleted itself, never what it points to.</summary>
    /// <returns>0, or the error number.</returns>
    public static int Unlink(SafeFileHandle directory, string name, bool isDirectory) =>
        UnlinkAt(directory, name, isDirectory ? 0x200 : 0) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Facts about an entry of an open directory; of a link itself.</summary>
    /// <returns>0, or the error number.</returns>
    public static int Look(SafeFileHandle directory, string name, out EntryFacts facts)
    {
        const int NoFollow = 0x100;
        const uint TypeModeSizeBlocks = 0x1 | 0x2 | 0x200 | 0x400;
        return StatX(StatxNumber, directory, name, NoFollow, TypeModeSizeBlocks, out facts) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    private static SafeFileHandle? Open(int directory, string path, int flags, ulong resolve, out int error)
    {
        var how = new OpenHow
        {
            Flags = (ulong)(flags | CloseOnExec),
            Mode = (flags & Create) != 0 ? NewFileMode : 0,
            Resolve = resolve,
        };
        var descriptor = OpenAt2(OpenAt2Number, directory, path, in how, Marshal.SizeOf<OpenHow>());
        error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static bool Probe()
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess)
            return false;
        using var root = OpenRoot("/", out _);
        return root is not null && Directory.Exists($"/proc/self/fd/{root.DangerousGetHandle()}");
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenAt2(nint number, nint directory, string path, in OpenHow how, nint size);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkDirAt(SafeFileHandle directory, string name, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnlinkAt(SafeFileHandle directory, string name, int flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint StatX(nint number, SafeFileHandle directory, string name, nint flags, nuint mask, out EntryFacts facts);
}
