using Capstan.Client;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs;

/// <summary>When the site hears of programs, and what their loop does beside them.</summary>
public sealed class ProgramReportTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_fleet_does_at_one_moment_is_told_with_the_next_poll()
    {
        await using var fixture = await ProgramFixture.StartAsync("MSWNET");
        fixture.Script("setup.sh", "exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.Fixture.SettleAsync();
        await fixture.SettleAsync();
        Assert.Equal("succeeded", fixture.State());

        // Nobody is asked for a contact.
        Assert.NotEqual(TimeSpan.Zero, await fixture.Fixture.Client!.Loop.StepAsync(Stop));
        await fixture.Fixture.Site.DrainAsync(Stop);
        Assert.Empty(fixture.Fixture.Site.Items(Documents.ProgramsReport));

        // One wait, one contact.
        await fixture.Fixture.StepAsync();
        await fixture.Fixture.SettleAsync();
        await fixture.Fixture.Site.DrainAsync(Stop);
        Assert.Equal(ProgramState.Succeeded, Assert.Single(fixture.Fixture.Site.Items(Documents.ProgramsReport)[^1].Advertisements).State);
        Assert.Contains(fixture.Fixture.Site.Items(Documents.StatusMessage), message => message.Code == "program_succeeded");
    }

    [Fact]
    public async Task What_a_person_asked_for_is_told_at_once()
    {
        await using var fixture = await ProgramFixture.StartAsync("MSWNET");
        fixture.Script("setup.sh", "exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer() with { Purpose = Advertisement.Available });
        await fixture.SettleAsync();
        await CapstanClient.RequestProgramAsync(fixture.Fixture.Options, "aaaaaaaa", minutes: null, Stop);
        await fixture.SettleAsync();
        Assert.Equal("succeeded", fixture.State());

        await fixture.Fixture.SettleAsync();
        await fixture.Fixture.Site.DrainAsync(Stop);
        Assert.Equal(ProgramState.Succeeded, Assert.Single(fixture.Fixture.Site.Items(Documents.ProgramsReport)[^1].Advertisements).State);
    }

    [Fact]
    public async Task Content_is_brought_here_while_another_program_runs()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        var other = new PackageKey("qqqqqqqq", 1);
        fixture.Script("setup.sh", "mkfifo $ROOT/go; echo first >>$ROOT/count; read line <$ROOT/go; exit 0");
        fixture.Script("setup.sh", "echo second >>$ROOT/count", other);
        await fixture.OfferAsync(PlannedMachine.Offer() with { Priority = 5 }, PlannedMachine.Offer("bbbbbbbb", package: other.PackageId));
        await fixture.Loop.TurnAsync(Stop);

        Assert.True(fixture.Loop.ProgramRuns);
        Assert.Equal(["pppppppp-1", "qqqqqqqq-1"], fixture.Content.Fetched);
        Assert.Equal(("running", "ready queue"), (fixture.State(), fixture.State("bbbbbbbb")));
        await File.WriteAllTextAsync(Path.Combine(fixture.Root, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);
        await fixture.SettleAsync();
        Assert.Equal(("first\nsecond\n", "succeeded", "succeeded"), (fixture.Read("count"), fixture.State(), fixture.State("bbbbbbbb")));
    }

    [Fact]
    public async Task Content_that_cannot_be_had_is_tried_again_with_other_settings_and_once_a_day()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "exit 0");
        fixture.Content.Answers = _ => new ContentOutcome.Impossible("it has 30 bytes, and cache.size is 20; raise cache.size");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.SettleAsync();
        Assert.Equal("waiting content", fixture.State());
        Assert.Equal(fixture.Fixture.Time.GetUtcNow().AddDays(1), fixture.Ledger.Told()["aaaaaaaa"].Next);

        fixture.Fixture.Time.Advance(TimeSpan.FromDays(1));
        await fixture.SettleAsync();
        Assert.Equal(2, fixture.Content.Fetched.Count);

        fixture.Content.Answers = _ => null;
        await fixture.SetAsync(SettingDefinition.CacheSize, "20000000");
        await fixture.SettleAsync();
        Assert.Equal("succeeded", fixture.State());
    }

    [Fact]
    public async Task What_was_noted_by_a_clock_that_was_wrong_counts_as_now()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        var now = fixture.Fixture.Time.GetUtcNow();
        fixture.Fixture.Time.Jump(new DateTimeOffset(2035, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var offer = PlannedMachine.Offer(rules: rules => rules with { NoticeSeconds = 60 });
        var run = new LedgerRun
        {
            Id = "pppppppp-1-of-2035",
            Program = ProgramKey.Of(offer.Offer),
            Number = 1,
            PackageVersion = 1,
            AdvertisementId = "aaaaaaaa",
            Revision = 1,
            Occasion = 0,
            BootId = "a boot",
            StartedAt = fixture.Fixture.Time.GetUtcNow(),
            EndedAt = fixture.Fixture.Time.GetUtcNow(),
            Outcome = ProgramRun.Retry,
            ExitCode = 75,
        };
        fixture.Ledger.Begin(run, offer.Offer.Program);
        fixture.Ledger.End(run);
        await fixture.OfferAsync(offer);
        fixture.Ledger.Notice("aaaaaaaa", fixture.Fixture.Time.GetUtcNow());
        fixture.Users.Add("ada");

        fixture.Fixture.Time.Jump(now);
        await fixture.SettleAsync();
        Assert.Equal(("waiting retry", now.AddSeconds(600).ToUnixTimeMilliseconds()), (fixture.State(), fixture.Ledger.Told()["aaaaaaaa"].Next?.ToUnixTimeMilliseconds()));
        fixture.Fixture.Time.Advance(TimeSpan.FromSeconds(600));
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "ran\n"), (fixture.State(), fixture.Read("count")));
    }

    [Fact]
    public async Task Progress_is_written_every_ten_seconds_and_at_the_end()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        await fixture.OfferAsync(PlannedMachine.Offer() with { StartAt = fixture.Fixture.Time.GetUtcNow().AddDays(1).ToUnixTimeSeconds() });
        await fixture.SettleAsync();
        var note = new ContentNote("aaaaaaaa", fixture.Ledger, fixture.Fixture.Time);
        long? Here() => fixture.Ledger.Told()["aaaaaaaa"].HereBytes;

        note.Report(new ContentProgress(1, 100, "the CAP"));
        for (var here = 2; here < 50; here++)
            note.Report(new ContentProgress(here, 100, "the CAP"));
        Assert.Equal(1, Here());
        fixture.Fixture.Time.Advance(TimeSpan.FromSeconds(10));
        note.Report(new ContentProgress(50, 100, "the CAP"));
        Assert.Equal(50, Here());
        note.Report(new ContentProgress(100, 100, null));
        note.Flush();
        Assert.Equal((100, "the CAP"), (Here(), fixture.Ledger.Told()["aaaaaaaa"].Source));
    }

    [Fact]
    public async Task Content_that_came_for_another_one_is_here_for_both()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer(), PlannedMachine.Offer("bbbbbbbb", program: "other"));
        await fixture.SettleAsync();

        Assert.Equal(["pppppppp-1"], fixture.Content.Fetched);
        Assert.All((await fixture.ReportAsync()).Advertisements, state => Assert.Equal((ProgramState.Succeeded, 10, 10), (state.State, state.HereBytes, state.TotalBytes)));
    }

    [Fact]
    public async Task Restart_that_does_not_come_lets_the_others_go_on()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        var other = new PackageKey("qqqqqqqq", 1);
        fixture.Script("setup.sh", "exit 194");
        fixture.Script("setup.sh", "echo second >>$ROOT/count", other);
        await fixture.OfferAsync(PlannedMachine.Offer(rules: rules => rules with { AfterRun = ProgramRules.Reboot }) with { Priority = 5 }, PlannedMachine.Offer("bbbbbbbb", package: other.PackageId));
        await fixture.SettleAsync();
        Assert.Equal((1, "", "pending-reboot reboot"), (fixture.Restarts, fixture.Read("count"), fixture.State()));

        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await fixture.SettleAsync();
        Assert.Equal(("second\n", "pending-reboot trouble", "succeeded"), (fixture.Read("count"), fixture.State(), fixture.State("bbbbbbbb")));
    }
}
