using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Capstan.Client.Programs.Gate;

/// <summary>All that a program's starter needs to know: it asks nobody.</summary>
/// <param name="User">Who runs it; null for the user of the gate.</param>
internal sealed record ProgramPlan(RunOrder Order, UserAccount? User = null);

/// <summary>Has a program started by a process that becomes it (<see cref="ProgramStarter"/>). No thread of the gate ever has the rights of a user, so no process of a user may signal or limit the gate.</summary>
/// <remarks>
/// The starter gets the plan as its input, the program's output as its output, and says on its errors why there is no program; right before it executes the program it says so. The pipe ends with
/// its execution. What is said, and in which order, tells a program that ended from one that was never there; a starter that is killed without a word has started nothing.
/// </remarks>
/// <param name="starter">The command line of one; the first word is an absolute path.</param>
/// <param name="limit">For all that the starter does: a directory on a server that does not answer holds it up.</param>
/// <param name="place">Given the starter's process id before it is told anything: all that it becomes and begins is where it is put.</param>
internal sealed class ProgramStart(IReadOnlyList<string> starter, TimeSpan limit, Action<int>? place = null)
{
    public static readonly TimeSpan UsualLimit = TimeSpan.FromMinutes(2);

    /// <summary>Said when nothing but the execution is left (ACK).</summary>
    public const char Begins = '\u0006';

    private const int MostSaid = 4_000;

    /// <summary>Until a starter that was killed has gone; what the kernel itself holds cannot be.</summary>
    private static readonly TimeSpan s_ending = TimeSpan.FromSeconds(5);

    /// <param name="output">What the program has as its output and its errors.</param>
    /// <returns>The program, a child that nobody has awaited; or, with 0 for it, why there is none. Both, when it was ended because it did not get further.</returns>
    public (int Program, string? Fault) Run(ProgramPlan plan, SafeHandle output)
    {
        // Neither is disposed, as that waits for who reads or writes: they end with this process.
        var input = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.None);
        var report = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        // Both threads before there is anybody to be told: without one of them nobody would know what was begun.
        var said = new StringBuilder();
        var hearing = Task.Factory.StartNew(() => Hear(report, said), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var isPlaced = new TaskCompletionSource();
        var telling = Task.Factory.StartNew(() => Tell(input, plan, isPlaced.Task), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var environment = System.Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "", StringComparer.Ordinal);
        environment["DOTNET_EnableDiagnostics"] = "0";
        var error = ProgramCalls.Start(starter[0], [.. starter.Skip(1)], environment, input.ClientSafePipeHandle, output, report.ClientSafePipeHandle, isApart: false, out var program);
        input.DisposeLocalCopyOfClientHandle();
        report.DisposeLocalCopyOfClientHandle();
        if (error == 0)
            place?.Invoke(program);
        isPlaced.SetResult();
        if (error != 0)
            return (0, $"{starter[0]} does not start: {Marshal.GetPInvokeErrorMessage(error)}");
        var isLate = !hearing.Wait(limit);
        if (isLate)
        {
            // Nobody has awaited it, so the number is still its own. One that is killed executes nothing any more.
            ProgramCalls.Signal(program, ProgramCalls.Kill);
            hearing.Wait(s_ending);
        }
        string text;
        lock (said)
            text = said.ToString();
        var fault = isLate ? $"it did not get further within {limit.TotalSeconds:F0} s: a file system that does not answer?" : null;
        if (text.EndsWith(Begins))
            return (program, fault);
        telling.Wait(s_ending);
        if (!isLate)
            fault = text.Trim([Begins, '\n', ' ']) is { Length: > 0 } cause ? cause.ReplaceLineEndings(" ") : CauseOf(program);
        return (0, fault);
    }

    private static string CauseOf(int starter)
    {
        _ = ProgramCalls.WaitFor(starter, out var code);
        return code > 128 ? $"what starts it was ended by signal {code - 128} before the program began" : $"what starts it ended with {code} before the program began";
    }

    private static void Tell(AnonymousPipeServerStream input, ProgramPlan plan, Task isPlaced)
    {
        isPlaced.Wait();
        try
        {
            input.Write(JsonSerializer.SerializeToUtf8Bytes(plan, RunJson.Default.ProgramPlan));
            input.Dispose();
        }
        catch (IOException)
        {
            // It has ended, and its end says more.
            return;
        }
    }

    private static void Hear(AnonymousPipeServerStream report, StringBuilder said)
    {
        var buffer = new byte[MostSaid];
        try
        {
            while (report.Read(buffer) is > 0 and var read)
            {
                lock (said)
                {
                    if (said.Length < MostSaid)
                        said.Append(Encoding.UTF8.GetString(buffer, 0, read));
                }
            }
        }
        catch (IOException)
        {
            // What was said until now is what there is.
            return;
        }
    }
}
