using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>Signals to a process that was seen, and not to who has got its number since. Linux.</summary>
/// <remarks>Whoever fills a machine with processes gets numbers used again within milliseconds; a stranger must not be ended for that.</remarks>
internal static partial class ProcessSignal
{
    // The same on every architecture: they came after the numbers were made one.
    private const nint SendTo = 424, Open = 434;    // pidfd_send_signal, pidfd_open

    private const int NoProcess = 3;                // ESRCH

    /// <param name="seen">As it was.</param>
    /// <param name="adopter">Becomes the parent of what loses its own; that is no other process.</param>
    public static void Send(ProcessTable machine, ProcessEntry seen, int adopter, int signal)
    {
        // What is open keeps its meaning when the number is used again.
        var open = (int)Call(Open, seen.Id, 0, 0, 0);
        var error = open < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (error == NoProcess)
            return;
        try
        {
            if (machine.Find(seen.Id) is not { } now || !IsSame(seen, now, adopter))
                return;
            // Before Linux 5.3, and in sandboxes that do not know the call, an instant stays in which it is not certain.
            if (open < 0)
                ProgramCalls.Signal(seen.Id, signal);
            else
                _ = Call(SendTo, open, signal, 0, 0);
        }
        finally
        {
            if (open >= 0)
                _ = Close(open);
        }
    }

    /// <summary>The clock of starts is coarse: one that began in the same hundredth of a second is told by its parent.</summary>
    public static bool IsSame(ProcessEntry seen, ProcessEntry now, int adopter) =>
        now.Id == seen.Id && now.StartTicks == seen.StartTicks && (now.Parent == seen.Parent || now.Parent == adopter);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Call(nint number, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
