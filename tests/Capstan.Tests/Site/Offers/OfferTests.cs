using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;
using Dapper;

namespace Capstan.Tests.Site.Offers;

/// <summary>From a program and a collection to signed documents, and from reports to figures.</summary>
public sealed class OfferTests : OfferWorld
{
    [Fact]
    public async Task Only_members_are_offered_it_and_what_they_read_is_one_signed_target_with_its_program()
    {
        var lab = await Site.EnrolAsync("LAB-01");
        var desk = await Site.EnrolAsync("desk");
        await Collections.CreateAsync(new CollectionCreate("Lab", "host startsWith \"LAB-\""), Stop);
        var saved = await Offers.CreateAsync(new AdvertisementCreate("firefox", "lab", Rules: new AdvertisementRules(Priority: 7, Deadline: 2_000_000_000)), Stop);
        Assert.Equal((1, 1, 1), (saved.Reaches, saved.Added, saved.Policies));
        await PublishAsync();
        Assert.Equal([saved.AdvertisementId!], (await PolicyAsync(lab)).Advertisements);
        Assert.Empty((await PolicyAsync(desk)).Advertisements);
        var target = await TargetAsync(saved.AdvertisementId!);
        Assert.Equal((Package, 1L, "install", 7, 2_000_000_000L, "Firefox/install"), (target!.Offer.PackageId, target.Offer.PackageVersion, target.Offer.Program.Name, target.Priority, target.Deadline ?? 0, target.Name));
    }

    /// <summary>The version of the signed policy stays; the target alone is another.</summary>
    [Fact]
    public async Task An_edit_signs_one_target_and_no_policy()
    {
        var device = await Site.EnrolAsync("pc1");
        var id = await OfferAsync();
        await PublishAsync();
        var signed = await SignedVersionAsync(device);
        Assert.Equal(0, (await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(Priority: 9)), Stop)).Policies);
        await PublishAsync();
        Assert.Equal(signed, await SignedVersionAsync(device));
        var revision = (await TargetAsync(id))!.Revision;
        Assert.Equal((9, Clock.GetUtcNow().AddMinutes(-2).ToUnixTimeSeconds()), ((await TargetAsync(id))!.Priority, revision));
        // A change of the program is one of its advertisements, too.
        var replaced = await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { TimeLimitSeconds = 60 }, Replace: true), Stop);
        Assert.Equal(1, replaced.Advertisements);
        await PublishAsync();
        Assert.Equal((60, true), ((await TargetAsync(id))!.Offer.Program.TimeLimitSeconds, (await TargetAsync(id))!.Revision > revision));
        Assert.Equal(signed, await SignedVersionAsync(device));
    }

    [Fact]
    public async Task It_is_taken_back_by_deletion_by_leaving_the_collection_and_by_expiry()
    {
        var device = await Site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host = \"pc1\""), Stop);
        var left = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks"), Stop)).AdvertisementId!;
        var deleted = await OfferAsync();
        var expired = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(ExpiresAt: Clock.GetUtcNow().AddHours(1).ToUnixTimeSeconds())), Stop)).AdvertisementId!;
        await PublishAsync();
        Assert.Equal(new[] { left, deleted, expired }.Order(StringComparer.Ordinal), (await PolicyAsync(device)).Advertisements);
        await Collections.EditAsync("Desks", new CollectionEdit("host = \"pc2\""), Stop);
        await Offers.RemoveAsync(deleted, new AdvertisementRemoval(), Stop);
        Clock.Advance(TimeSpan.FromHours(2));
        await PublishAsync();
        // What has expired stays offered, so that clients know how it ended; they begin nothing more of it.
        Assert.Equal([expired], (await PolicyAsync(device)).Advertisements);
        Assert.Null(await TargetAsync(deleted));
        Assert.NotNull(await TargetAsync(left));
        Assert.Equal([(expired, "expired"), (left, "active")], (await Site.Get<OfferReader>().ListAsync(Stop)).Select(row => (row.AdvertisementId, row.State)).OrderByDescending(row => row.Item2));
        Assert.Equal("removed", (await Site.Get<OfferReader>().ShowAsync(deleted, Stop)).Summary.State);
        Assert.Equal("collection_in_use", await CodeAsync(() => Collections.RemoveAsync("Desks", Stop)));
    }

    [Fact]
    public async Task A_dry_run_names_exactly_the_machines_and_changes_nothing()
    {
        await Site.EnrolAsync("pc1");
        await Site.EnrolAsync("pc2");
        await Collections.CreateAsync(new CollectionCreate("One", "host = \"pc1\""), Stop);
        await Collections.CreateAsync(new CollectionCreate("Two", "host = \"pc2\""), Stop);
        var dry = await Offers.CreateAsync(new AdvertisementCreate("Firefox", "One", DryRun: true), Stop);
        Assert.Null(dry.AdvertisementId);
        Assert.Equal(["pc1"], dry.Coming!.Select(client => client.HostName));
        Assert.Empty(await Site.Get<OfferReader>().ListAsync(Stop));
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "One"), Stop)).AdvertisementId!;
        var moved = await Offers.EditAsync(id, new AdvertisementEdit(Collection: "Two", DryRun: true), Stop);
        Assert.Equal(["pc2"], moved.Coming!.Select(client => client.HostName));
        Assert.Equal(["pc1"], moved.Leaving!.Select(client => client.HostName));
        Assert.Equal("One", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.Collection);
        // Nobody is a figure, too.
        await Collections.EditAsync("One", new CollectionEdit(""), Stop);
        var nobody = await Site.Get<OfferReader>().ShowAsync(id, Stop);
        Assert.Equal(0, nobody.Summary.Funnel.Targeted);
        Assert.Empty(nobody.Causes);
        Assert.Empty(await Site.Get<OfferReader>().ClientsAsync(id, null, 0, 10, Stop));
    }

    [Fact]
    public async Task More_than_five_hundred_new_machines_need_a_word()
    {
        await SqlAsync(
            """
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 501)
            insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash)
            select 1000 + i, 'devaaaaa' || i, 'key' || i, '', '', '00', 'approved', '', 'pc' || i, '', 0, '' from n
            """);
        await Site.EvaluateAsync();
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems"), Stop)));
        Assert.Equal(501, (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", DryRun: true), Stop)).Coming!.Count);
        Assert.Equal(501, (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Confirmed: true), Stop)).Policies);
        // Another before they are signed counts those that wait already, and takes along who was signed meanwhile.
        await SqlAsync("update device set policy_pending = 0 where number in (1001, 1501)");
        Assert.Equal(501, (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Name: "Again", Confirmed: true), Stop)).Policies);
        Assert.Equal(501, await CountAsync("select count(*) from device where state = 'approved' and policy_pending = 1"));
    }

    [Fact]
    public async Task The_figures_follow_what_devices_report_and_converge_to_it()
    {
        var first = await Site.EnrolAsync("pc1");
        var second = await Site.EnrolAsync("pc2");
        await Site.EnrolAsync("pc3");
        var id = await OfferAsync();
        await PublishAsync();
        await ReportAsync(first, State(id, ProgramState.Downloading) with { HereBytes = 10, TotalBytes = 100 });
        await ReportAsync(second, State(id, ProgramState.Failed, "exit-code") with { Reason = "exit code 5", LastRun = Run(1, 5) });
        Assert.Equal(new AdvertisementFunnel(3, 2, 1, 1, 0, 1, 0, 1), await FunnelAsync(id));
        var detail = await Site.Get<OfferReader>().ShowAsync(id, Stop);
        Assert.Contains(new AdvertisementCause("failed", "exit-code", 1, "exit code 5"), detail.Causes);
        Assert.Contains(detail.Causes, cause => cause is { State: "no-policy", Clients: 1 });
        Assert.Equal((3, 1, 1, 0, 1), detail.Curve[^1] is var point ? (point.Targeted, point.Content, point.Ran, point.Succeeded, point.Failed) : default);
        await ReportAsync(first, State(id, ProgramState.Succeeded) with { HereBytes = 100, TotalBytes = 100, LastRun = Run(1, 0) });
        // The newest is the truth, and what it leaves out is not: an advertisement that the device does not know (any more).
        await ReportAsync(second);
        Assert.Equal(new AdvertisementFunnel(3, 1, 1, 1, 1, 0, 0, 0), await FunnelAsync(id));
        // Of one that the site never made nothing is kept.
        await ReportAsync(second, State("zzzzzzzz", ProgramState.Succeeded));
        Assert.Equal(0, await CountAsync("select count(*) from advertisement_state where advertisement_id = 'zzzzzzzz'"));
    }

    [Fact]
    public async Task A_roll_out_that_fails_too_often_is_halted_with_its_cause_and_goes_on_when_resumed()
    {
        var devices = new List<FakeDevice>();
        for (var n = 0; n < 5; n++)
            devices.Add(await Site.EnrolAsync($"pc{n}"));
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(HaltAt: 40)), Stop)).AdvertisementId!;
        await PublishAsync();
        await ReportAsync(devices[0], State(id, ProgramState.Succeeded) with { LastRun = Run(1, 0) });
        await ReportAsync(devices[1], State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal("active", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.State);
        await ReportAsync(devices[2], State(id, ProgramState.Unknown, "no-end-seen") with { LastRun = Run(1, null) });
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        await PublishAsync();
        var halted = await TargetAsync(id);
        Assert.Equal((Advertisement.Halted, "2 of 3 machines that finished have failed (66.7 %; the limit is 40 %)"), (halted!.State, halted.HaltedBecause));
        Assert.Equal(1, await CountAsync("select count(*) from audit where actor = 'site' and action = 'advertisement halt'"));
        Assert.Equal("already_halted", await CodeAsync(() => Offers.HaltAsync(id, null, Stop)));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Offers.ResumeAsync(id, Stop);
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal(Advertisement.Active, (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.State);
        Assert.Null((await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.HaltedBecause);
    }

    [Fact]
    public async Task A_native_program_that_is_changed_keeps_its_lines_and_follows_the_name_of_its_package()
    {
        await Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("install") with { MaxTries = 7 }, Given: ["maxTries"]), Stop);
        var known = (await Programs.ListAsync(Stop)).Single(program => program.PackageId == Deb).Rules;
        var options = known with { Native = known.Native! with { Options = ["--root=/srv/tree"] } };
        await Programs.CreateAsync(new ProgramCreate("hello", Rules: options, Replace: true), Stop);
        var changed = (await Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("install") with { TimeLimitSeconds = 60 }, Replace: true, Given: ["timeLimitSeconds"]), Stop)).Rules;
        Assert.Equivalent(options with { TimeLimitSeconds = 60 }, changed, strict: true);
        await VersionAsync(Deb, 2, """{"format":"deb","name":"hello-other","version":"2.0","architecture":"all","file":"other.deb"}""");
        changed = (await Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("install"), Replace: true, Given: []), Stop)).Rules;
        Assert.Equal(("hello-other", "hello-other", 60, 7), (changed.Native!.Package, changed.Removal!.Native!.Package, changed.TimeLimitSeconds, changed.MaxTries));
        changed = (await Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("install"), Replace: true, Given: ["removal"]), Stop)).Rules;
        Assert.Null(changed.Removal);
        Assert.Equal("bad_program", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("install"), Replace: true, Given: ["timeLimit"]), Stop)));
    }

    [Fact]
    public async Task Who_resumes_a_roll_out_while_the_site_looks_for_failures_is_not_overruled()
    {
        FakeDevice one = await Site.EnrolAsync("pc1"), other = await Site.EnrolAsync("pc2");
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(HaltAt: 40)), Stop)).AdvertisementId!;
        await PublishAsync();
        await ReportAsync(one, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        await ReportAsync(other, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        Clock.Advance(TimeSpan.FromMinutes(1));
        // The keeper sees what the readers see, and waits for its turn to write behind the person's.
        var writer = new TaskCompletionSource();
        var writes = Site.Context.Database.WriteAsync(_ => writer.Task, Stop);
        Task[] all = [writes, Offers.HaltAsync(id, null, Stop), Offers.ResumeAsync(id, Stop), Site.Get<OfferKeeper>().PassAsync(Stop)];
        writer.SetResult();
        await Task.WhenAll(all);
        Assert.Equal(Advertisement.Active, (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.State);
        Assert.Equal(0, await CountAsync("select count(*) from audit where actor = 'site' and action = 'advertisement halt'"));
    }

    [Fact]
    public async Task Each_version_of_a_native_package_is_installed_from_its_own_file()
    {
        await Programs.CreateAsync(new ProgramCreate("hello"), Stop);
        await VersionAsync(Deb, 2, """{"format":"deb","name":"hello-capstan","version":"2.0","architecture":"all","file":"hello-2.deb"}""");
        var id = (await Offers.CreateAsync(new AdvertisementCreate("hello", "All Systems"), Stop)).AdvertisementId!;
        Assert.Equal((2, "hello-2.deb"), await OfferedAsync(id));
        await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 1), Stop);
        Assert.Equal((1, "hello.deb"), await OfferedAsync(id));

        // Another package under the same name is not what the program installs.
        await VersionAsync(Deb, 3, """{"format":"deb","name":"other","version":"3.0","architecture":"all","file":"hello.deb"}""");
        Assert.Equal("bad_program", await CodeAsync(() => Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 3), Stop)));
        Assert.Equal((1, "hello.deb"), await OfferedAsync(id));

        async Task<(long, string?)> OfferedAsync(string id) => (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.Offer is var offer ? (offer.PackageVersion, offer.Program.Native?.File) : default;
    }

    [Fact]
    public async Task A_native_package_needs_no_hand_written_line()
    {
        var made = await Programs.CreateAsync(new ProgramCreate("HELLO"), Stop);
        Assert.Equal(ProgramRules.OnNewVersion, made.Rules.Rerun);
        // Another installer has dpkg's lock: that passes.
        Assert.Equal([2], made.Rules.RetryCodes);
        Assert.Equal(("hello/install", "install", "hello.deb", "hello-capstan", "remove"), (made.Path, made.Rules.Native!.Action, made.Rules.Native.File, made.Rules.Native.Package, made.Rules.Removal!.Native!.Action));
        Assert.Equal("bad_program", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("Runtime"), Stop)));
        // What was said beside the line holds, too.
        var renewed = await Programs.CreateAsync(new ProgramCreate("hello", Rules: ProgramAdministration.Defaults("renewed") with { Rerun = ProgramRules.Always, TimeLimitSeconds = 60 }), Stop);
        Assert.Equal(("install", "hello.deb", "remove", ProgramRules.Always, 60), (renewed.Rules.Native!.Action, renewed.Rules.Native.File, renewed.Rules.Removal!.Native!.Action, renewed.Rules.Rerun, renewed.Rules.TimeLimitSeconds));
        Assert.Equal("bad_program", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("Runtime", Rules: ProgramAdministration.Defaults("none")), Stop)));
    }

    [Fact]
    public async Task What_has_to_run_before_is_part_of_the_snapshot_and_never_a_circle()
    {
        await Programs.CreateAsync(new ProgramCreate("Runtime", Rules: Rules("setup")), Stop);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install"), First: "runtime/SETUP", Replace: true), Stop);
        var id = await OfferAsync();
        await PublishAsync();
        Assert.Equal([(Package, 1L), (Runtime, 3L)], (await TargetAsync(id))!.Offer.Chain().Select(step => (step.PackageId, step.PackageVersion)));
        Assert.Equal("bad_program", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("Runtime", Rules: Rules("setup"), First: "Firefox/install", Replace: true), Stop)));
        Assert.Equal("program_in_use", await CodeAsync(() => Programs.RemoveAsync("Runtime/setup", Stop)));
        Assert.Equal("program_in_use", await CodeAsync(() => Programs.RemoveAsync("Firefox", Stop)));
        // A change of what runs before reaches the advertisements of what follows.
        await Programs.CreateAsync(new ProgramCreate("Runtime", Rules: Rules("setup") with { TimeLimitSeconds = 77 }, Replace: true), Stop);
        await PublishAsync();
        Assert.Equal(77, (await TargetAsync(id))!.Offer.First!.Program.TimeLimitSeconds);
    }

    [Fact]
    public async Task A_newer_version_is_offered_when_it_is_said()
    {
        await Site.EnrolAsync("pc1");
        var id = await OfferAsync();
        await SqlAsync($"insert into content_version values ('{Package}', 2, 1, 1, 1, '', x'00', null, 0)");
        await Offers.EditAsync(id, new AdvertisementEdit(Name: "Browser"), Stop);
        Assert.Equal(1, (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.PackageVersion);
        await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 0), Stop);
        Assert.Equal(2, (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.PackageVersion);
        Assert.Equal("package_unknown", await CodeAsync(() => Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 9), Stop)));
        var packages = Site.Get<Capstan.Site.Distribution.Content.PackageAdministration>();
        Assert.Equal("package_in_use", await CodeAsync(() => packages.RemoveAsync(Package, 2, Stop)));
        Assert.Equal("package_in_use", await CodeAsync(() => packages.RemoveAsync("Firefox", null, Stop)));
        await packages.RemoveAsync(Package, 1, Stop);
        await Offers.RemoveAsync(id, new AdvertisementRemoval(), Stop);
        await packages.RemoveAsync("Firefox", null, Stop);
        Assert.Empty(await Programs.ListAsync(Stop));
    }

    [Theory]
    [InlineData("Chrome", "All Systems", "package_unknown")]
    [InlineData("Runtime", "All Systems", "program_unknown")]
    [InlineData("Firefox/remove", "All Systems", "program_unknown")]
    [InlineData("Firefox", "Nowhere", "collection_unknown")]
    public async Task What_is_not_there_is_refused_by_name(string program, string collection, string code) =>
        Assert.Equal(code, await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate(program, collection), Stop)));

    [Fact]
    public async Task What_no_client_would_take_is_refused_here()
    {
        Assert.Equal("bad_advertisement", await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(Purpose: "maybe")), Stop)));
        Assert.Equal("bad_advertisement", await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(Rings: [new RolloutRing(50, 1)])), Stop)));
        Assert.Equal("bad_advertisement", await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(HaltAt: 101)), Stop)));
        Assert.Equal("bad_program", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("bad") with { Command = ["/bin/sh"] }), Stop)));
        Assert.Equal("program_exists", await CodeAsync(() => Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("INSTALL")), Stop)));
    }

    [Fact]
    public async Task Why_says_where_in_the_chain_it_is()
    {
        var device = await Site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host = \"pc2\""), Stop);
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks"), Stop)).AdvertisementId!;
        var why = Site.Get<WhyReader>();
        Assert.Equal("pc1 is not in collection Desks: not by name, and its query does not select it (host = \"pc2\").", (await why.ReadAsync(device.Id.Value, id, Stop)).Answer);
        await Collections.MembersAsync("Desks", new CollectionMembersChange(Add: [device.Id.Value]), Stop);
        Assert.Equal("The client's signed policy does not list it yet.", (await why.ReadAsync(device.Id.Value, "firefox/INSTALL", Stop)).Answer);
        await PublishAsync();
        Assert.StartsWith("The policy that lists it was signed as ", (await why.ReadAsync(device.Id.Value, id, Stop)).Answer, StringComparison.Ordinal);
        await ReportAsync(device, State(id, ProgramState.Waiting, "window") with { Reason = "outside its maintenance window 22:00-06:00", NextTry = 1_800_000_000 });
        var waiting = await why.ReadAsync(device.Id.Value, id, Stop);
        Assert.EndsWith("outside its maintenance window 22:00-06:00", waiting.Answer, StringComparison.Ordinal);
        Assert.Equal(1_800_000_000, waiting.NextAt!.Value.ToUnixTimeSeconds());
        Assert.Equal(["member", "offer", "policy", "time", "needs", "content", "run"], waiting.Steps.Select(step => step.Step));
        Assert.Equal("advertisement_unknown", await CodeAsync(() => why.ReadAsync(device.Id.Value, "nothing", Stop)));
    }
}
