using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>What is asked of systemd, by programs of its tools' names. A real one: SystemdProgramTests.</summary>
public sealed class TransientUnitTests : IDisposable
{
    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Unit_is_not_ended_for_a_process_that_was_and_has_a_tree_of_groups_of_its_own()
    {
        var starter = Starter("");
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 3"));
        Assert.Null(await starter.StartAsync(folder, Stop));

        Assert.Equal(3, (await GateFixture.EndOfAsync(folder)).ExitCode);
        var words = Assert.Single(Asked());
        Assert.Contains(" --property=KillMode=process ", words, StringComparison.Ordinal);
        Assert.Contains(" --property=OOMPolicy=continue --property=Delegate= ", words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Older_systemd_that_does_not_know_all_of_it_is_asked_for_what_it_knows()
    {
        var starter = Starter("case \"$*\" in *OOMPolicy*) echo 'Unknown assignment: OOMPolicy=continue' >&2; exit 1;; esac");
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 3"));
        Assert.Null(await starter.StartAsync(folder, Stop));

        Assert.Equal(3, (await GateFixture.EndOfAsync(folder)).ExitCode);
        Assert.Equal(2, Asked().Length);
        Assert.Contains(" --property=KillMode=process ", Asked()[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Systemd_that_starts_nothing_is_quoted()
    {
        var starter = Starter("echo 'Failed to connect to bus' >&2; exit 1");
        var folder = await _fixture.PrepareAsync(_fixture.Order("exit 3"));

        Assert.Equal("systemd-run ended with 1: Failed to connect to bus", await starter.StartAsync(folder, Stop));
    }

    [Fact]
    public async Task Stuck_gate_is_ended_by_systemd_too_which_may_end_what_the_agents_sandbox_may_not()
    {
        var starter = Starter("");
        var folder = await _fixture.PrepareAsync(_fixture.Order("echo $PPID >\"$ROOT/gate\"; echo $$ >\"$ROOT/own\"; exec sleep 1000"));
        Assert.Null(await starter.StartAsync(folder, Stop));
        await GateFixture.WaitAsync(folder, _ => _fixture.Read("own").Length > 0);
        var machine = ProcessTable.OfThisMachine;
        var gate = machine.Executing(ProgramGate.Verb, folder.Path)[^1];

        Assert.Contains($"process {gate.Id}", await starter.EndAsync(machine, folder, [gate], Stop), StringComparison.Ordinal);
        Assert.EndsWith($" kill --signal=SIGKILL capstan-program-{Path.GetFileName(folder.Path)}.service", Asked()[^1], StringComparison.Ordinal);
        await _fixture.GoneAsync("gate");
        await _fixture.GoneAsync("own");
    }

    private string[] Asked() => _fixture.Read("asked").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <param name="refuses">A script that may end the tool before it starts anything.</param>
    private GateStarter Starter(string refuses)
    {
        var tools = Directory.CreateDirectory(Path.Combine(_fixture.Root, "tools")).FullName;
        foreach (var tool in new[] { "systemd-run", "systemctl" })
        {
            var path = Path.Combine(tools, tool);
            File.WriteAllText(path, $"#!/bin/sh\necho \" $*\" >>'{_fixture.Root}/asked'\n{refuses}\n[ {tool} = systemctl ] && exit 0\nwhile [ \"$1\" != -- ]; do shift; done\nshift\n\"$@\" </dev/null >/dev/null 2>&1 &\n");
            Executable.Set(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
        return new GateStarter([GateFixture.Agent, ProgramGate.Verb], Path.Combine(tools, "systemd-run"));
    }
}
