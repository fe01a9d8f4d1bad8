using System.Runtime.InteropServices;
using Capstan.Nal.Providers.Local;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Programs.Gate;

/// <summary>What one thread has and hands on to the program that it executes: a working directory, a mask, a priority, a view of the file systems. Linux.</summary>
/// <remarks>Directory and mask are the whole process's, unless the thread has mounts of its own. Each returns 0, or the error of the operating system.</remarks>
internal static unsafe partial class ThreadCalls
{
    public const int AccessDenied = 13;                                                 // EACCES
    public const ulong ReadOnly = 1, NoSetUser = 2, NoDevices = 4, Remount = 32, Bind = 4_096, Recursive = 16_384, Slave = 1 << 19;

    private const ulong NoPrograms = 8, NoAccessTime = 1_024, NoDirectoryAccessTime = 2_048, RelativeAccessTime = 1 << 21;

    private const int NoSuchCall = 38;                                                  // ENOSYS
    private const int SharesNoMounts = 0x20000;                                         // CLONE_NEWNS
    private const int CloseOnExec = 0x80000;                                            // O_CLOEXEC
    private const nint Same = -1;

    private static readonly (nint SetGroups, nint SetUser, nint SetGroup)? s_numbers = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => (116, 117, 119),
        Architecture.Arm64 => (159, 147, 149),
        _ => null,
    };

    /// <summary>Mounts of its own: what is mounted from now on is seen by this thread and what it starts; what the machine mounts and unmounts is seen here, too.</summary>
    public static int OwnMounts()
    {
        var error = Result(Unshare(SharesNoMounts));
        return error != 0 ? error : Mount(null, "/", null, Recursive | Slave, null);
    }

    public static int Mount(string? source, string target, string? type, ulong flags, string? options) => Result(MountAt(source, target, type, (nuint)flags, options));

    /// <summary>What a mount allows, as flags of another one of the same.</summary>
    public static int FlagsOf(string directory, out ulong flags)
    {
        // struct statvfs, f_flag: the same place in glibc and musl on 64-bit processors. The lower flags have the numbers of mount(2).
        ulong* facts = stackalloc ulong[64];
        var error = Result(FileSystemOf(directory, facts));
        flags = error != 0 ? 0 : (facts[9] & (ReadOnly | NoSetUser | NoDevices | NoPrograms | NoAccessTime | NoDirectoryAccessTime)) | ((facts[9] & 4_096) != 0 ? RelativeAccessTime : 0);
        return error;
    }

    public static int Enter(string directory) => Result(ChangeDirectory(directory));

    /// <summary>A directory as it is at a path now, links followed; it stays the same whatever is mounted there later.</summary>
    /// <exception cref="IOException">It is not there, or is none.</exception>
    public static SafeFileHandle Open(string directory)
    {
        var handle = new SafeFileHandle(OpenPath(directory, LinuxCalls.PathOnly | LinuxCalls.DirectoryOnly | CloseOnExec), ownsHandle: true);
        return handle.IsInvalid ? throw LocalErrors.Of(Marshal.GetLastPInvokeError(), directory) : handle;
    }

    /// <summary>022: what is made can be read by all, as in a login of root.</summary>
    public static void UsualMask() => _ = Mask(0b010_010);

    /// <summary>That of a login, where it may be had: a client that is nice to people at work starts no nice programs.</summary>
    public static void UsualPriority() => _ = SetPriority(0, 0, 0);

    /// <summary>Becomes a user for as long as <paramref name="look"/> takes, for asking the kernel what the user may; by the kernel's own calls, which change one thread, and not who may signal it.</summary>
    public static int As(UserAccount user, Action look)
    {
        if (s_numbers is not { } numbers)
            return NoSuchCall;
        var (group, own) = (EffectiveGroup(), EffectiveUser());
        var error = SetGroups(user);
        if (error == 0)
            error = Result(Call(numbers.SetGroup, Same, (nint)user.Group, Same));
        if (error == 0)
            error = Result(Call(numbers.SetUser, Same, (nint)user.Id, Same));
        if (error != 0)
            return error;
        try
        {
            look();
        }
        finally
        {
            error = Result(Call(numbers.SetUser, Same, (nint)own, Same));
            if (error == 0)
                error = Result(Call(numbers.SetGroup, Same, (nint)group, Same));
        }
        return error;
    }

    private static int SetGroups(UserAccount user)
    {
        fixed (uint* groups = user.Groups.ToArray())
            return Result(Call(s_numbers!.Value.SetGroups, user.Groups.Count, (nint)groups, 0));
    }

    private static int Result(nint returned) => returned < 0 ? Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "getegid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint EffectiveGroup();

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Call(nint number, nint a, nint b, nint c);

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unshare(int what);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MountAt(string? source, string target, string? type, nuint flags, string? options);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FileSystemOf(string path, ulong* facts);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeDirectory(string path);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenPath(string path, int flags);

    [LibraryImport("libc", EntryPoint = "umask")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint Mask(uint mask);

    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetPriority(int which, uint who, int priority);
}
