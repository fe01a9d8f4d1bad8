using System.Diagnostics;
using Capstan.Client.Programs.Gate;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Programs;

/// <summary>A gate is killed right before each of its steps, and started again as a client would: the program runs once, or, where the gate had said so, perhaps not at all; never twice.</summary>
public sealed class KilledGateTests : IDisposable
{
    /// <summary>This executable as a gate that kills itself: the verb, the step, the directory of the run.</summary>
    public const string Verb = "killed-gate";

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
        var folder = await PrepareAsync();
        // A torn start, of a gate that was killed while it wrote, is none.
        await File.WriteAllTextAsync(Path.Combine(folder.Path, RunFolder.StartedFile + ".tmp"), "{", Stop);
        Assert.Equal(128 + ProgramCalls.Kill, await GateAsync(Environment.ProcessPath!, Verb, step, folder.Path));
        // Once more, at the same step if it comes so far; then two that nobody kills.
        await GateAsync(Environment.ProcessPath!, Verb, step, folder.Path);
        for (var gates = 0; gates < 2; gates++)
            Assert.Equal(0, await GateAsync(Executables.Agent, ProgramGate.Verb, folder.Path));
        var last = await new RunWatch(ProcessTable.OfThisMachine, s_check, TimeProvider.System).WaitAsync(folder, found => found is RunState.Ended or RunState.Lost, Patience.Limit, Stop);

        Assert.IsType(state, last);
        Assert.Equal(runs, File.Exists(Count) ? (await File.ReadAllLinesAsync(Count, Stop)).Length : 0);
        if (last is RunState.Ended(_, var ended))
            Assert.Equal((RunEnded.Exited, 3), (ended.How, ended.ExitCode));
        Assert.True(folder.Remove());
    }

    private string Count => Path.Combine(_directory.Path, "count");

    private async Task<RunFolder> PrepareAsync()
    {
        var script = Path.Combine(_directory.Path, "script");
        await File.WriteAllTextAsync(script, $"#!/bin/sh\necho ran >>'{Count}'\nexit 3\n", Stop);
        Executable.Set(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var folder = new RunFolder(Path.Combine(_directory.Path, "run"));
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
