using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>Starting, awaiting and ending processes as the base library does not: in a group of their own, with exactly the given environment, and whoever's children they become. Linux.</summary>
internal static unsafe partial class ProgramCalls
{
    public const int Terminate = 15, Kill = 9;

    private const int NoChild = 10;                 // ECHILD
    private const int Interrupted = 4;              // EINTR
    private const int ChildSubreaper = 36;          // PR_SET_CHILD_SUBREAPER
    private const int ReadOnly = 0;
    private const int SetFlagsOfFile = 2, CloseOnStart = 1; // F_SETFD, FD_CLOEXEC
    private const short OwnGroup = 0x02, DefaultSignals = 0x04, SignalMask = 0x08;

    /// <summary>More than any C library needs for <c>posix_spawnattr_t</c>, <c>posix_spawn_file_actions_t</c> or <c>sigset_t</c>.</summary>
    private const int Ample = 1_024;

    /// <summary>Becomes the leader of a session without a terminal, if it is none yet.</summary>
    /// <returns>Whether it is one now.</returns>
    public static bool OwnSession()
    {
        _ = SetSession();
        return GetSession(0) == System.Environment.ProcessId;
    }

    /// <summary>What loses its parent below this process becomes its own child, and so can be awaited and ended.</summary>
    public static void AdoptOrphans()
    {
        if (ProcessControl(ChildSubreaper, 1, 0, 0, 0) != 0)
            throw new IOException($"this system does not let a process adopt orphans: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>No program that is started from now on gets an open file beyond input, output and errors.</summary>
    public static void KeepFilesToOneself()
    {
        foreach (var name in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(name.AsSpan()), out var descriptor) && descriptor > 2)
                _ = ControlFile(descriptor, SetFlagsOfFile, CloseOnStart);
        }
    }

    /// <summary>Starts a program in a process group of its own, with every signal as by default, input from <c>/dev/null</c>, output and errors into a pipe.</summary>
    /// <param name="output">The pipe's end for writing.</param>
    /// <param name="id">Of the process, and of its group.</param>
    /// <returns>0, or the error of the operating system.</returns>
    public static int Start(string executable, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, string directory, SafeHandle output, out int id)
    {
        byte* actions = stackalloc byte[Ample], attributes = stackalloc byte[Ample], none = stackalloc byte[Ample], all = stackalloc byte[Ample];
        var words = Strings([executable, .. arguments]);
        var variables = Strings([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);
        id = 0;
        var added = false;
        var error = InitActions(actions);
        if (error != 0)
            return error;
        error = InitAttributes(attributes);
        try
        {
            output.DangerousAddRef(ref added);
            var pipe = (int)output.DangerousGetHandle();
            _ = EmptySet(none);
            _ = FillSet(all);
            if (error == 0)
                error = SetFlags(attributes, OwnGroup | DefaultSignals | SignalMask);
            if (error == 0)
                error = SetGroup(attributes, 0);
            if (error == 0)
                error = SetDefault(attributes, all);
            if (error == 0)
                error = SetMask(attributes, none);
            if (error == 0)
                error = AddDirectory(actions, directory);
            if (error == 0)
                error = AddOpen(actions, 0, "/dev/null", ReadOnly, 0);
            if (error == 0)
                error = AddDuplicate(actions, pipe, 1);
            if (error == 0)
                error = AddDuplicate(actions, pipe, 2);
            return error != 0 ? error : Spawn(out id, executable, actions, attributes, words, variables);
        }
        finally
        {
            if (added)
                output.DangerousRelease();
            Free(words);
            Free(variables);
            _ = DestroyAttributes(attributes);
            _ = DestroyActions(actions);
        }
    }

    /// <summary>Waits with the calling thread until a child ends, any.</summary>
    /// <param name="code">Its exit code; 128 and the number for one that a signal ended.</param>
    /// <returns>Its process id; 0 when there is no child left.</returns>
    public static int WaitForAny(out int code)
    {
        while (true)
        {
            var id = WaitProcess(-1, out var status, 0);
            if (id > 0)
            {
                var signal = status & 0x7F;
                code = signal == 0 ? (status >> 8) & 0xFF : 128 + signal;
                return id;
            }
            var error = Marshal.GetLastPInvokeError();
            if (error == Interrupted)
                continue;
            code = 0;
            return error == NoChild ? 0 : throw new IOException($"children cannot be awaited: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    /// <summary>Sends a signal to a process, or to a group by its negative number; one that is gone is no error.</summary>
    public static void Signal(int process, int signal) => _ = SendSignal(process, signal);

    private static byte** Strings(IReadOnlyList<string> texts)
    {
        var list = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Count; i++)
            list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        return list;
    }

    private static void Free(byte** list)
    {
        for (var text = list; *text is not null; text++)
            Marshal.FreeCoTaskMem((nint)(*text));
        NativeMemory.Free(list);
    }

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetSession();

    [LibraryImport("libc", EntryPoint = "getsid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetSession(int process);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ProcessControl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ControlFile(int descriptor, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int WaitProcess(int process, out int status, int options);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendSignal(int process, int signal);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EmptySet(byte* set);

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FillSet(byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int InitActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addchdir_np", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AddDirectory(byte* actions, string directory);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AddOpen(byte* actions, int descriptor, string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AddDuplicate(byte* actions, int descriptor, int copy);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int InitAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setpgroup")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetGroup(byte* attributes, int group);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetDefault(byte* attributes, byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetMask(byte* attributes, byte* set);

    [LibraryImport("libc", EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Spawn(out int id, string path, byte* actions, byte* attributes, byte** words, byte** variables);
}
