using System.Diagnostics;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Directories of runs below a temporary one, and the real executable as their gate.</summary>
internal sealed class GateFixture : IDisposable
{
    private static readonly TimeSpan s_check = TimeSpan.FromMilliseconds(200);

    /// <summary>From the end that a gate has written to its own.</summary>
    private static readonly TimeSpan s_goes = TimeSpan.FromSeconds(10);

    /// <summary>Seconds, of what is to be ended: a crowded machine, too, has the program's first lines done by then.</summary>
    public const int ShortLimit = 5;

    private int _runs;

    public string Root { get; } = Directory.CreateTempSubdirectory("capstan-gate-").FullName;

    /// <summary>The executable that this test's client would be: the published one where there is one, as ./test has it: it is compiled ahead. Otherwise the one that was built beside the tests.</summary>
    public static string Agent { get; } = Environment.GetEnvironmentVariable("CAPSTAN_PUBLISHED") is { Length: > 0 } published
        ? Path.GetFullPath(Path.Combine(published, "agent", "capstan-client")) : Path.Combine(AppContext.BaseDirectory, "capstan-client");

    public GateStarter Starter { get; } = new([Agent, ProgramGate.Verb], systemdRun: null);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>A script that is executed as it is.</summary>
    public string Script(string text)
    {
        var path = Path.Combine(Root, $"script-{_runs}");
        File.WriteAllText(path, "#!/bin/sh\n" + text.ReplaceLineEndings("\n"));
        Executable.Set(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }

    public RunOrder Order(string script) => new()
    {
        Executable = Script(script),
        Arguments = [],
        WorkingDirectory = Root,
        Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["ROOT"] = Root },
        TimeLimitSeconds = 60,
        GraceSeconds = 1,
        WaitsForChildren = false,
    };

    public async Task<RunFolder> PrepareAsync(RunOrder order)
    {
        var folder = new RunFolder(Path.Combine(Root, $"run-{++_runs}"));
        await folder.PrepareAsync(order, Stop);
        return folder;
    }

    public async Task StartAsync(RunFolder folder) => Assert.Null(await Starter.StartAsync(folder, Stop));

    public static async Task<RunState> WaitAsync(RunFolder folder, Func<RunState, bool> until)
    {
        var state = await new RunWatch(ProcessTable.OfThisMachine, s_check, TimeProvider.System).WaitAsync(folder, until, Patience.Limit, Stop);
        Assert.True(until(state), $"{folder.Path} is {state}");
        return state;
    }

    public static async Task<RunEnded> EndOfAsync(RunFolder folder) =>
        Assert.IsType<RunState.Ended>(await WaitAsync(folder, state => state is RunState.Ended)).Result;

    public async Task<RunEnded> RunAsync(RunOrder order)
    {
        var folder = await PrepareAsync(order);
        await StartAsync(folder);
        return await EndOfAsync(folder);
    }

    public string Read(string name) => File.Exists(Path.Combine(Root, name)) ? File.ReadAllText(Path.Combine(Root, name)) : "";

    /// <summary>Whether a process of the last number that a script wrote is alive; one that has written none is ended before.</summary>
    public bool IsAlive(string name) => Read(name).Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., var last]
        && ProcessTable.OfThisMachine.Find(int.Parse(last, System.Globalization.CultureInfo.InvariantCulture)) is { IsZombie: false };

    /// <summary>Waits until a process that a script wrote down has ended.</summary>
    public async Task GoneAsync(string name)
    {
        using var process = ProcessOf(name);
        if (process is not null)
            await process.WaitForExitAsync(Stop).WaitAsync(Patience.Limit, Stop);
    }

    /// <summary>For what no file of a run tells.</summary>
    public static async Task UntilAsync(Func<bool> isTrue, string otherwise)
    {
        var waited = Stopwatch.StartNew();
        while (!isTrue())
        {
            Assert.True(waited.Elapsed < Patience.Limit, otherwise);
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Stop);
        }
    }

    public void Kill(string name)
    {
        using var process = ProcessOf(name);
        process?.Kill();
    }

    private List<ProcessEntry> Gates() =>
        [.. Enumerable.Range(1, _runs).SelectMany(run => ProcessTable.OfThisMachine.Executing(ProgramGate.Verb, Path.Combine(Root, FormattableString.Invariant($"run-{run}"))))];

    private static bool HasGone(ProcessEntry gate, TimeSpan limit)
    {
        try
        {
            using var process = Process.GetProcessById(gate.Id);
            return process.WaitForExit(limit);
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    private Process? ProcessOf(string name)
    {
        try
        {
            return Process.GetProcessById(int.Parse(Read(name), System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Ends the gates that the test has left, with what is below them, and fails for them.</summary>
    public void Dispose()
    {
        var left = Gates();
        // One that has written its end goes by itself.
        left = left.FindAll(gate => !HasGone(gate, s_goes));
        foreach (var gate in left)
            _ = StuckGate.End(ProcessTable.OfThisMachine, [gate]);
        Directory.Delete(Root, recursive: true);
        Assert.Empty(left);
    }
}
