using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Whatever is killed, and however often it is begun again: a run happens once.</summary>
public sealed class RunOnceTests : IDisposable
{
    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Gates_that_are_started_at_once_start_the_program_once()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo ran >>\"$ROOT/count\"; exit 3"));
        for (var i = 0; i < 4; i++)
            await _fixture.StartAsync(folder);

        Assert.Equal(3, (await GateFixture.EndOfAsync(folder)).ExitCode);
        await _fixture.StartAsync(folder);
        await NoGatesAsync(folder);
        Assert.Equal("ran\n", _fixture.Read("count"));
    }

    [Fact]
    public async Task Gate_that_comes_after_its_run_was_removed_starts_nothing()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo ran >>\"$ROOT/count\""));
        folder.Remove();
        await _fixture.StartAsync(folder);
        await NoGatesAsync(folder);

        Assert.IsType<RunState.Missing>(folder.Inspect(ProcessTable.OfThisMachine));
        Assert.Equal("", _fixture.Read("count"));
    }

    [Fact]
    public async Task Killed_gate_leaves_a_run_that_goes_on_while_its_program_does_and_is_lost_then()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("mkfifo \"$ROOT/go\"; echo $$ >\"$ROOT/own\"; echo $PPID >\"$ROOT/gate\"; echo ran >>\"$ROOT/count\"; read line <\"$ROOT/go\""));
        await _fixture.StartAsync(folder);
        await GateFixture.WaitAsync(folder, _ => _fixture.Read("count").Length > 0);
        _fixture.Kill("gate");
        await _fixture.GoneAsync("gate");

        Assert.IsType<RunState.Running>(folder.Inspect(ProcessTable.OfThisMachine));
        await _fixture.StartAsync(folder);
        _fixture.Kill("own");
        await _fixture.GoneAsync("own");
        await NoGatesAsync(folder);

        Assert.IsType<RunState.Lost>(folder.Inspect(ProcessTable.OfThisMachine));
        Assert.Equal("ran\n", _fixture.Read("count"));
    }

    [Fact]
    public async Task Run_of_an_earlier_start_of_the_machine_is_lost()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        // A power cut: this very process has the number of the gate of then.
        await folder.WriteStartedAsync(new RunStarted("another boot", 1, Environment.ProcessId, ProcessTable.OfThisMachine.Find(Environment.ProcessId)!.StartTicks));
        Assert.IsType<RunState.Lost>(folder.Inspect(ProcessTable.OfThisMachine));

        // The same number, of another process.
        await folder.WriteStartedAsync(new RunStarted(ProcessTable.OfThisMachine.BootId(), 1, Environment.ProcessId, 1));
        Assert.IsType<RunState.Lost>(folder.Inspect(ProcessTable.OfThisMachine));
    }

    /// <summary>A gate is killed at a random instant of its start, and started again as a client would: the program runs once, or, where the gate had said so, perhaps not at all; never twice.</summary>
    [Fact]
    public async Task Gates_that_are_killed_at_random_never_start_a_program_twice()
    {
        var random = new Random(4711);
        for (var round = 0; round < (LongRun.IsAsked ? 200 : 20); round++)
        {
            var count = string.Create(CultureInfo.InvariantCulture, $"count-{round}");
            var folder = await _fixture.PrepareAsync(_fixture.Order($"echo ran >>\"$ROOT/{count}\""));
            for (var tries = 0; folder.Inspect(ProcessTable.OfThisMachine) is RunState.NotStarted && tries < 5; tries++)
            {
                await _fixture.StartAsync(folder);
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(0, 150)), TimeProvider.System, Stop);
                foreach (var gate in Gates(folder))
                    ProgramCalls.Signal(gate, ProgramCalls.Kill);
                await NoGatesAsync(folder);
            }
            // One that is dying may still have the lock: what it leaves then is a run that was not started.
            RunState state;
            while ((state = await GateFixture.WaitAsync(folder, state => state is not RunState.Running)) is RunState.NotStarted)
            {
                await _fixture.StartAsync(folder);
                await NoGatesAsync(folder);
            }
            await NoGatesAsync(folder);
            var ran = _fixture.Read(count);
            Assert.True(ran == "ran\n" || (ran.Length == 0 && state is RunState.Lost), $"round {round}: {state}, ran '{ran}'");
            folder.Remove();
        }
    }

    private static IEnumerable<int> Gates(RunFolder folder) =>
        Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Where(name => CommandLine(name!).EndsWith(folder.Path + "\0", StringComparison.Ordinal))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture));

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            // It has just ended.
            return "";
        }
    }

    private static async Task NoGatesAsync(RunFolder folder)
    {
        foreach (var gate in Gates(folder).ToList())
        {
            try
            {
                using var process = System.Diagnostics.Process.GetProcessById(gate);
                await process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(60), Stop);
            }
            catch (ArgumentException)
            {
                // Gone already.
                continue;
            }
        }
    }
}
