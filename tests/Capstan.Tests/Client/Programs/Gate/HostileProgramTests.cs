using System.Globalization;
using System.Runtime.InteropServices;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Programs that do not want to be ended, users who want to end gates, and systems that forbid what a gate would like.</summary>
public sealed partial class HostileProgramTests : IDisposable
{
    private const UnixFileMode ForAll = (UnixFileMode)0b111_111_111;

    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task User_whose_processes_signal_every_thread_of_a_starting_gate_does_not_end_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may run programs as somebody else");
        var open = Directory.CreateDirectory(Path.Combine("/tmp", Path.GetFileName(_fixture.Root) + "-open")).FullName;
        try
        {
            Executable.Set(open, ForAll);
            // A signal to a thread's number is one to its process, and allowed to whom the thread belongs.
            var attack = ForUser(open, """
                while [ ! -e "$OPEN/over" ]; do
                    read gate <"$OPEN/gate" || continue
                    for thread in /proc/$gate/task/*; do kill -9 ${thread##*/}; done
                done 2>/dev/null
                """);
            File.WriteAllText(Path.Combine(open, "gate"), "");
            var attacking = await _fixture.PrepareAsync(attack);
            await _fixture.StartAsync(attacking);
            await GateFixture.WaitAsync(attacking, state => state is RunState.Running(not null));

            var starter = new GateStarter(["/bin/sh", "-c", $"echo $$ >'{open}/gate'; exec \"$0\" \"$@\"", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
            var ends = new List<(string, int?)>();
            for (var i = 0; i < 5; i++)
            {
                var folder = await _fixture.PrepareAsync(ForUser(open, "exit 3"));
                Assert.Null(await starter.StartAsync(folder, Stop));
                var state = await GateFixture.WaitAsync(folder, state => state is RunState.Ended or RunState.Lost);
                var ended = Assert.IsType<RunState.Ended>(state).Result;
                ends.Add((ended.How, ended.ExitCode));
            }
            File.WriteAllText(Path.Combine(open, "over"), "");
            await GateFixture.EndOfAsync(attacking);

            Assert.All(ends, end => Assert.Equal((RunEnded.Exited, (int?)3), end));
        }
        finally
        {
            File.WriteAllText(Path.Combine(open, "over"), "");
            Directory.Delete(open, recursive: true);
        }
    }

    [Fact]
    public async Task System_whose_sandbox_forbids_mounts_and_namespaces_still_runs_programs()
    {
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64 && Environment.IsPrivilegedProcess, "the filter knows the calls of x86-64 only");
        var folder = await _fixture.PrepareAsync(_fixture.Order("umask; pwd; exit 5"));
        // A filter is the thread's, and of what it starts.
        string? fault = null;
        var refused = 0;
        var thread = new Thread(() =>
        {
            refused = Refuse(Unshare, Mount);
#pragma warning disable xUnit1031, MA0042, CA1849 // The process must be started by this very thread; nothing is awaited on the way there.
            fault = _fixture.Starter.StartAsync(folder, Stop).GetAwaiter().GetResult();
#pragma warning restore xUnit1031, MA0042, CA1849
        });
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
        Assert.Equal((0, null), (refused, fault));
        var ended = await GateFixture.EndOfAsync(folder);

        Assert.Equal((RunEnded.Exited, 5, null, $"0022\n{_fixture.Root}\n"), (ended.How, ended.ExitCode, ended.Detail, ended.OutputHead));
    }

    [Theory]
    [InlineData("kill -9 $$", "signal 9")]
    [InlineData("exit 7", "ended with 7")]
    [InlineData("echo no such thing >&2; exit 1", "no such thing")]
    [InlineData("printf '\\006it may not' >&2; exit 1", "it may not")]
    public void Starter_that_ends_before_there_is_a_program_says_why_or_its_end_does(string script, string cause)
    {
        using var output = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        var (program, fault) = new ProgramStart(["/bin/sh", "-c", script], ProgramStart.UsualLimit).Run(new ProgramPlan(_fixture.Order("")), output);

        Assert.Equal(0, program);
        Assert.Contains(cause, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Starter_that_says_that_it_begins_and_nothing_more_has_become_the_program()
    {
        using var output = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        var (program, fault) = new ProgramStart(["/bin/sh", "-c", "printf '\\006' >&2; exit 9"], ProgramStart.UsualLimit).Run(new ProgramPlan(_fixture.Order("")), output);

        Assert.Null(fault);
        Assert.Equal(program, ProgramCalls.WaitFor(program, out var code));
        Assert.Equal(9, code);
    }

    [Fact]
    public void Starter_that_does_not_get_further_is_ended()
    {
        using var output = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        var (program, fault) = new ProgramStart(["/bin/sh", "-c", "exec sleep 1000"], TimeSpan.FromMilliseconds(100)).Run(new ProgramPlan(_fixture.Order("")), output);

        Assert.Equal(0, program);
        Assert.Contains("did not get further", fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gate_stays_whatever_it_is_asked_with_and_its_program_has_every_signal_as_by_default()
    {
        // HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM, STKFLT, XCPU, XFSZ, VTALRM, PROF, IO, PWR: by name or number, some shells do not know all.
        var ended = await _fixture.RunAsync(_fixture.Order("""
            for signal in 1 2 3 10 12 13 14 15 16 24 25 26 27 29 30; do kill -$signal $PPID; done
            sed -n 's/SigIgn:.//p' /proc/$$/status
            exit 6
            """));

        Assert.Equal((RunEnded.Exited, 6), (ended.How, ended.ExitCode));
        Assert.Equal(0UL, ulong.Parse(ended.OutputHead, NumberStyles.HexNumber, CultureInfo.InvariantCulture) & 0x7FFF_FFFF);
    }

    [Fact]
    public async Task Chain_of_forks_is_ended_when_the_time_is_over()
    {
        // Each asks not to be asked, begins the next in a session of its own, and ends.
        var order = _fixture.Order("""
            trap '' TERM
            echo $$ >"$ROOT/own"
            cat >"$ROOT/link" <<'END'
            trap '' TERM
            echo $$ >>"$ROOT/last"
            [ -e "$ROOT/enough" ] || setsid sh "$ROOT/link" &
            exit 0
            END
            setsid sh "$ROOT/link" &
            exit 3
            """) with { TimeLimitSeconds = GateFixture.ShortLimit, WaitsForChildren = true };
        try
        {
            var ended = await _fixture.RunAsync(order);

            Assert.Equal((RunEnded.TimeLimit, 3, null), (ended.How, ended.ExitCode, ended.Detail));
            // What nobody writes any more stays as it is: the last one is not followed by another.
            await GateFixture.UntilAsync(() => !_fixture.IsAlive("last"), "the chain goes on");
        }
        finally
        {
            File.WriteAllText(Path.Combine(_fixture.Root, "enough"), "");
        }
    }

    [Theory]
    [InlineData("Z", 1, true)]
    [InlineData("Z", 2, false)]
    [InlineData("S", 1, false)]
    [InlineData("X", 1, true)]
    public void Process_whose_first_thread_has_ended_is_alive_while_another_lives(string state, int threads, bool isZombie) =>
        Assert.Equal(isZombie, ProcessTable.Parse(string.Create(CultureInfo.InvariantCulture, $"70 (a b) {state} 1 70 60 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 4711 0"))!.IsZombie);

    [Fact]
    public void What_is_below_a_process_that_has_ended_is_found()
    {
        foreach (var (id, parent, state) in new[] { (70, 60, "Z"), (71, 70, "S"), (72, 71, "S"), (80, 1, "S") })
        {
            var directory = Directory.CreateDirectory(Path.Combine(_fixture.Root, "proc", id.ToString(CultureInfo.InvariantCulture))).FullName;
            File.WriteAllText(Path.Combine(directory, "stat"), string.Create(CultureInfo.InvariantCulture, $"{id} (x) {state} {parent} {id} 60 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"));
        }
        Assert.Equal([71, 72], new ProcessTable(_fixture.Root).Descendants(60).Select(process => process.Id));
    }

    [Fact]
    public void Numbers_that_are_used_again_while_they_are_read_make_no_circle_and_no_descendant_of_itself()
    {
        // The parent of 60 has ended, and its number went to one below 60.
        foreach (var (id, parent) in new[] { (60, 70), (65, 60), (70, 65) })
        {
            var directory = Directory.CreateDirectory(Path.Combine(_fixture.Root, "proc", id.ToString(CultureInfo.InvariantCulture))).FullName;
            File.WriteAllText(Path.Combine(directory, "stat"), string.Create(CultureInfo.InvariantCulture, $"{id} (x) S {parent} {id} 60 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"));
        }
        Assert.Equal([65, 70], new ProcessTable(_fixture.Root).Descendants(60).Select(process => process.Id));
    }

    [Fact]
    public async Task Program_that_takes_proc_away_is_ended_when_its_time_is_over()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may unmount");
        var starter = new GateStarter(["/usr/bin/unshare", "--mount", "--propagation", "private", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo $$ >\"$ROOT/own\"; umount -l /proc || exit 9; trap '' TERM; while :; do sleep 1; done") with { TimeLimitSeconds = GateFixture.ShortLimit });
        Assert.Null(await starter.StartAsync(folder, Stop));
        var ended = await GateFixture.EndOfAsync(folder);

        Assert.Equal((RunEnded.TimeLimit, 137), (ended.How, ended.ExitCode));
        await _fixture.GoneAsync("own");
    }

    [Theory]
    [InlineData("t", "its process 70 is held by process 4712, which traces it (a debugger), and ends when that does")]
    [InlineData("Z", "its process 70 is held by process 4712, which traces it (a debugger), and ends when that does")]
    [InlineData("D", "1 of its processes could not be ended, the first has the id 70; only a restart of the machine ends them for certain")]
    public void What_a_debugger_holds_is_named_with_it(string state, string left)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_fixture.Root, "proc", "70")).FullName;
        File.WriteAllText(Path.Combine(directory, "stat"), $"70 (x) {state} 60 70 60 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0");
        File.WriteAllText(Path.Combine(directory, "status"), $"Name:\tx\nTracerPid:\t{(state == "D" ? 0 : 4712)}\nUid:\t0\t0\t0\t0\n");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_fixture.Root, "proc", "60", "task", "60")).FullName, "children"), "70 ");

        Assert.Equal(left, ProgramGate.Left(new ProcessTable(_fixture.Root), 60));
    }

    [Theory]
    [InlineData(4711, 60, true)]
    [InlineData(4711, 50, true)]
    [InlineData(4711, 61, false)]
    [InlineData(4712, 60, false)]
    public void Process_that_got_the_number_of_another_is_not_taken_for_it(long startTicks, int parent, bool isSame) =>
        Assert.Equal(isSame, ProcessSignal.IsSame(new ProcessEntry(70, 60, 70, 60, 4711, false), new ProcessEntry(70, parent, 71, 71, startTicks, false), adopter: 50));

    [Fact]
    public async Task Signal_reaches_the_process_that_was_seen_and_not_the_one_that_has_its_number()
    {
        using var process = System.Diagnostics.Process.Start("sleep", "1000");
        var machine = ProcessTable.OfThisMachine;
        var seen = machine.Find(process.Id)!;
        ProcessSignal.Send(machine, seen with { StartTicks = seen.StartTicks - 1 }, 0, ProgramCalls.Kill);
        Assert.False(process.HasExited);
        ProcessSignal.Send(machine, seen, 0, ProgramCalls.Kill);
        await process.WaitForExitAsync(Stop);
        Assert.Equal(137, process.ExitCode);
    }

    [Fact]
    public async Task Gate_that_somebody_has_stopped_is_told_when_its_time_is_over_and_ended_with_its_program()
    {
        var order = _fixture.Order("echo $$ >\"$ROOT/own\"; echo $PPID >\"$ROOT/gate\"; exec sleep 1000");
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);
        await GateFixture.WaitAsync(folder, _ => _fixture.Read("gate").Length > 0);
        ProgramCalls.Signal(int.Parse(_fixture.Read("gate"), CultureInfo.InvariantCulture), ProgramCalls.Stop);
        Assert.IsType<RunState.Running>(folder.Inspect(ProcessTable.OfThisMachine));

        // As if it had begun long ago.
        await folder.PrepareAsync(order with { TimeLimitSeconds = -(int)TimeSpan.FromDays(30).TotalSeconds }, Stop);
        var stuck = Assert.IsType<RunState.Stuck>(folder.Inspect(ProcessTable.OfThisMachine));
        Assert.Contains("was ended", StuckGate.End(ProcessTable.OfThisMachine, stuck.Gates), StringComparison.Ordinal);

        await GateFixture.WaitAsync(folder, state => state is RunState.Lost);
        await _fixture.GoneAsync("gate");
        await _fixture.GoneAsync("own");
    }

    [Fact]
    public async Task Content_on_a_file_system_that_executes_nothing_is_not_executed_by_a_user_either()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may mount");
        var data = Directory.CreateDirectory(Path.Combine(_fixture.Root, "data")).FullName;
        Assert.SkipUnless(ThreadCalls.Mount("capstan-test", data, "tmpfs", 8, "mode=0700") == 0, "this sandbox forbids mounts");
        try
        {
            var content = Directory.CreateDirectory(Path.Combine(data, "content")).FullName;
            var order = _fixture.Order("exit 0");
            var executable = Path.Combine(content, "setup");
            File.Copy(order.Executable, executable);
            Executable.Set(executable, (UnixFileMode)0b101_101_101);
            var ended = await _fixture.RunAsync(order with { Executable = executable, Content = content, WorkingDirectory = content, User = "nobody" });

            Assert.Equal(RunEnded.NotStarted, ended.How);
            Assert.Contains("noexec", ended.Detail, StringComparison.Ordinal);
        }
        finally
        {
            Assert.Equal(0, Unmount(data, 0));
        }
    }

    private RunOrder ForUser(string open, string script)
    {
        var order = _fixture.Order(script);
        var executable = Path.Combine(open, Path.GetFileName(order.Executable) + Guid.NewGuid().ToString("N"));
        File.Move(order.Executable, executable);
        Executable.Set(executable, (UnixFileMode)0b101_101_101);
        return order with
        {
            Executable = executable,
            WorkingDirectory = "/",
            User = "nobody",
            Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["OPEN"] = open },
        };
    }

    private const uint Unshare = 272, Mount = 165;      // x86-64

    /// <summary>From now on this thread, and what it starts, may not do some calls: EPERM, as in a container without CAP_SYS_ADMIN.</summary>
    private static unsafe int Refuse(uint first, uint second)
    {
        // seccomp(2): load the number; is it one of the two, then an error; else go on.
        var program = stackalloc ulong[]
        {
            0x20, ((ulong)first << 32) | 0x0000_0015 | (2UL << 16), ((ulong)second << 32) | 0x0000_0015 | (1UL << 16),
            0x7FFF_0000UL << 32 | 0x06, 0x0005_0001UL << 32 | 0x06,
        };
        var filter = stackalloc ulong[] { 5, (ulong)program };
        return Control(22, 2, filter) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int Control(int option, nuint mode, ulong* filter);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmount(string path, int flags);
}
