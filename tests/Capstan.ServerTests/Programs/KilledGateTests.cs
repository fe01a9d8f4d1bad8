using System.Diagnostics;
using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Programs;

/// <summary>A gate is killed right before each of its steps, and started again as a client would: the program runs once, or, where the gate had said so, perhaps not at all; never twice.</summary>
public sealed class KilledGateTests : IDisposable
{
    /// <summary>This executable as a gate that kills itself: the verb, the step, the directory of the run.</summary>
    public const string Verb = "killed-gate";

    /// <summary>Calls of a gate's first thread that make a thread or a process: those of the runtime's own start before these, and a few more than it has.</summary>
    private const int FirstCall = 9, Calls = 7;

    private static readonly TimeSpan s_check = TimeSpan.FromMilliseconds(100);

    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    /// <summary>The process that a test starts.</summary>
    internal static int Run(string step, string directory)
    {
        new ProgramGate(new RunFolder(directory), [Executables.Agent, ProgramStarter.Verb], TimeProvider.System, passed =>
        {
            if (passed == step)
                ProgramCalls.Signal(Environment.ProcessId, ProgramCalls.Kill);
        }).Run();
        return 0;
    }

    /// <param name="runs">How often the program has run in the end.</param>
    [Theory]
    [InlineData("lock", 1, typeof(RunState.Ended))]
    [InlineData("look", 1, typeof(RunState.Ended))]
    [InlineData("begin", 1, typeof(RunState.Ended))]
    [InlineData("start", 0, typeof(RunState.Lost))]
    [InlineData("spawned", 1, typeof(RunState.Lost))]
    [InlineData("end", 1, typeof(RunState.Lost))]
    [InlineData("over", 1, typeof(RunState.Ended))]
    public async Task Program_runs_once_whatever_its_gate_was_about_to_do_when_it_was_killed(string step, int runs, Type state)
    {
        var folder = await PrepareAsync(_directory.Path);
        // A torn start, of a gate that was killed while it wrote, is none.
        await File.WriteAllTextAsync(Path.Combine(folder.Path, RunFolder.StartedFile + ".1.tmp"), "{", Stop);
        Assert.Equal(128 + ProgramCalls.Kill, await GateAsync(Environment.ProcessPath!, Verb, step, folder.Path));
        // Once more, at the same step if it comes so far; then two that nobody kills.
        await GateAsync(Environment.ProcessPath!, Verb, step, folder.Path);
        for (var gates = 0; gates < 2; gates++)
            Assert.Equal(0, await GateAsync(Executables.Agent, ProgramGate.Verb, folder.Path));
        var last = await new RunWatch(ProcessTable.OfThisMachine, s_check, TimeProvider.System).WaitAsync(folder, found => found is RunState.Ended or RunState.Lost, Patience.Limit, Stop);

        Assert.IsType(state, last);
        Assert.Equal(runs, RunsOf(_directory.Path));
        if (last is RunState.Ended(_, var ended))
            Assert.Equal((RunEnded.Exited, 3), (ended.How, ended.ExitCode));
        Assert.True(folder.Remove());
    }

    /// <summary>Of the threads and processes that a gate makes, one is refused (each in turn, as far as the runtime is through), and its disk is slow: what it started meanwhile would have its time.</summary>
    [Fact]
    public async Task Program_whose_gate_gets_no_thread_has_not_started_and_does_not_either_later()
    {
        Tools.Require("strace", "sh");
        var ends = await Task.WhenAll(Enumerable.Range(FirstCall, Calls).Select(RunWithoutAsync));

        // Which of them are before the program is the runtime's affair.
        Assert.Contains(ends, end => end.How == RunEnded.NotStarted);
        Assert.All(ends, end => Assert.InRange(end.Runs, end.How == RunEnded.Exited ? 1 : 0, end.How == RunEnded.NotStarted ? 0 : 1));
    }

    private async Task<(int Call, string How, int Runs)> RunWithoutAsync(int call)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_directory.Path, string.Create(CultureInfo.InvariantCulture, $"call-{call}"))).FullName;
        var folder = await PrepareAsync(directory);
        _ = await GateAsync("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3,fsync", "-e", string.Create(CultureInfo.InvariantCulture, $"inject=clone,clone3:error=EAGAIN:when={call}"),
            "-e", "inject=fsync:delay_enter=1000000", Executables.Agent, ProgramGate.Verb, folder.Path);
        // strace ends with the last of what it has seen begin.
        return (call, folder.Inspect(ProcessTable.OfThisMachine) is RunState.Ended(_, var ended) ? ended.How : "", RunsOf(directory));
    }

    private static int RunsOf(string directory) => File.Exists(Path.Combine(directory, "count")) ? File.ReadAllLines(Path.Combine(directory, "count")).Length : 0;

    private static async Task<RunFolder> PrepareAsync(string directory)
    {
        var script = Path.Combine(directory, "script");
        await File.WriteAllTextAsync(script, $"#!/bin/sh\necho ran >>'{directory}/count'\nexit 3\n", Stop);
        Executable.Set(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var folder = new RunFolder(Path.Combine(directory, "run"));
        await folder.PrepareAsync(new RunOrder
        {
            Executable = script,
            Arguments = [],
            WorkingDirectory = "/",
            Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" },
            TimeLimitSeconds = 60,
            WaitsForChildren = false,
        }, Stop);
        return folder;
    }

    private static async Task<int> GateAsync(string program, params string[] words)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { UseShellExecute = false })!;
        await process.WaitForExitAsync(Stop).WaitAsync(Patience.Limit, Stop);
        return process.ExitCode;
    }
}
