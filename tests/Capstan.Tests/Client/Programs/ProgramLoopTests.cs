using Capstan.Client;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Client.Programs.Gate;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Client.Programs.Gate;

namespace Capstan.Tests.Client.Programs;

/// <summary>From verified orders to a program that ran and a report: the client, its ledger, and real processes.</summary>
public sealed class ProgramLoopTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Offered_program_is_brought_here_run_once_and_reported()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo $CAPSTAN_PROGRAM $CAPSTAN_ADVERTISEMENT >>$ROOT/count; pwd; exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.SettleAsync();
        await fixture.SettleAsync();

        Assert.Equal("install aaaaaaaa\n", fixture.Read("count"));
        Assert.Equal("succeeded", fixture.State());
        // Done with, it may go from the cache.
        Assert.Empty(fixture.Content.Pinned);
        var state = Assert.Single((await fixture.ReportAsync()).Advertisements);
        Assert.Equal(("aaaaaaaa", 1L, ProgramState.Succeeded, ProgramRun.Success, 0), (state.AdvertisementId, state.Revision, state.State, state.LastRun!.Outcome, state.LastRun.ExitCode));
        Assert.Equal((10L, 10L, "the CAP"), (state.HereBytes, state.TotalBytes, state.Source));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(fixture.Fixture.Options.Directory, "programs", "runs")));
        Assert.Equal(["program_started", "program_succeeded"], fixture.Fixture.Site.Items(Documents.StatusMessage).Where(message => message.Component == "APM").Select(message => message.Code).Order());
    }

    [Fact]
    public async Task Program_that_was_begun_for_another_site_keeps_its_directory_and_the_next_one_waits_for_it()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        var runs = Path.Combine(fixture.Fixture.Options.Directory, "programs", "runs");
        using var other = new GateFixture();
        var stranger = new RunFolder(Path.Combine(Directory.CreateDirectory(runs).FullName, "qqqqqqqq-1-other"));
        await stranger.PrepareAsync(other.Order("until [ -e \"$ROOT/go\" ]; do sleep 0.1; done"), Stop);
        await other.StartAsync(stranger);
        await GateFixture.WaitAsync(stranger, state => state is RunState.Running({ }));

        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.Loop.TurnAsync(Stop);
        Assert.Equal([stranger.Path], Directory.EnumerateFileSystemEntries(runs));
        Assert.Equal("", fixture.Read("count"));

        await File.WriteAllTextAsync(Path.Combine(other.Root, "go"), "", Stop);
        await GateFixture.EndOfAsync(stranger);
        await fixture.ReopenAsync();
        await fixture.SettleAsync();

        Assert.Equal("ran\n", fixture.Read("count"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(runs));
    }

    [Fact]
    public async Task Failure_is_reported_with_its_code_and_the_end_of_its_output()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo no room; exit 9");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.SettleAsync();

        Assert.Equal("failed exit-code", fixture.State());
        var state = Assert.Single((await fixture.ReportAsync()).Advertisements);
        Assert.Equal((ProgramRun.Failure, 9, "no room"), (state.LastRun!.Outcome, state.LastRun.ExitCode, state.LastRun.Output));
        Assert.Contains(fixture.Fixture.Site.Items(Documents.StatusMessage), message => message.Code == "program_failed" && message.Text.Contains("no room", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("order")]
    [InlineData("ledger")]
    [InlineData("gate")]
    [InlineData("started")]
    [InlineData("end")]
    [InlineData("remove")]
    public async Task Client_that_ends_before_any_step_of_a_run_runs_the_program_once(string at)
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        fixture.Fixture.Passing = step =>
        {
            if (step == at)
                throw new InvalidOperationException("the client ends here");
        };
        await fixture.ReopenAsync();
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.Loop.TurnAsync(Stop);
        await fixture.Loop.RunEndsAsync().WaitAsync(Patience.Limit, Stop);
        await fixture.Loop.TurnAsync(Stop);
        fixture.Fixture.Passing = null;
        await fixture.ReopenAsync();
        await fixture.SettleAsync();

        Assert.Equal("ran\n", fixture.Read("count"));
        Assert.Equal("succeeded", fixture.State());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(fixture.Fixture.Options.Directory, "programs", "runs")));
    }

    [Fact]
    public async Task Client_that_comes_back_finds_a_program_that_still_runs()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "mkfifo $ROOT/go; echo ran >>$ROOT/count; read line <$ROOT/go; exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.Loop.TurnAsync(Stop);
        Assert.True(fixture.Loop.ProgramRuns);
        await fixture.ReopenAsync();
        await fixture.Loop.TurnAsync(Stop);
        Assert.Equal("running", fixture.State());
        await File.WriteAllTextAsync(Path.Combine(fixture.Root, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);
        await fixture.SettleAsync();

        Assert.Equal(("ran\n", "succeeded"), (fixture.Read("count"), fixture.State()));
    }

    [Fact]
    public async Task Content_that_is_offered_no_more_while_it_comes_is_left_and_that_of_another_version_comes_in_its_place()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        var never = new TaskCompletionSource();
        fixture.Content.Held = never.Task;
        fixture.Script("setup.sh", "echo one >>$ROOT/count");
        fixture.Script("setup.sh", "echo two >>$ROOT/count", new PackageKey("pppppppp", 2));
        await fixture.OfferAsync(PlannedMachine.Offer());
        var turning = fixture.Loop.TurnAsync(Stop);
        await fixture.ListAsync();
        await turning.WaitAsync(Patience.Limit, TimeProvider.System, Stop);
        Assert.Equal(("unknown here", "pppppppp-1"), (fixture.State(), Assert.Single(fixture.Content.Fetched)));

        await fixture.OfferAsync(PlannedMachine.Offer() with { Revision = 2 });
        turning = fixture.Loop.TurnAsync(Stop);
        Assert.False(turning.IsCompleted);
        fixture.Content.Held = Task.CompletedTask;
        await fixture.OfferAsync(PlannedMachine.Offer(version: 2) with { Revision = 3 });
        await turning.WaitAsync(Patience.Limit, TimeProvider.System, Stop);
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "two\n"), (fixture.State(), fixture.Read("count")));
        Assert.Equal(["pppppppp-1", "pppppppp-1", "pppppppp-2"], fixture.Content.Fetched);
    }

    [Fact]
    public async Task Content_of_a_program_that_runs_stays_when_another_version_is_offered_meanwhile()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "mkfifo $ROOT/go; read line <$ROOT/go; exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.Loop.TurnAsync(Stop);
        Assert.True(fixture.Loop.ProgramRuns);
        await fixture.OfferAsync(PlannedMachine.Offer(version: 2) with { Revision = 2 });
        await fixture.Loop.TurnAsync(Stop);
        Assert.Equal([ProgramFixture.One, new PackageKey("pppppppp", 2)], fixture.Content.Pinned);
        await fixture.ListAsync();
        await fixture.Loop.TurnAsync(Stop);
        Assert.Contains(ProgramFixture.One, fixture.Content.Pinned);
        await File.WriteAllTextAsync(Path.Combine(fixture.Root, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);
        await fixture.SettleAsync();
        Assert.Empty(fixture.Content.Pinned);
    }

    [Fact]
    public async Task Content_that_takes_a_program_away_stays_until_it_has_although_another_version_was_offered_last()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo in >>$ROOT/count");
        fixture.Script("remove.sh", "echo out >>$ROOT/count");
        var offer = PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } });
        await fixture.OfferAsync(offer);
        await fixture.SettleAsync();
        // Never run: it begins tomorrow.
        await fixture.OfferAsync(offer with { Revision = 2, StartAt = fixture.Fixture.Time.GetUtcNow().AddDays(1).ToUnixTimeSeconds(), Offer = offer.Offer with { PackageVersion = 2 } });
        await fixture.SettleAsync();
        await fixture.ListAsync();
        await fixture.SettleAsync();
        Assert.Contains(ProgramFixture.One, fixture.Content.Pinned);
        fixture.Fixture.Time.Advance(TimeSpan.FromHours(1));
        await fixture.SettleAsync();
        Assert.Equal("in\nout\n", fixture.Read("count"));
        Assert.Empty(fixture.Content.Pinned);
    }

    [Fact]
    public async Task Content_that_cannot_be_had_waits_and_holds_up_nothing_else()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        var other = new PackageKey("qqqqqqqq", 1);
        fixture.Script("setup.sh", "echo other >>$ROOT/count", other);
        fixture.Script("setup.sh", "echo first >>$ROOT/count");
        fixture.Content.Answers = package => package == ProgramFixture.One ? new ContentOutcome.Waits("no CAP has it", TimeSpan.FromMinutes(10)) : null;
        await fixture.OfferAsync(PlannedMachine.Offer() with { Priority = 9 }, PlannedMachine.Offer("bbbbbbbb", package: "qqqqqqqq"));
        await fixture.SettleAsync();
        Assert.Equal(("waiting content", "succeeded", "other\n"), (fixture.State(), fixture.State("bbbbbbbb"), fixture.Read("count")));

        fixture.Content.Answers = _ => null;
        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "other\nfirst\n"), (fixture.State(), fixture.Read("count")));
    }

    [Fact]
    public async Task Content_that_was_damaged_is_mended_before_it_is_run()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        fixture.Content.Answers = _ => new ContentOutcome.Waits("not yet", TimeSpan.FromMinutes(10));
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.SettleAsync();
        var brought = 0;
        fixture.Content.Answers = _ =>
        {
            if (brought++ == 0)
                fixture.Content.Fault = "setup.sh is another";
            return null;
        };
        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        // The fault is found at the first verification; bringing it again mends it.
        await fixture.SettleAsync();

        Assert.Equal(("ran\n", "succeeded"), (fixture.Read("count"), fixture.State()));
    }

    [Theory]
    [InlineData("not a document")]
    [InlineData("of another site")]
    [InlineData("of another advertisement")]
    [InlineData("not listed")]
    [InlineData("no manifest")]
    public async Task Advertisement_that_is_wrong_is_refused_alone(string what)
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        await fixture.OfferAsync(PlannedMachine.Offer());
        var site = fixture.Fixture.Site;
        var bad = PlannedMachine.Offer("bbbbbbbb", package: "qqqqqqqq");
        if (what != "not listed")
            site.Set(Layout.AdvertisementTarget("bbbbbbbb"), what == "not a document" ? "{}"u8.ToArray() : Documents.Advertisement.Encode(what switch
            {
                "of another site" => bad with { SiteCode = "XYZ" },
                "of another advertisement" => bad with { AdvertisementId = "cccccccc" },
                _ => bad,
            }));
        await fixture.ListAsync("bbbbbbbb", "aaaaaaaa");
        await fixture.SettleAsync();

        Assert.Equal(("ran\n", "succeeded"), (fixture.Read("count"), fixture.State()));
        Assert.Equal(what == "no manifest" ? "waiting order" : "unknown here", fixture.State("bbbbbbbb"));
        await fixture.ReportAsync();
        var messages = site.Items(Documents.StatusMessage).Where(message => message.Code == "advertisement_invalid").ToList();
        Assert.NotEmpty(messages);
        Assert.All(messages, message => Assert.StartsWith("bbbbbbbb: ", message.Text, StringComparison.Ordinal));
        Assert.DoesNotContain(site.Items(Documents.StatusMessage), status => status.Code is "policy_invalid");
    }

    [Fact]
    public async Task What_is_offered_no_more_is_removed_and_leaves_the_report()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo in >>$ROOT/count");
        fixture.Script("remove.sh", "echo out >>$ROOT/count");
        await fixture.OfferAsync(PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }));
        await fixture.SettleAsync();
        await fixture.ListAsync();
        await fixture.SettleAsync();
        Assert.Equal("in\n", fixture.Read("count"));
        fixture.Fixture.Time.Advance(TimeSpan.FromHours(1));
        await fixture.SettleAsync();

        Assert.Equal("in\nout\n", fixture.Read("count"));
        Assert.Empty((await fixture.ReportAsync()).Advertisements);
    }

    [Fact]
    public async Task Policy_that_cannot_be_read_removes_nothing()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo in >>$ROOT/count");
        fixture.Script("remove.sh", "echo out >>$ROOT/count");
        await fixture.OfferAsync(PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }));
        await fixture.SettleAsync();
        fixture.Fixture.Site.Set(Layout.PolicyTarget(fixture.Fixture.Client!.Core.Keys.Id), "{}"u8.ToArray());
        await fixture.Fixture.Site.PublishAsync(Stop);
        await fixture.Fixture.StepAsync(2);
        await fixture.SettleAsync();

        Assert.Equal(("in\n", "succeeded"), (fixture.Read("count"), fixture.State()));
    }

    [Fact]
    public async Task Person_runs_what_is_optional_and_postpones_what_is_not()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo $CAPSTAN_ADVERTISEMENT >>$ROOT/count");
        var options = fixture.Fixture.Options;
        await fixture.OfferAsync(PlannedMachine.Offer(program: "optional") with { Purpose = Advertisement.Available },
            PlannedMachine.Offer("bbbbbbbb", rules => rules with { MaxPostponements = 1, NoticeSeconds = 600 }));
        fixture.Users.Add("ada");
        await fixture.SettleAsync();
        Assert.Equal(("shown offered", "waiting notice", ""), (fixture.State(), fixture.State("bbbbbbbb"), fixture.Read("count")));

        await CapstanClient.RequestProgramAsync(options, "aaaaaaaa", minutes: null, Stop);
        await CapstanClient.RequestProgramAsync(options, "bbbbbbbb", minutes: 30, Stop);
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "waiting postponed", "aaaaaaaa\n"), (fixture.State(), fixture.State("bbbbbbbb"), fixture.Read("count")));
        Assert.Contains("1 times", (await Assert.ThrowsAsync<ClientException>(() => CapstanClient.RequestProgramAsync(options, "bbbbbbbb", minutes: 30, Stop))).Message, StringComparison.Ordinal);
        Assert.Equal("no_advertisement", (await Assert.ThrowsAsync<ClientException>(() => CapstanClient.RequestProgramAsync(options, "zzzzzzzz", minutes: null, Stop))).Code);

        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(30));
        await fixture.SettleAsync();
        fixture.Fixture.Time.Advance(TimeSpan.FromMinutes(10));
        await fixture.SettleAsync();
        Assert.Equal("aaaaaaaa\nbbbbbbbb\n", fixture.Read("count"));
    }

    [Fact]
    public async Task Why_tells_the_whole_chain_beside_the_client()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "exit 9");
        await fixture.OfferAsync(PlannedMachine.Offer());
        await fixture.SettleAsync();

        var view = Assert.Single(await CapstanClient.ReadProgramsAsync(fixture.Fixture.Options, Stop));
        Assert.Equal(("aaaaaaaa", "failed", "exit-code", "failure"), (view.AdvertisementId, view.State, view.Cause, view.LastOutcome));
        Assert.Equal(["advertisement", "listed", "program", "received", "start", "window", "content", "rule for runs again", "run", "state", "because", "next"], view.Facts.Select(fact => fact.Name));
    }

    [Fact]
    public async Task Package_of_the_system_is_installed_renewed_and_removed_by_its_own_tool()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/dpkg-deb") && Environment.IsPrivilegedProcess, "dpkg installs as root");
        await using var fixture = await ProgramFixture.StartAsync();
        var tree = Path.Combine(fixture.Root, "tree");
        foreach (var folder in new[] { "info", "updates", "triggers" })
            Directory.CreateDirectory(Path.Combine(tree, "var/lib/dpkg", folder));
        await File.WriteAllTextAsync(Path.Combine(tree, "var/lib/dpkg/status"), "", Stop);
        for (var version = 1; version <= 2; version++)
            await BuildAsync(fixture, version);
        Advertisement Native(int version) => PlannedMachine.Offer(version: version, rules: rules => rules with
        {
            Command = null,
            Native = new NativePackage { Format = NativePackage.Deb, Action = NativePackage.Install, File = "sample.deb", Package = "capstan-sample", Options = [$"--root={tree}"] },
            Removal = new ProgramRemoval { Native = new NativePackage { Format = NativePackage.Deb, Action = NativePackage.Remove, Package = "capstan-sample", Options = [$"--root={tree}"] } },
            Rerun = ProgramRules.OnNewVersion,
        });

        await fixture.OfferAsync(Native(1));
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "version 1"), (fixture.State(), fixture.Read("tree/opt/sample")));
        await fixture.OfferAsync(Native(2) with { Revision = 2 });
        await fixture.SettleAsync();
        Assert.Equal(("succeeded", "version 2"), (fixture.State(), fixture.Read("tree/opt/sample")));
        await fixture.ListAsync();
        await fixture.SettleAsync();
        fixture.Fixture.Time.Advance(TimeSpan.FromHours(1));
        await fixture.SettleAsync();
        Assert.Equal("", fixture.Read("tree/opt/sample"));
        Assert.Empty((await fixture.ReportAsync()).Advertisements);
    }

    private static async Task BuildAsync(ProgramFixture fixture, int version)
    {
        var source = Path.Combine(fixture.Root, $"source-{version}");
        Directory.CreateDirectory(Path.Combine(source, "DEBIAN"));
        Directory.CreateDirectory(Path.Combine(source, "opt"));
        await File.WriteAllTextAsync(Path.Combine(source, "DEBIAN/control"), $"Package: capstan-sample\nVersion: {version}.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: A sample\n", Stop);
        await File.WriteAllTextAsync(Path.Combine(source, "opt/sample"), $"version {version}", Stop);
        using var build = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/usr/bin/dpkg-deb", ["--build", source, Path.Combine(fixture.Content.FolderOf(ProgramFixture.One with { Version = version }), "sample.deb")]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        await build.WaitForExitAsync(Stop).WaitAsync(Patience.Limit, Stop);
        Assert.Equal(0, build.ExitCode);
    }

    [Fact]
    public async Task Retired_client_begins_nothing()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        await fixture.OfferAsync(PlannedMachine.Offer());
        fixture.Fixture.Site.SetPolicy(fixture.Fixture.Site.Items(Documents.ConfigurationRequest)[^1], "retired");
        await fixture.Fixture.Site.PublishAsync(Stop);
        await fixture.Fixture.StepAsync(2);
        await fixture.SettleAsync();

        Assert.Equal("", fixture.Read("count"));
    }

    [Fact]
    public async Task End_of_a_program_reaches_the_site_without_waiting_for_the_next_poll()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "exit 0");
        await fixture.OfferAsync(PlannedMachine.Offer());
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        ends.CancelAfter(Patience.Limit);
        // The clock stands still: nothing but a signal ends a wait.
        var running = fixture.Fixture.Client!.RunAsync(ends.Token);
        while (!fixture.Fixture.Site.Items(Documents.ProgramsReport).Any(report => report.Advertisements is [{ State: ProgramState.Succeeded }]))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, ends.Token);
            await fixture.Fixture.Site.DrainAsync(ends.Token);
        }
        await ends.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task Loop_is_woken_by_orders_and_runs_beside_the_other()
    {
        await using var fixture = await ProgramFixture.StartAsync();
        fixture.Script("setup.sh", "echo ran >>$ROOT/count");
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        ends.CancelAfter(Patience.Limit);
        var running = fixture.Loop.RunAsync(ends.Token);
        await fixture.OfferAsync(PlannedMachine.Offer());
        while (fixture.State() != "succeeded")
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, ends.Token);
        await ends.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);

        Assert.Equal("ran\n", fixture.Read("count"));
    }
}
