using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Whatever is killed, and however often it is begun again: a run happens once. Gates that are killed before each of their steps: KilledGateTests, with real servers.</summary>
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
    public async Task Gates_that_are_started_at_once_where_locks_do_not_work_start_the_program_once()
    {
        var starter = new GateStarter(["/bin/sh", "-c", "export DOTNET_SYSTEM_IO_DISABLEFILELOCKING=1; exec \"$0\" \"$@\"", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo ran >>\"$ROOT/count\"; exit 3"));
        for (var i = 0; i < 4; i++)
            Assert.Null(await starter.StartAsync(folder, Stop));

        Assert.Equal(3, (await GateFixture.EndOfAsync(folder)).ExitCode);
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
        folder.WriteStarted(new RunStarted("another boot", 1, Environment.ProcessId, ProcessTable.OfThisMachine.Find(Environment.ProcessId)!.StartTicks));
        Assert.IsType<RunState.Lost>(folder.Inspect(ProcessTable.OfThisMachine));

        // The same number, of another process.
        folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        folder.WriteStarted(new RunStarted(ProcessTable.OfThisMachine.BootId(), 1, Environment.ProcessId, 1));
        Assert.IsType<RunState.Lost>(folder.Inspect(ProcessTable.OfThisMachine));
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
                await process.WaitForExitAsync(Stop).WaitAsync(Patience.Limit, Stop);
            }
            catch (ArgumentException)
            {
                // Gone already.
                continue;
            }
        }
    }
}
