using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Machines that give nobody another process or thread: a program has begun as many as it may, or somebody else has.</summary>
public sealed class CrowdedMachineTests : IDisposable
{
    private readonly GateFixture _fixture = new();
    private readonly string? _group;

    public CrowdedMachineTests()
    {
        // The limit is that of a control group: root has no other. v1, or v2 where the controller is on.
        foreach (var above in new[] { "/sys/fs/cgroup/pids", "/sys/fs/cgroup" })
        {
            var group = Path.Combine(above, $"capstan-test-{Guid.NewGuid():N}");
            try
            {
                if (!File.Exists(Path.Combine(above, "cgroup.procs")))
                    continue;
                Directory.CreateDirectory(group);
                if (File.Exists(Path.Combine(group, "pids.max")))
                {
                    _group = group;
                    return;
                }
                Directory.Delete(group);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not here.
                continue;
            }
        }
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        if (_group is not null)
            File.WriteAllText(Path.Combine(_group, "pids.max"), "max");
        _fixture.Dispose();
        if (_group is not null)
            Directory.Delete(_group);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Gate_that_gets_no_thread_any_more_ends_its_program_in_time_and_writes_down_how(bool isAsked)
    {
        Assert.SkipUnless(_group is not null, "no limit of processes can be set here");
        var starter = new GateStarter(["/bin/sh", "-c", $"echo $$ >'{_group}/cgroup.procs'; exec \"$0\" \"$@\"", GateFixture.Agent, ProgramGate.Verb], systemdRun: null);
        var order = _fixture.Order("trap '' TERM; echo $PPID >\"$ROOT/gate\"; echo $$ >\"$ROOT/own\"; echo x >\"$ROOT/begun\"; exec sleep 1000") with { TimeLimitSeconds = 3 };
        var folder = await _fixture.PrepareAsync(order);
        Assert.Null(await starter.StartAsync(folder, Stop));
        await GateFixture.UntilAsync(() => _fixture.Read("begun").Length > 0, "it was not started");
        File.WriteAllText(Path.Combine(_group, "pids.max"), "1");
        if (isAsked)
            ProgramCalls.Signal(int.Parse(_fixture.Read("gate"), System.Globalization.CultureInfo.InvariantCulture), ProgramCalls.Terminate);

        var ended = await GateFixture.EndOfAsync(folder);
        Assert.Equal((RunEnded.TimeLimit, 137, null), (ended.How, ended.ExitCode, ended.Detail));
        Assert.False(_fixture.IsAlive("own"));
        await _fixture.GoneAsync("gate");
    }
}
