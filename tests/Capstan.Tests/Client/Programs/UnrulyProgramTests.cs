using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

/// <summary>Programs that do what they should not, and clocks that do: through the whole client, with content that was brought here.</summary>
public sealed class UnrulyProgramTests
{
    [Fact]
    public async Task Program_that_deletes_its_own_directory_has_succeeded_and_its_next_version_comes_whole()
    {
        await using var program = await PackagedProgram.StartAsync();
        await program.OfferAsync("rm -rf \"$CAPSTAN_CONTENT\"; echo one >>$ROOT/count", rules => rules with { Rerun = ProgramRules.OnNewVersion });
        await program.SettleAsync();
        Assert.Equal(("succeeded", "one\n"), (program.State(), program.Read("count")));

        await program.OfferAsync("echo two >>$ROOT/count", rules => rules with { Rerun = ProgramRules.OnNewVersion }, version: 2, revision: 2);
        await program.SettleAsync();
        Assert.Equal(("succeeded", "one\ntwo\n"), (program.State(), program.Read("count")));
    }

    [Fact]
    public async Task Program_that_changes_its_own_directory_is_mended_before_it_runs_again()
    {
        await using var program = await PackagedProgram.StartAsync();
        await program.OfferAsync("echo ran >>$ROOT/count; echo 'echo worse >>'$ROOT'/count' >>\"$CAPSTAN_CONTENT/setup.sh\"; chmod 777 \"$CAPSTAN_CONTENT/data\"; exit 75");
        await program.SettleAsync();
        Assert.Equal(("waiting retry", "ran\n"), (program.State(), program.Read("count")));
        await program.PassAsync(TimeSpan.FromMinutes(11));
        Assert.Equal("ran\nran\n", program.Read("count"));
    }

    [Theory]
    [InlineData(ProgramRules.Never, 1, "unknown unknown")]
    [InlineData(ProgramRules.IfFailed, 3, "unknown unknown")]
    public async Task Program_that_takes_the_machine_down_each_time_does_so_as_often_as_its_rule_allows(string rerun, int times, string state)
    {
        await using var program = await PackagedProgram.StartAsync();
        // Gate and program end as in a power cut: nobody writes down how.
        await program.OfferAsync("echo ran >>$ROOT/count; kill -9 $PPID $$", rules => rules with { Rerun = rerun });
        for (var hour = 0; hour < 3; hour++)
            await program.PassAsync(TimeSpan.FromHours(1));
        Assert.Equal((state, times), (program.State(), program.Read("count").Split('\n').Length - 1));
        Assert.Equal(ProgramRun.Unknown, (await program.ToldAsync()).LastRun!.Outcome);
    }

    [Fact]
    public async Task Machine_is_started_anew_once_for_a_program_that_asks_for_it()
    {
        await using var program = await PackagedProgram.StartAsync();
        // Of 3010 this system leaves the lowest eight bits.
        await program.OfferAsync("echo ran >>$ROOT/count; exit 194", rules => rules with { AfterRun = ProgramRules.Reboot });
        for (var look = 0; look < 3; look++)
            await program.SettleAsync();
        Assert.Equal(("pending-reboot reboot", "ran\n", 1), (program.State(), program.Read("count"), program.Restarts));
        Assert.Equal(ProgramRun.SuccessReboot, (await program.ToldAsync()).LastRun!.Outcome);
    }

    [Fact]
    public async Task Clock_that_goes_years_forward_and_back_runs_nothing_twice_and_holds_nothing_up()
    {
        await using var program = await PackagedProgram.StartAsync();
        var time = program.Fixture.Time;
        // The gate has a clock of its own: what it writes down is hours away from the client's in any case.
        await program.OfferAsync("echo ran >>$ROOT/count; exit 75", rules => rules with { Rerun = ProgramRules.OnNewVersion });
        await program.SettleAsync();
        Assert.Equal(("waiting retry", "ran\n"), (program.State(), program.Read("count")));
        var right = time.GetUtcNow();
        time.Jump(right.AddYears(9));
        await program.PassAsync(TimeSpan.FromHours(1));
        Assert.Equal(("failed exit-code", "ran\nran\nran\n"), (program.State(), program.Read("count")));
        time.Jump(right.AddHours(1));
        await program.PassAsync(TimeSpan.FromHours(1));
        Assert.Equal(("failed exit-code", "ran\nran\nran\n"), (program.State(), program.Read("count")));

        await program.OfferAsync("echo two >>$ROOT/count", rules => rules with { Rerun = ProgramRules.OnNewVersion }, version: 2, revision: 2);
        await program.PassAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(("succeeded", "ran\nran\nran\ntwo\n"), (program.State(), program.Read("count")));
    }

    [Fact]
    public async Task Program_that_leaves_a_process_behind_has_ended_when_it_has_itself_and_another_runs_meanwhile()
    {
        await using var program = await PackagedProgram.StartAsync();
        await program.OfferAsync("mkfifo $ROOT/go; setsid sh -c \"echo \\$\\$ >$ROOT/left; read line <$ROOT/go\" >/dev/null 2>&1 & while [ ! -s $ROOT/left ]; do sleep 0.01; done; echo one >>$ROOT/count", rules => rules with { Rerun = ProgramRules.OnNewVersion });
        await program.SettleAsync();
        Assert.Equal(("succeeded", "one\n"), (program.State(), program.Read("count")));
        Assert.True(Directory.Exists($"/proc/{program.Read("left").Trim()}"), "what it left behind is its own affair");

        await program.OfferAsync("echo two >>$ROOT/count; echo go >$ROOT/go", rules => rules with { Rerun = ProgramRules.OnNewVersion }, version: 2, revision: 2);
        await program.SettleAsync();
        Assert.Equal("one\ntwo\n", program.Read("count"));
    }

    [Fact]
    public async Task Program_that_never_ends_is_ended_and_the_next_one_runs()
    {
        await using var program = await PackagedProgram.StartAsync();
        await program.OfferAsync("trap '' TERM; echo one >>$ROOT/count; while :; do sleep 1; done", rules => rules with { TimeLimitSeconds = 10, Rerun = ProgramRules.OnNewVersion });
        await program.SettleAsync();
        Assert.Equal(("failed time-limit", "one\n"), (program.State(), program.Read("count")));
        await program.OfferAsync("echo two >>$ROOT/count", rules => rules with { Rerun = ProgramRules.OnNewVersion }, version: 2, revision: 2);
        await program.SettleAsync();
        Assert.Equal(("succeeded", "one\ntwo\n"), (program.State(), program.Read("count")));
    }
}
