using System.Diagnostics;
using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.Nal;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Directories of runs, without gates.</summary>
public sealed class RunFolderTests : IDisposable
{
    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Directory_whose_gate_may_be_about_to_begin_is_not_removed()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        using (DirectoryLock.TryTake(folder.Path, out _))
        {
            Assert.False(folder.Remove());
            Assert.NotNull(folder.Order());
        }
        Assert.True(folder.Remove());
        Assert.False(Directory.Exists(folder.Path));
        Assert.True(folder.Remove());
    }

    [Fact]
    public async Task Directory_whose_gate_has_written_its_end_is_removed_though_it_has_not_gone_yet()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        folder.WriteEnded(new RunEnded { How = RunEnded.Exited, ExitCode = 0, EndedAt = 1 });
        using var gate = DirectoryLock.TryTake(folder.Path, out _);

        Assert.True(folder.Remove());
    }

    [Fact]
    public async Task Removal_that_was_cut_off_is_no_run_and_is_finished_by_the_next()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        folder.WriteStarted(new RunStarted("boot", 1, 1, 1));
        var gone = new RunFolder(folder.Path + ".gone");
        Directory.Move(folder.Path, gone.Path);

        Assert.IsType<RunState.Missing>(folder.Inspect(ProcessTable.OfThisMachine));
        Assert.True(gone.Remove());
        Assert.False(Directory.Exists(gone.Path));
    }

    [Fact]
    public async Task Start_of_a_run_is_written_once_whatever_became_of_its_lock()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
        folder.WriteStarted(new RunStarted("boot", 1, 1, 1));
        var refused = Assert.Throws<IOException>(() => folder.WriteStarted(new RunStarted("boot", 2, 2, 2)));

        Assert.Contains("is there already", refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, folder.Started()!.Session);
        Assert.Equal([RunFolder.OrderFile, RunFolder.StartedFile], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{}")]
    public async Task File_that_cannot_be_understood_is_not_taken_for_one_that_is_not_there(string text)
    {
        foreach (var name in new[] { RunFolder.OrderFile, RunFolder.StartedFile, RunFolder.EndedFile })
        {
            var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0"));
            await File.WriteAllTextAsync(Path.Combine(folder.Path, name), text, Stop);

            Assert.Contains(name, Assert.IsType<RunState.Damaged>(folder.Inspect(ProcessTable.OfThisMachine)).Fault, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(60, true)]
    [InlineData(int.MaxValue, false)]
    public async Task What_a_killed_gate_left_counts_as_its_run_until_the_time_of_the_run_is_over(int limitSeconds, bool isOver)
    {
        // A session whose leader has gone, as after a gate that was killed; it began when the machine did.
        using var leader = Process.Start(new ProcessStartInfo("/usr/bin/setsid", ["--fork", "sh", "-c", $"sleep 1000 & echo $! $$ >'{_fixture.Root}/ids'"]) { UseShellExecute = false })!;
        await leader.WaitForExitAsync(Stop);
        await GateFixture.UntilAsync(() => _fixture.Read("ids").EndsWith('\n'), "no session");
        var ids = _fixture.Read("ids").Split(' ', StringSplitOptions.TrimEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture)).ToArray();
        using var left = Process.GetProcessById(ids[0]);
        try
        {
            await GateFixture.UntilAsync(() => ProcessTable.OfThisMachine.Find(ids[1]) is null, "its leader stays");
            Assert.SkipUnless(ProcessTable.Since(1) > TimeSpan.FromMinutes(3), "this machine has just been started");
            var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0") with { TimeLimitSeconds = limitSeconds });
            // The wall clock says nothing: by it the run would have begun in 1970, or just now.
            folder.WriteStarted(new RunStarted(ProcessTable.OfThisMachine.BootId(), isOver ? TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() : 1, ids[1], 1));

            Assert.IsType(isOver ? typeof(RunState.Lost) : typeof(RunState.Running), folder.Inspect(ProcessTable.OfThisMachine));
        }
        finally
        {
            left.Kill();
        }
    }

    [Theory]
    [InlineData(false, typeof(RunState.Stuck))]
    [InlineData(true, typeof(RunState.Running))]
    public async Task Machine_that_sleeps_uses_up_nothing_of_a_runs_time(bool isNoted, Type state)
    {
        // As after a night: this process is the gate, and by the clock that counts sleep its time is over, by its own it has just begun.
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 0") with { TimeLimitSeconds = -(int)ProgramGate.Longest.TotalSeconds - 1 });
        var machine = ProcessTable.OfThisMachine;
        var now = (long)ProgramCalls.Awake().TotalMilliseconds;
        folder.WriteStarted(new RunStarted(machine.BootId(), 1, Environment.ProcessId, machine.Find(Environment.ProcessId)!.StartTicks, isNoted ? now + 600_000 : null));
        using var gate = DirectoryLock.TryTake(folder.Path, out _);

        Assert.IsType(state, folder.Inspect(machine));
    }
}
