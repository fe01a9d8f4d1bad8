using System.IO.Pipes;
using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>A process that reads what a program prints once the gate is gone, and forgets it: a daemon that the program left, or a program whose gate was killed, is not ended by a pipe without a reader.</summary>
/// <remarks>A shell, outside of the run's session, that waits for the end of the gate and becomes <c>cat</c>, until nobody has the output open. It takes about a megabyte.</remarks>
internal sealed class OutputSink : IDisposable
{
    private const string Shell = "/bin/sh";

    /// <summary>What it reads on is its output, and what tells it the gate's end is its errors: those two are handed on by every shell, input is not.</summary>
    private const string Script = "{ read -r nothing <&2; exec cat <&1 >/dev/null 2>&1; } &";

    private readonly AnonymousPipeServerStream _alive;

    private OutputSink(AnonymousPipeServerStream alive) => _alive = alive;

    /// <summary>Before this process adopts orphans: it must not be one of its own.</summary>
    /// <exception cref="IOException">It does not start.</exception>
    public static OutputSink Start(SafeHandle output)
    {
        // Nothing is ever written: its end, which comes with this process's end in any case, is the message.
        var alive = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.None);
        try
        {
            var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = CommandLine.SearchPath };
            var error = ProgramCalls.Start(Shell, ["-c", Script], environment, null, output, alive.ClientSafePipeHandle, isApart: true, out var shell);
            if (error != 0)
                throw new IOException($"{Shell} does not start: {Marshal.GetPInvokeErrorMessage(error)}");
            _ = ProgramCalls.WaitFor(shell, out var code);
            alive.DisposeLocalCopyOfClientHandle();
            return code == 0 ? new OutputSink(alive) : throw new IOException($"{Shell} ended with {code}");
        }
        catch (IOException)
        {
            alive.Dispose();
            throw;
        }
    }

    public void Dispose() => _alive.Dispose();
}
