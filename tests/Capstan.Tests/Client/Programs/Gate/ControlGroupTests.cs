using System.Diagnostics;
using System.Globalization;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Groups of the kernel's (cgroup v2), where this machine lets root make some.</summary>
public sealed class ControlGroupTests : IDisposable
{
    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static string Name => $"test-{Guid.NewGuid():N}";

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Chain_of_forks_is_ended_at_once_and_nobody_else_is()
    {
        using var group = Create(Name);
        using var other = Start("exec sleep 1000");
        // Each begins the next in a session of its own, and ends; the script waits until it is in the group.
        using var first = Start("""
            read line
            cat >"$ROOT/link" <<'END'
            echo $$ >"$ROOT/last"
            [ -e "$ROOT/enough" ] || setsid sh "$ROOT/link" &
            exit 0
            END
            setsid sh "$ROOT/link" &
            """);
        try
        {
            Assert.True(group.Add(first.Id));
            await first.StandardInput.WriteLineAsync("go");
            await first.WaitForExitAsync(Stop);
            await GateFixture.UntilAsync(() => _fixture.Read("last").Length > 0, "the chain does not begin");
            await GateFixture.UntilAsync(() => group.Count != 0, "the chain is not in its group");

            group.Kill();
            await GateFixture.UntilAsync(() => group.Count == 0, "the chain goes on");
            Assert.False(other.HasExited);
        }
        finally
        {
            File.WriteAllText(Path.Combine(_fixture.Root, "enough"), "");
            other.Kill();
        }
    }

    [Fact]
    public async Task Group_that_is_there_already_is_nobodys_own()
    {
        var name = Name;
        using (var group = Create(name))
            Assert.Null(ControlGroup.Create(name));
        // Empty, it went with its owner.
        using var again = Create(name);
        using var process = Start("exec sleep 1000");
        Assert.True(again.Add(process.Id));
        again.Kill();
        await process.WaitForExitAsync(Stop);
    }

    [Fact]
    public async Task Program_is_in_a_group_of_its_own_below_that_of_its_gate_and_what_it_leaves_is_not()
    {
        using (Create(Name))
        {
        }
        var order = _fixture.Order("""
            mkfifo "$ROOT/go"
            sh -c 'echo $$ >"$ROOT/child"; echo begun >"$ROOT/begun"; read line <"$ROOT/go"' >/dev/null 2>&1 &
            while [ ! -s "$ROOT/begun" ]; do sleep 0.01; done
            echo $PPID >"$ROOT/gate"
            grep ^0:: /proc/$$/cgroup
            grep ^0:: /proc/$PPID/cgroup
            """);
        var ended = await _fixture.RunAsync(order);
        var gate = _fixture.Read("gate").Trim();
        var lines = ended.OutputHead.Split('\n');
        Assert.Equal($"{lines[1].TrimEnd('/')}/capstan-program-run-1-{gate}", lines[0]);

        // Where it would be without the group, which has gone.
        await _fixture.GoneAsync("gate");
        Assert.Contains(lines[1] + "\n", File.ReadAllText($"/proc/{_fixture.Read("child").Trim()}/cgroup"), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(_fixture.Root, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);
        await _fixture.GoneAsync("child");
    }

    [Fact]
    public void Group_whose_gate_was_killed_is_removed_by_the_next_and_one_whose_gate_lives_is_not()
    {
        using var group = Create(Name);
        var own = Path.GetDirectoryName(group.Path)!;
        // No process has the number: it is above all that there may be.
        var (left, other) = (Path.Combine(own, $"capstan-program-{Name}-999999999"), Path.Combine(own, $"capstan-program-{Name}-1"));
        Directory.CreateDirectory(left);
        Directory.CreateDirectory(other);
        try
        {
            using var next = Create(Name);
            Assert.False(Directory.Exists(left));
            Assert.True(Directory.Exists(other));
        }
        finally
        {
            Directory.Delete(other);
        }
    }

    private static ControlGroup Create(string name)
    {
        var group = ControlGroup.Create(name);
        Assert.SkipUnless(group is not null, "this machine lets nobody make a cgroup v2 here");
        return group;
    }

    private Process Start(string script)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", script.ReplaceLineEndings("\n")]) { UseShellExecute = false, RedirectStandardInput = true };
        start.Environment["ROOT"] = _fixture.Root;
        return Process.Start(start)!;
    }
}
