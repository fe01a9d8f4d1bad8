using System.Diagnostics;
using System.Globalization;
using Capstan.Client.Programs;
using Capstan.Client.Programs.Gate;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Client.Programs.Gate;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client.Programs;

/// <summary>The client's way past gates that do not get on: each run comes to an end that says why, so that the next program begins.</summary>
public sealed class StuckRunTests : IDisposable
{
    private const string Run = "pppppppp-1-run";

    private readonly GateFixture _fixture = new();
    private readonly ManualTime _time = new();
    private readonly ClientDatabase _database;
    private readonly ProgramLedger _ledger;
    private readonly ProgramRunner _runner;
    private readonly RunFolder _folder;

    public StuckRunTests()
    {
        _database = ClientDatabase.Open(Directory.CreateDirectory(Path.Combine(_fixture.Root, "state")).FullName);
        _ledger = new ProgramLedger(_database);
        var programs = Path.Combine(_fixture.Root, "programs");
        var machine = new ProgramMachine(_fixture.Starter, ProcessTable.OfThisMachine, 1L << 40, () => [], _ => 1L << 40, _ => Task.FromResult<string?>(null)) { Check = TimeSpan.FromMilliseconds(200), Time = _time };
        _runner = new ProgramRunner(programs, _ledger, machine, NullLogger.Instance, _time);
        _folder = new RunFolder(Path.Combine(programs, "runs", Run));
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _database.Dispose();
        foreach (var gate in ProcessTable.OfThisMachine.Executing(ProgramGate.Verb, _folder.Path))
            _ = StuckGate.End(ProcessTable.OfThisMachine, [gate]);
        _fixture.Dispose();
    }

    [Fact]
    public async Task Gate_that_is_stopped_is_ended_when_its_time_is_over_and_the_run_says_so()
    {
        var order = await BeginAsync("echo $PPID >\"$ROOT/gate\"; echo $$ >\"$ROOT/own\"; echo x >\"$ROOT/begun\"; exec sleep 1000");
        await GateFixture.UntilAsync(() => _fixture.Read("begun").Length > 0, "it was not started");
        ProgramCalls.Signal(int.Parse(_fixture.Read("gate"), CultureInfo.InvariantCulture), ProgramCalls.Stop);
        Assert.Null(await SettleAsync());

        // As if it had begun long ago.
        await _folder.PrepareAsync(order with { TimeLimitSeconds = -(int)TimeSpan.FromDays(30).TotalSeconds }, Stop);
        var run = await OutcomeAsync();

        Assert.Equal(ProgramRun.Unknown, run.Outcome);
        Assert.Contains($"process {_fixture.Read("gate").Trim()}", run.Output, StringComparison.Ordinal);
        Assert.Contains("had stopped it", run.Output, StringComparison.Ordinal);
        Assert.False(_fixture.IsAlive("own"));
        Assert.Null(_runner.Open());
        Assert.False(Directory.Exists(_folder.Path));
    }

    [Fact]
    public async Task Run_whose_directory_something_else_has_locked_before_its_gate_ends_as_not_started()
    {
        await PrepareAsync("echo ran >\"$ROOT/count\"");
        using var stranger = DirectoryLock.TryTake(_folder.Path, out _);
        var run = await OutcomeAsync();

        Assert.Equal(ProgramRun.NotStarted, run.Outcome);
        Assert.Contains("something that is no gate has locked its directory", run.Output, StringComparison.Ordinal);
        Assert.Null(_runner.Open());
        // A gate that comes now finds nothing to do.
        stranger!.Dispose();
        await _fixture.StartAsync(_folder);
        await NoGatesAsync();
        Assert.Equal("", _fixture.Read("count"));
    }

    [Fact]
    public async Task Run_whose_directory_something_else_has_locked_after_its_gate_was_killed_is_unknown_when_its_time_is_over()
    {
        var order = await BeginAsync("echo $PPID >\"$ROOT/gate\"; echo $$ >\"$ROOT/own\"; echo x >\"$ROOT/begun\"; exec sleep 1000");
        await GateFixture.UntilAsync(() => _fixture.Read("begun").Length > 0, "it was not started");
        _fixture.Kill("gate");
        await _fixture.GoneAsync("gate");
        _fixture.Kill("own");
        await _fixture.GoneAsync("own");
        using var stranger = DirectoryLock.TryTake(_folder.Path, out _);
        Assert.NotNull(stranger);
        Assert.Null(await SettleAsync());

        await _folder.PrepareAsync(order with { TimeLimitSeconds = -(int)TimeSpan.FromDays(30).TotalSeconds }, Stop);
        Assert.Equal(ProgramRun.Unknown, (await OutcomeAsync()).Outcome);
        Assert.Null(_runner.Open());
    }

    [Fact]
    public async Task Run_whose_directory_its_gate_cannot_write_ends_as_not_started_and_says_why()
    {
        await PrepareAsync("echo ran >\"$ROOT/count\"");
        // In the way of the start, whoever the gate is.
        File.CreateSymbolicLink(Path.Combine(_folder.Path, RunFolder.StartedFile), "nowhere");
        var run = await OutcomeAsync();

        Assert.Equal(ProgramRun.NotStarted, run.Outcome);
        Assert.Contains("10 times", run.Output, StringComparison.Ordinal);
        Assert.Contains(RunFolder.StartedFile, run.Output, StringComparison.Ordinal);
        Assert.Equal("", _fixture.Read("count"));
        Assert.Null(_runner.Open());
    }

    [Theory]
    [InlineData(RunFolder.StartedFile)]
    [InlineData(RunFolder.EndedFile)]
    [InlineData(RunFolder.OrderFile)]
    public async Task Run_of_which_a_file_was_destroyed_is_unknown_and_says_so_and_holds_up_nothing(string name)
    {
        await PrepareAsync("echo ran >\"$ROOT/count\"");
        // What a disk that lies about what it has written leaves of a file after a power cut.
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, name), "", Stop);
        var run = await OutcomeAsync();

        Assert.Equal(ProgramRun.Unknown, run.Outcome);
        Assert.Contains(name, run.Output, StringComparison.Ordinal);
        Assert.Null(_runner.Open());
        Assert.False(Directory.Exists(_folder.Path));
        Assert.Equal("", _fixture.Read("count"));
    }

    [Fact]
    public async Task Process_that_calls_itself_the_gate_of_a_run_is_not_taken_for_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root starts something as another user");
        await PrepareAsync("echo ran >\"$ROOT/count\"");
        using var liar = Process.Start(new ProcessStartInfo("/usr/bin/setpriv", ["--reuid", "nobody", "--clear-groups", "sh", "-c", "sleep 1000; :", ProgramGate.Verb, _folder.Path]) { UseShellExecute = false })!;
        try
        {
            await GateFixture.UntilAsync(() => File.ReadAllText($"/proc/{liar.Id}/cmdline").StartsWith("sh\0", StringComparison.Ordinal), "it does not begin");
            using var stranger = DirectoryLock.TryTake(_folder.Path, out _);

            Assert.Empty(ProcessTable.OfThisMachine.Executing(ProgramGate.Verb, _folder.Path));
            Assert.IsType<RunState.NotStarted>(_folder.Inspect(ProcessTable.OfThisMachine));
        }
        finally
        {
            liar.Kill(entireProcessTree: true);
        }
    }

    private async Task<RunOrder> BeginAsync(string script)
    {
        var order = await PrepareAsync(script);
        Assert.Null(await SettleAsync());
        return order;
    }

    /// <summary>As a client that was killed after its note, before it started the gate.</summary>
    private async Task<RunOrder> PrepareAsync(string script)
    {
        var order = _fixture.Order(script);
        await _folder.PrepareAsync(order, Stop);
        var offer = PlannedMachine.Offer();
        _ledger.Begin(new LedgerRun
        {
            Id = Run,
            Program = ProgramKey.Of(offer.Offer),
            Number = 1,
            PackageVersion = 1,
            AdvertisementId = offer.AdvertisementId,
            Revision = 1,
            Occasion = 0,
            BootId = ProcessTable.OfThisMachine.BootId(),
            StartedAt = _time.GetUtcNow(),
        }, offer.Offer.Program);
        return order;
    }

    /// <summary>One look, with the time passing that it wants.</summary>
    private async Task<LedgerRun?> SettleAsync()
    {
        var settling = _runner.SettleAsync(_runner.Open()!, () => Task.FromResult<string?>(null), Stop);
        await PassAsync(settling);
        return await settling;
    }

    /// <summary>Looks as the client does, until there is an outcome.</summary>
    private async Task<LedgerRun> OutcomeAsync()
    {
        var began = Stopwatch.StartNew();
        while (true)
        {
            if (await SettleAsync() is { } run)
                return run;
            Assert.True(began.Elapsed < Patience.Limit, $"the run has no outcome: {_folder.Inspect(ProcessTable.OfThisMachine)}");
            await PassAsync(_runner.WaitAsync(_runner.Open()!, Stop));
        }
    }

    private async Task PassAsync(Task task)
    {
        while (!task.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
            await Task.WhenAny(task, Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Stop));
        }
    }

    private Task NoGatesAsync() => GateFixture.UntilAsync(() => ProcessTable.OfThisMachine.Executing(ProgramGate.Verb, _folder.Path).Count == 0, "a gate stays");
}
