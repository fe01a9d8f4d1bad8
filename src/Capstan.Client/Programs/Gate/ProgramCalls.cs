using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>Starting, awaiting and ending processes as the base library does not: in a group of their own, with exactly the given environment, and whoever's children they become. Linux.</summary>
internal static unsafe partial class ProgramCalls
{
    public const int Terminate = 15, Kill = 9, Stop = 19;

    private const int NoChild = 10;                 // ECHILD
    private const int Interrupted = 4;              // EINTR
    private const int ChildSubreaper = 36;          // PR_SET_CHILD_SUBREAPER
    private const int ChildEnded = 17;              // SIGCHLD
    private const int AllChildren = 0;              // P_ALL
    private const int Ended = 4, Leave = 0x0100_0000;   // WEXITED, WNOWAIT
    private const int InformationBytes = 128, ProcessAt = 16;   // siginfo_t, si_pid: the same in glibc and musl on 64-bit processors
    private const nint Ignored = 1;                 // SIG_IGN
    private const int OpenFiles = 7;                // RLIMIT_NOFILE
    private const ulong UsualOpenFiles = 1_024;
    private const int SinceStart = 7, AwakeSinceStart = 1;  // CLOCK_BOOTTIME, CLOCK_MONOTONIC
    private const int ReadOnly = 0;
    private const int SetFlagsOfFile = 2, CloseOnStart = 1; // F_SETFD, FD_CLOEXEC
    private const short OwnGroup = 0x02, DefaultSignals = 0x04, SignalMask = 0x08, NewSession = 0x80;

    /// <summary>More than any C library needs for <c>posix_spawnattr_t</c>, <c>posix_spawn_file_actions_t</c> or <c>sigset_t</c>.</summary>
    private const int Ample = 1_024;

    /// <summary>The lowest is -1000, of what is never ended: a group without anybody to be ended would hang.</summary>
    private static ReadOnlySpan<byte> LastToEnd => "-999"u8;

    /// <summary>HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM, STKFLT, XCPU, XFSZ, VTALRM, PROF, IO, PWR: the same numbers on x86-64 and arm64. Beyond 31 the runtime has one for itself.</summary>
    private static readonly int[] s_asking = [1, 2, 3, 10, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30];

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

    /// <summary>Undoes what this process may have been given by whoever started it, or by its own runtime: ends of children that nobody awaits, a limit of open files that old programs go through one by one.</summary>
    public static void UsualProcess()
    {
        _ = SetSignal(ChildEnded, 0);
        if (GetLimit(OpenFiles, out var limit) == 0 && limit.Current > UsualOpenFiles)
            _ = SetLimit(OpenFiles, limit with { Current = UsualOpenFiles });
    }

    /// <summary>From now on nothing but a kill, a stop or a fault of its own ends or stops this process. What it starts has every signal as by default.</summary>
    /// <remarks>By the kernel, not by handlers: those of the runtime need a thread, and there may be none to have. A file that becomes longer than this process may make it is an error of the write, then.</remarks>
    public static void Stay()
    {
        foreach (var signal in s_asking)
            _ = SetSignal(signal, Ignored);
    }

    /// <summary>A kernel that ends processes for lack of memory ends others before this one, as far as it may ask for that; what it has started before is as it was.</summary>
    /// <remarks>A gate is a few dozen megabytes, mostly mapped files, and so more than each of many small processes that a program may begin: it would be the first to go.</remarks>
    public static void OutliveOthers()
    {
        try
        {
            using var score = new FileStream("/proc/self/oom_score_adj", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            score.Write(LastToEnd);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // This takes CAP_SYS_RESOURCE, which containers and users do not have: it takes its chance with the others.
            return;
        }
    }

    /// <summary>How long this machine has run, sleep included: the clock by which the starts of processes are told.</summary>
    public static TimeSpan Uptime() => Read(SinceStart);

    /// <summary>As that, without sleep: the clock by which this program waits.</summary>
    public static TimeSpan Awake() => Read(AwakeSinceStart);

    private static TimeSpan Read(int clock) => ReadClock(clock, out var time) == 0
        ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1_000)
        : throw new IOException($"this system does not tell how long it has run: {Marshal.GetLastPInvokeErrorMessage()}");

    /// <summary>Gives an open file another owner.</summary>
    public static void GiveTo(uint user, int file)
    {
        if (ChangeOwner(file, user, uint.MaxValue) != 0)
            throw new IOException($"a pipe cannot be given to user {user}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Starts a program with every signal as by default, where the calling thread is.</summary>
    /// <param name="input">What it reads; null for <c>/dev/null</c>.</param>
    /// <param name="output">What it has as its output.</param>
    /// <param name="errors">What it has for errors; the same will do.</param>
    /// <param name="isApart">In a session of its own, not only in a process group of its own.</param>
    /// <param name="id">Of the process, and of its group.</param>
    /// <returns>0, or the error of the operating system.</returns>
    public static int Start(string executable, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, SafeHandle? input, SafeHandle output, SafeHandle errors, bool isApart, out int id)
    {
        byte* actions = stackalloc byte[Ample], attributes = stackalloc byte[Ample], none = stackalloc byte[Ample], all = stackalloc byte[Ample];
        var words = Strings([executable, .. arguments]);
        var variables = Strings([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);
        id = 0;
        bool holdsInput = false, holdsOutput = false, holdsErrors = false;
        var error = InitActions(actions);
        if (error != 0)
            return error;
        error = InitAttributes(attributes);
        try
        {
            input?.DangerousAddRef(ref holdsInput);
            output.DangerousAddRef(ref holdsOutput);
            errors.DangerousAddRef(ref holdsErrors);
            _ = EmptySet(none);
            _ = FillSet(all);
            if (error == 0)
                error = SetFlags(attributes, (short)((isApart ? NewSession : OwnGroup) | DefaultSignals | SignalMask));
            if (error == 0)
                error = SetGroup(attributes, 0);
            if (error == 0)
                error = SetDefault(attributes, all);
            if (error == 0)
                error = SetMask(attributes, none);
            if (error == 0)
                error = input is null ? AddOpen(actions, 0, "/dev/null", ReadOnly, 0) : AddDuplicate(actions, (int)input.DangerousGetHandle(), 0);
            if (error == 0)
                error = AddDuplicate(actions, (int)output.DangerousGetHandle(), 1);
            if (error == 0)
                error = AddDuplicate(actions, (int)errors.DangerousGetHandle(), 2);
            return error != 0 ? error : Spawn(out id, executable, actions, attributes, words, variables);
        }
        finally
        {
            if (holdsInput)
                input!.DangerousRelease();
            if (holdsOutput)
                output.DangerousRelease();
            if (holdsErrors)
                errors.DangerousRelease();
            Free(words);
            Free(variables);
            _ = DestroyAttributes(attributes);
            _ = DestroyActions(actions);
        }
    }

    /// <summary>Waits with the calling thread until a child has ended, any, and leaves it for <see cref="WaitFor"/>: its number stays its own until then.</summary>
    /// <returns>Its process id; 0 when there is no child left.</returns>
    public static int NextEnded()
    {
        byte* information = stackalloc byte[InformationBytes];
        while (WaitInformation(AllChildren, 0, information, Ended | Leave) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error == NoChild)
                return 0;
            if (error != Interrupted)
                throw new IOException($"children cannot be awaited: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        return *(int*)(information + ProcessAt);
    }

    /// <summary>Waits with the calling thread until a child ends.</summary>
    /// <param name="code">Its exit code; 128 and the number for one that a signal ended.</param>
    /// <returns>Its process id; 0 when it is no child.</returns>
    public static int WaitFor(int child, out int code)
    {
        while (true)
        {
            var id = WaitProcess(child, out var status, 0);
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

    /// <summary>A list as the operating system takes it, for <see cref="Free"/>.</summary>
    public static byte** Strings(IReadOnlyList<string> texts)
    {
        var list = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Count; i++)
            list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        return list;
    }

    public static void Free(byte** list)
    {
        for (var text = list; *text is not null; text++)
            Marshal.FreeCoTaskMem((nint)(*text));
        NativeMemory.Free(list);
    }

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limit(ulong Current, ulong Most);

    [StructLayout(LayoutKind.Sequential)]
    private record struct Timestamp(long Seconds, long Nanoseconds);

    [LibraryImport("libc", EntryPoint = "signal", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SetSignal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetLimit(int what, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetLimit(int what, in Limit limit);

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ReadClock(int clock, out Timestamp time);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeOwner(int file, uint user, uint group);

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

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int WaitInformation(int which, int process, byte* information, int options);

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
