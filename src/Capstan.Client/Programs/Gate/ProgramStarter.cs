using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Programs.Gate;

/// <summary>The process that becomes a program (<c>capstan-client gate-start</c>): takes the program's directory, mask, priority, user and view of the files, and executes it. One program, one thread, once.</summary>
/// <remarks>
/// So the operating system itself says whether the program began: a tool between (su, runuser) says it with an exit code, which may be the program's. While it has the rights of a user, that user may end it, and
/// harms nobody else: it has no open file but the program's output and its own report, and no capability any more.
/// </remarks>
internal static class ProgramStarter
{
    /// <summary>The word on the command line.</summary>
    public const string Verb = "gate-start";

    private const int Input = 0, Output = 1, Errors = 2;
    private const int Failed = 1;

    /// <returns>Never, when the program is executed; else the exit code, and the cause has been told.</returns>
    public static int Run()
    {
        using var report = StarterCalls.Duplicate(Errors);
        string fault;
        try
        {
            using var input = new SafeFileHandle(Input, ownsHandle: false);
            using var stream = new FileStream(input, FileAccess.Read, bufferSize: 1);
            fault = JsonSerializer.Deserialize(stream, RunJson.Default.ProgramPlan) is { } plan ? Become(plan.Order, plan.User, report) : "what starts it was told nothing";
        }
#pragma warning disable CA1031 // Whatever it is, it is why there is no program; the gate writes it down.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e.Message;
        }
        StarterCalls.Write(report, Encoding.UTF8.GetBytes(fault));
        return Failed;
    }

    private static string Become(RunOrder order, UserAccount? user, SafeFileHandle report)
    {
        StarterCalls.InputFromNothing();
        ThreadCalls.UsualMask();
        ThreadCalls.UsualPriority();
        var variables = order.Environment;
        if (user is not null)
            variables = user.Environment().Concat(order.Environment).GroupBy(variable => variable.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Last().Value, StringComparer.Ordinal);
        // What may need a file of this program, or /proc, comes before the user's rights.
        using var program = new ExecutedProgram(order.Executable, order.Arguments, variables);
        ProgramCalls.KeepFilesToOneself();
        if (user is not null && user.Id != ThreadCalls.EffectiveUser())
        {
            if (order.Content is { } content && ContentView.Show(content, user) is { } fault)
                return fault;
            // A program may open its output by name, /dev/stderr.
            ProgramCalls.GiveTo(user.Id, Output);
            if (StarterCalls.Become(user) is { } refused)
                return refused;
        }
        var error = ThreadCalls.Enter(order.WorkingDirectory);
        if (error != 0)
            return $"its working directory {order.WorkingDirectory} cannot be entered{As(user)}: {Marshal.GetPInvokeErrorMessage(error)}";
        ProgramCalls.UsualProcess();
        StarterCalls.UsualSignals();
        StarterCalls.Replace(Output, Errors);
        StarterCalls.Write(report, [(byte)ProgramStart.Begins]);
        return program.Execute() switch
        {
            8 => $"{order.Executable} is no program for this machine, or a script without a first line that names its interpreter",
            2 => $"{order.Executable} names an interpreter that is not there",
            13 => $"{order.Executable} may not be executed{As(user)}: it has no permission to be, or its file system is mounted noexec",
            var other => $"{order.Executable} does not start{As(user)}: {Marshal.GetPInvokeErrorMessage(other)}",
        };
    }

    private static string As(UserAccount? user) => user is null ? "" : $" by {user.Name}";
}
