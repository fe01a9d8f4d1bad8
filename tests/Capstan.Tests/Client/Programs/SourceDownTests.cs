using Capstan.Client;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

/// <summary>The share from which a program is to come is away for hours, and comes back.</summary>
public sealed class SourceDownTests
{
    [Fact]
    public async Task Share_that_is_down_for_six_hours_is_asked_seldom_and_named_and_the_program_runs_by_itself_when_it_is_back()
    {
        await using var program = await PackagedProgram.StartAsync();
        await program.OfferAsync("echo ran >>$ROOT/count");
        var (fixture, time) = (program.Fixture, program.Fixture.Time);
        fixture.Provider.Refuse = "server cannot be reached: there is no route to it";
        var before = fixture.Provider.Attempts;
        var gaps = new List<TimeSpan>();
        var (asked, at) = (before, time.GetUtcNow());
        await program.PassAsync(TimeSpan.FromHours(6), () =>
        {
            if (fixture.Provider.Attempts == asked)
                return;
            gaps.Add(time.GetUtcNow() - at);
            (asked, at) = (fixture.Provider.Attempts, time.GetUtcNow());
        });

        // Content and contacts have pauses of their own, drawn between 5 s and three times the one before, a quarter of an hour at most; neither gives up.
        Assert.InRange(fixture.Provider.Attempts - before, 2 * 24, 2 * 120);
        Assert.All(gaps, gap => Assert.InRange(gap, TimeSpan.Zero, TimeSpan.FromMinutes(16)));
        Assert.Equal(("waiting content", ""), (program.State(), program.Read("count")));
        var why = Assert.Single(await CapstanClient.ReadProgramsAsync(fixture.Options, TestContext.Current.CancellationToken));
        var waits = Assert.Single(why.Facts, fact => fact.Name == "content waits").Value;
        Assert.Contains("server cannot be reached: there is no route to it", waits, StringComparison.Ordinal);
        Assert.Contains("; next try ", waits, StringComparison.Ordinal);
        Assert.InRange(why.Next!.Value - time.GetUtcNow(), TimeSpan.Zero, TimeSpan.FromMinutes(15));

        fixture.Provider.Refuse = null;
        await program.PassAsync(TimeSpan.FromMinutes(16));
        Assert.Equal(("succeeded", "ran\n"), (program.State(), program.Read("count")));
        var told = await program.ToldAsync();
        Assert.Equal((ProgramState.Succeeded, ProgramRun.Success, 1L), (told.State, told.LastRun!.Outcome, told.LastRun.Number));
    }

    [Fact]
    public async Task Agent_that_was_started_anew_reads_content_with_its_accounts_before_its_next_contact()
    {
        await using var program = await PackagedProgram.StartAsync(new AccountSecret("capa", "secret"));
        await program.OfferAsync("echo ran >>$ROOT/count");
        await program.RestartAsync();
        await program.TurnAsync();
        Assert.Equal(("succeeded", "ran\n"), (program.State(), program.Read("count")));
    }
}
