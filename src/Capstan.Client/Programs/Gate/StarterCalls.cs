using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Programs.Gate;

/// <summary>What a process does to itself before it becomes a program: its open files, its signals, its user. Linux.</summary>
/// <remarks>The user is changed by the C library's own calls: in all threads, so that none with the rights of root is left beside the one that executes the program.</remarks>
internal static unsafe partial class StarterCalls
{
    private const int DuplicateAbove = 1_030;           // F_DUPFD_CLOEXEC
    private const int ReadOnly = 0;
    private const int LastUsualSignal = 31;
    private const uint Same = uint.MaxValue;
    private const int SetSignalMask = 2;                // SIG_SETMASK
    private const uint CapabilityVersion = 0x20080522;  // _LINUX_CAPABILITY_VERSION_3
    private const nint JoinSessionKeyring = 1;

    private static readonly (nint KeyControl, nint SetCapabilities)? s_numbers = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => (250, 126),
        Architecture.Arm64 => (219, 91),
        _ => null,
    };

    /// <summary>The same open file once more, which no program inherits.</summary>
    /// <exception cref="IOException">It is not open, or there are too many.</exception>
    public static SafeFileHandle Duplicate(int file)
    {
        var copy = new SafeFileHandle(ControlFile(file, DuplicateAbove, 3), ownsHandle: true);
        return copy.IsInvalid ? throw Failure($"file {file} cannot be opened once more") : copy;
    }

    /// <summary>Makes one open file the same as another; it is inherited.</summary>
    public static void Replace(int by, int replaced)
    {
        if (DuplicateTo(by, replaced) < 0)
            throw Failure($"file {replaced} cannot be replaced");
    }

    public static void InputFromNothing()
    {
        var nothing = OpenPath("/dev/null", ReadOnly);
        if (nothing < 0)
            throw Failure("/dev/null cannot be opened");
        if (nothing == 0)
            return;
        Replace(nothing, 0);
        _ = Close(nothing);
    }

    /// <summary>Without a stream, which may want more of the runtime than a user may read.</summary>
    public static void Write(SafeHandle file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
            _ = WriteTo(file, start, (nuint)bytes.Length);
    }

    /// <summary>Each as by default, and none held up: the runtime of this process ignores some. The C library has those above for itself.</summary>
    public static void UsualSignals()
    {
        for (var signal = 1; signal <= LastUsualSignal; signal++)
            _ = SetSignal(signal, 0);
        // As large as any sigset_t; empty.
        byte* none = stackalloc byte[1_024];
        new Span<byte>(none, 1_024).Clear();
        _ = SetMask(SetSignalMask, none, null);
    }

    /// <summary>Becomes a user for good: groups, capabilities and keys as well.</summary>
    /// <returns>Null when it is nobody else now; otherwise why not.</returns>
    public static string? Become(UserAccount user)
    {
        var groups = user.Groups.ToArray();
        fixed (uint* list = groups)
        {
            if (SetGroups((nuint)groups.Length, list) != 0 || SetGroup(user.Group, user.Group, user.Group) != 0 || SetUser(user.Id, user.Id, user.Id) != 0)
                return $"nothing can be run as {user.Name}: {Marshal.GetLastPInvokeErrorMessage()}; the client must run as root";
        }
        if (s_numbers is { } numbers)
        {
            // Those that are inherited stay when a user changes; with them the ambient ones go.
            uint* header = stackalloc uint[] { CapabilityVersion, 0 };
            uint* none = stackalloc uint[6];
            new Span<uint>(none, 6).Clear();
            if (Call(numbers.SetCapabilities, (nint)header, (nint)none) != 0)
                return $"the capabilities of root cannot be given up: {Marshal.GetLastPInvokeErrorMessage()}";
            // Keys that root has in its session are not the user's. Where a sandbox forbids the call, nobody in it has keys.
            _ = Call(numbers.KeyControl, JoinSessionKeyring, 0);
        }
        return Is(user, groups) ? null : $"this system does not let root become {user.Name} for good";
    }

    private static bool Is(UserAccount user, uint[] groups)
    {
        if (GetUser(out var real, out var effective, out var saved) != 0 || (real, effective, saved) != (user.Id, user.Id, user.Id)
            || GetGroup(out real, out effective, out saved) != 0 || (real, effective, saved) != (user.Group, user.Group, user.Group))
            return false;
        var has = new uint[Math.Max(1, GetGroups(0, null))];
        int count;
        fixed (uint* list = has)
            count = GetGroups(has.Length, list);
        return count >= 0 && has.Take(count).ToHashSet().SetEquals(groups) && (user.Id == 0 || SetUser(Same, 0, Same) != 0);
    }

    private static IOException Failure(string what) => new($"{what}: {Marshal.GetLastPInvokeErrorMessage()}");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Call(nint number, nint a, nint b);

    [LibraryImport("libc", EntryPoint = "setgroups", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetGroups(nuint count, uint* groups);

    [LibraryImport("libc", EntryPoint = "getgroups", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetGroups(int count, uint* groups);

    [LibraryImport("libc", EntryPoint = "setresgid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetGroup(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "setresuid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetUser(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "getresgid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetGroup(out uint real, out uint effective, out uint saved);

    [LibraryImport("libc", EntryPoint = "getresuid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetUser(out uint real, out uint effective, out uint saved);

    [LibraryImport("libc", EntryPoint = "signal", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SetSignal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetMask(int how, byte* set, byte* old);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ControlFile(int descriptor, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DuplicateTo(int descriptor, int copy);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenPath(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint WriteTo(SafeHandle descriptor, byte* bytes, nuint count);
}
