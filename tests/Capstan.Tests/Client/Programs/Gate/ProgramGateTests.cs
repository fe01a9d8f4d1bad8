using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Real gates around real programs that do what programs do.</summary>
public sealed class ProgramGateTests : IDisposable
{
    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(194)]
    public async Task Exit_code_and_output_are_kept(int code)
    {
        var ended = await _fixture.RunAsync(_fixture.Order(string.Create(CultureInfo.InvariantCulture, $"echo one; echo two >&2; exit {code}")));

        Assert.Equal((RunEnded.Exited, code, "one\ntwo\n", "", 8L), (ended.How, ended.ExitCode, ended.OutputHead, ended.OutputTail, ended.OutputBytes));
    }

    [Fact]
    public async Task Program_that_a_signal_ends_has_128_and_its_number()
    {
        var ended = await _fixture.RunAsync(_fixture.Order("kill -SEGV $$"));

        Assert.Equal((RunEnded.Exited, 139), (ended.How, ended.ExitCode));
    }

    [Fact]
    public async Task Program_gets_its_arguments_environment_and_directory_and_nothing_else()
    {
        var order = _fixture.Order("""
            pwd
            for word; do echo "[$word]"; done
            tr '\0' '\n' </proc/$$/environ | sort
            ls /proc/self/fd
            readlink /proc/$$/fd/0
            """);
        var ended = await _fixture.RunAsync(order with { Arguments = ["a b", "", "$HOME", "c\nd"], Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["X"] = "1 2" } });

        // 3 is the directory that is listed.
        Assert.Equal($"{_fixture.Root}\n[a b]\n[]\n[$HOME]\n[c\nd]\nPATH=/usr/bin:/bin\nX=1 2\n0\n1\n2\n3\n/dev/null\n", ended.OutputHead);
    }

    [Fact]
    public async Task Program_that_never_ends_is_ended_with_all_that_it_started()
    {
        // It ignores to be asked, its child has a session of its own, and its grandchild lost its parent.
        var order = _fixture.Order("""
            trap '' TERM
            echo $$ >"$ROOT/own"
            setsid sh -c 'trap "" TERM; echo $$ >"$ROOT/child"; (sh -c "echo \$\$ >\"$ROOT/grandchild\"; exec sleep 1000" &) ; exec sleep 1000' &
            while :; do sleep 1; done
            """);
        var ended = await _fixture.RunAsync(order with { TimeLimitSeconds = GateFixture.ShortLimit });

        Assert.Equal((RunEnded.TimeLimit, 137, null), (ended.How, ended.ExitCode, ended.Detail));
        foreach (var name in new[] { "own", "child", "grandchild" })
            Assert.False(_fixture.IsAlive(name), name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Program_that_forks_and_exits_has_ended_when_its_order_says(bool waitsForChildren)
    {
        // The child goes on until it is let go: by the test when the run must end without it.
        var order = _fixture.Order("""
            mkfifo "$ROOT/go"
            sh -c 'echo $$ >"$ROOT/child"; echo begun >"$ROOT/begun"; read line <"$ROOT/go"; echo done >"$ROOT/done"' >/dev/null 2>&1 &
            while [ ! -s "$ROOT/begun" ]; do sleep 0.01; done
            exit 5
            """) with { WaitsForChildren = waitsForChildren };
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);
        RunEnded ended;
        if (waitsForChildren)
        {
            await GateFixture.WaitAsync(folder, state => state is RunState.Running && _fixture.Read("begun").Length > 0);
            Assert.IsType<RunState.Running>(folder.Inspect(ProcessTable.OfThisMachine));
            await LetGoAsync();
            ended = await GateFixture.EndOfAsync(folder);
            Assert.Equal("done\n", _fixture.Read("done"));
        }
        else
        {
            ended = await GateFixture.EndOfAsync(folder);
            Assert.True(_fixture.IsAlive("child"));
            await LetGoAsync();
            await _fixture.GoneAsync("child");
        }
        Assert.Equal((RunEnded.Exited, 5), (ended.How, ended.ExitCode));
    }

    [Fact]
    public async Task Program_that_deletes_its_own_directory_still_has_a_result()
    {
        var content = Directory.CreateDirectory(Path.Combine(_fixture.Root, "content")).FullName;
        var ended = await _fixture.RunAsync(_fixture.Order("rm -rf \"$ROOT/content\"; exit 4") with { WorkingDirectory = content });

        Assert.Equal((RunEnded.Exited, 4), (ended.How, ended.ExitCode));
        Assert.False(Directory.Exists(content));
    }

    [Fact]
    public async Task Program_that_deletes_its_runs_directory_leaves_no_result_and_no_gate()
    {
        var order = _fixture.Order("echo $PPID >\"$ROOT/gate\"; rm -rf \"$ROOT\"/run-*; exit 4");
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);

        Assert.IsType<RunState.Missing>(await GateFixture.WaitAsync(folder, state => state is RunState.Missing && _fixture.Read("gate").Length > 0));
        await _fixture.GoneAsync("gate");
    }

    [Fact]
    public async Task Gigabyte_of_output_is_read_to_its_end_and_kept_in_bounded_memory()
    {
        // What the gate had at most stands in its own status, which the program reads before it ends.
        var ended = await _fixture.RunAsync(_fixture.Order("""
            echo begin
            head -c 1000000000 /dev/zero
            grep VmHWM /proc/$PPID/status
            """));

        Assert.Equal((RunEnded.Exited, 0), (ended.How, ended.ExitCode));
        Assert.InRange(ended.OutputBytes, 1_000_000_006, 1_000_000_100);
        Assert.StartsWith("begin\n", ended.OutputHead, StringComparison.Ordinal);
        Assert.Equal((ProgramGate.OutputLimit, ProgramGate.OutputLimit), (ended.OutputHead.Length, ended.OutputTail.Length));
        var peak = ended.OutputTail.Split("VmHWM:")[1].Trim().Split(' ')[0];
        Assert.InRange(long.Parse(peak, CultureInfo.InvariantCulture), 1, 150_000);
    }

    [Theory]
    [InlineData("missing", "there is no file")]
    [InlineData("not executable", "no permission")]
    [InlineData("no program", "is no program for this machine")]
    [InlineData("no interpreter", "names an interpreter that is not there")]
    [InlineData("no directory", "its working directory")]
    public async Task Program_that_cannot_start_says_why(string what, string cause)
    {
        var order = _fixture.Order("exit 0");
        switch (what)
        {
            case "missing": File.Delete(order.Executable); break;
            case "not executable": Executable.Set(order.Executable, UnixFileMode.UserRead); break;
            case "no program": Overwrite(order.Executable, "nothing"); break;
            case "no interpreter": Overwrite(order.Executable, "#!/nowhere/sh\n"); break;
            default: order = order with { WorkingDirectory = Path.Combine(_fixture.Root, "nowhere") }; break;
        }
        var ended = await _fixture.RunAsync(order);

        Assert.Equal((RunEnded.NotStarted, null), (ended.How, ended.ExitCode));
        Assert.Contains(cause, ended.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gate_that_is_told_to_end_stays_until_its_program_has_ended()
    {
        var order = _fixture.Order("mkfifo \"$ROOT/go\"; echo $PPID >\"$ROOT/gate\"; echo x >\"$ROOT/begun\"; read line <\"$ROOT/go\"; exit 6");
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);
        await GateFixture.WaitAsync(folder, state => state is RunState.Running && _fixture.Read("begun").Length > 0);
        ProgramCalls.Signal(int.Parse(_fixture.Read("gate"), CultureInfo.InvariantCulture), ProgramCalls.Terminate);
        await LetGoAsync();

        Assert.Equal(6, (await GateFixture.EndOfAsync(folder)).ExitCode);
    }

    [Fact]
    public async Task Program_finds_what_a_login_of_root_has_whatever_started_its_gate()
    {
        var starter = new GateStarter(["/bin/sh", "-c", "trap '' CHLD HUP PIPE; umask 077; exec nice -n 5 \"$0\" \"$@\"", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
        var folder = await _fixture.PrepareAsync(_fixture.Order("umask; nice; ulimit -Sn; sed -n 's/SigIgn:.//p' /proc/$$/status; exit 7"));
        Assert.Null(await starter.StartAsync(folder, Stop));
        var ended = await GateFixture.EndOfAsync(folder);

        Assert.Equal((RunEnded.Exited, 7), (ended.How, ended.ExitCode));
        var lines = ended.OutputHead.Split('\n');
        Assert.Equal(["0022", Environment.IsPrivilegedProcess ? "0" : "5", "1024"], lines[..3]);
        // Two signals above 31 are the C library's own.
        Assert.Equal(0UL, ulong.Parse(lines[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture) & 0x7FFF_FFFF);
    }

    [Fact]
    public async Task Daemon_that_a_program_leaves_may_print_when_its_gate_is_gone()
    {
        // As an installer's: with the installer's own output.
        var order = _fixture.Order("""
            mkfifo "$ROOT/go"
            echo $PPID >"$ROOT/gate"
            (read line <"$ROOT/go"; echo one; head -c 300000 /dev/zero; echo two; echo done >"$ROOT/done") &
            echo $! >"$ROOT/child"
            """);
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);
        Assert.Equal(0, (await GateFixture.EndOfAsync(folder)).ExitCode);
        await _fixture.GoneAsync("gate");
        await LetGoAsync();
        await _fixture.GoneAsync("child");

        Assert.Equal("done\n", _fixture.Read("done"));
    }

    [Fact]
    public async Task Program_whose_gate_is_killed_prints_on_and_ends_by_itself()
    {
        var order = _fixture.Order("""
            mkfifo "$ROOT/go"
            echo $PPID >"$ROOT/gate"; echo $$ >"$ROOT/own"; echo x >"$ROOT/begun"
            read line <"$ROOT/go"; echo one; head -c 300000 /dev/zero; echo two; echo done >"$ROOT/done"
            """);
        var folder = await _fixture.PrepareAsync(order);
        await _fixture.StartAsync(folder);
        await GateFixture.WaitAsync(folder, _ => _fixture.Read("begun").Length > 0);
        _fixture.Kill("gate");
        await _fixture.GoneAsync("gate");
        await LetGoAsync();
        await _fixture.GoneAsync("own");

        Assert.Equal("done\n", _fixture.Read("done"));
    }

    [Fact]
    public async Task Gate_that_cannot_write_its_start_leaves_its_last_words()
    {
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo ran >\"$ROOT/count\""));
        File.CreateSymbolicLink(Path.Combine(folder.Path, RunFolder.StartedFile), "nowhere");
        await _fixture.StartAsync(folder);
        await GateFixture.WaitAsync(folder, _ => folder.Failure() is not null);

        Assert.Contains(RunFolder.StartedFile, folder.Failure(), StringComparison.Ordinal);
        Assert.Equal("", _fixture.Read("count"));
    }

    [Fact]
    public async Task Order_that_a_newer_client_has_written_so_that_no_older_gate_carries_it_out_is_not_carried_out()
    {
        var ended = await _fixture.RunAsync(_fixture.Order("echo ran >\"$ROOT/count\"") with { Version = RunOrder.Known + 1 });

        Assert.Equal((RunEnded.NotStarted, null), (ended.How, ended.ExitCode));
        Assert.Contains("of a newer client", ended.Detail, StringComparison.Ordinal);
        Assert.Equal("", _fixture.Read("count"));
    }

    [Fact]
    public async Task Kernel_that_lacks_memory_ends_a_gate_last_and_its_program_as_any_other()
    {
        const string Score = "/proc/self/oom_score_adj";
        var own = (await File.ReadAllTextAsync(Score, Stop)).Trim();
        // In containers, and for users, there is no right to it.
        using var asks = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c", $"echo -999 >{Score}"]) { UseShellExecute = false, RedirectStandardError = true })!;
        await asks.WaitForExitAsync(Stop);
        var ended = await _fixture.RunAsync(_fixture.Order("cat /proc/$PPID/oom_score_adj /proc/$$/oom_score_adj"));

        Assert.Equal($"{(asks.ExitCode == 0 ? "-999" : own)}\n{own}\n", ended.OutputHead);
    }

    [Fact]
    public async Task Gate_asks_to_be_ended_last_when_its_program_is_about_to_begin()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may mount");
        // Whether the kernel may be asked or not: a file stands for what it is told.
        var score = Path.Combine(_fixture.Root, "score");
        await File.WriteAllTextAsync(score, "", Stop);
        var starter = new GateStarter(["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", $"mount --bind '{score}' /proc/$$/oom_score_adj && exec \"$0\" \"$@\"", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 3"));
        Assert.Null(await starter.StartAsync(folder, Stop));

        Assert.Equal(3, (await GateFixture.EndOfAsync(folder)).ExitCode);
        Assert.Equal("-999", _fixture.Read("score"));
    }

    /// <summary>Opening the other end of a pipe waits for its reader: bounded by the test's own time.</summary>
    private async Task LetGoAsync() =>
        await File.WriteAllTextAsync(Path.Combine(_fixture.Root, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);

    private static void Overwrite(string path, string text)
    {
        File.Delete(path);
        File.WriteAllText(path, text);
        Executable.Set(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }
}
