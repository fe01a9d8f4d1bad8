using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Capstan.Testing;
using Capstan.Tests.Site.Keeping;
using Dapper;

namespace Capstan.Tests.Site.Offers;

/// <summary>What takes software away from machines, or brings it to many, is asked about; what a site does not know starts nothing.</summary>
public sealed class OfferSafetyTests : OfferWorld
{
    private async Task<(FakeDevice Done, FakeDevice Waiting, string Id)> RolledOutAsync()
    {
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }, Replace: true), Stop);
        var done = await Site.EnrolAsync("pc1");
        var waiting = await Site.EnrolAsync("pc2");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host startsWith \"pc\""), Stop);
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks"), Stop)).AdvertisementId!;
        await PublishAsync();
        // By the first revision, which is older than all that is done here.
        await ReportAsync(done, State(id, ProgramState.Succeeded) with { Revision = 1, LastRun = Run(1, 0) });
        await ReportAsync(waiting, State(id, ProgramState.Waiting, "window"));
        return (done, waiting, id);
    }

    [Fact]
    public async Task An_advertisement_whose_end_removes_software_is_removed_when_that_was_confirmed()
    {
        var (done, _, id) = await RolledOutAsync();
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.RemoveAsync(id, new AdvertisementRemoval(), Stop)));
        var dry = await Offers.RemoveAsync(id, new AdvertisementRemoval(DryRun: true), Stop);
        Assert.Equal((1, 0), (dry.Removals, dry.Policies));
        Assert.Equal(["pc1"], dry.Leaving!.Select(client => client.HostName));
        await PublishAsync();
        Assert.Equal([id], (await PolicyAsync(done)).Advertisements);
        Assert.Equal((1, 2), (await Offers.RemoveAsync(id, new AdvertisementRemoval(Confirmed: true), Stop)) is var saved ? (saved.Removals, saved.Removed) : default);
        await PublishAsync();
        Assert.Empty((await PolicyAsync(done)).Advertisements);
    }

    /// <summary>It stays listed, has expired, and knows no removal any more: no client has a reason to take anything away, then or when it is removed later.</summary>
    [Fact]
    public async Task An_advertisement_that_is_ended_to_be_kept_removes_nothing_ever()
    {
        var (done, waiting, id) = await RolledOutAsync();
        await Offers.RemoveAsync(id, new AdvertisementRemoval(Keep: true), Stop);
        await PublishAsync();
        Assert.Equal([id], (await PolicyAsync(done)).Advertisements);
        var target = (await TargetAsync(id))!;
        Assert.Null(target.Offer.Program.Removal);
        Assert.True(target.ExpiresAt <= Clock.GetUtcNow().ToUnixTimeSeconds());
        Assert.Equal("ended", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.State);
        foreach (var change in new Func<Task>[] { () => Offers.EditAsync(id, new AdvertisementEdit("x"), Stop), () => Offers.HaltAsync(id, null, Stop), () => Offers.ResumeAsync(id, Stop), () => Offers.RemoveAsync(id, new AdvertisementRemoval(Keep: true), Stop) })
            Assert.Equal("advertisement_ended", await CodeAsync(change));
        // A change of its program brings it no removal back.
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }, Replace: true), Stop);
        await PublishAsync();
        Assert.Equal(target.Revision, (await TargetAsync(id))!.Revision);
        // Who has not heard it yet still knows the removal.
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.RemoveAsync(id, new AdvertisementRemoval(), Stop)));
        await ReportAsync(done, State(id, ProgramState.Succeeded) with { Revision = target.Revision, LastRun = Run(1, 0) });
        await ReportAsync(waiting, State(id, ProgramState.Ended, "expired") with { Revision = target.Revision });
        Assert.Equal(2, (await Offers.RemoveAsync(id, new AdvertisementRemoval(), Stop)).Removed);
    }

    [Fact]
    public async Task Machines_that_leave_an_offer_and_would_remove_what_they_have_are_asked_about()
    {
        var (_, waiting, id) = await RolledOutAsync();
        await Collections.CreateAsync(new CollectionCreate("Others", "host = \"pc2\""), Stop);
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.EditAsync(id, new AdvertisementEdit(Collection: "Others"), Stop)));
        Assert.Equal(1, (await Offers.EditAsync(id, new AdvertisementEdit(Collection: "Others", DryRun: true), Stop)).Removals);
        Assert.Equal("needs_confirmation", await CodeAsync(() => Collections.EditAsync("Desks", new CollectionEdit("host = \"pc2\""), Stop)));
        Assert.Equal(2, (await Collections.ShowAsync("Desks", Stop)).Members);
        // Who only waits loses nothing.
        Assert.Equal(1, (await Collections.EditAsync("Desks", new CollectionEdit("host = \"pc1\""), Stop)).Removed);
        await Collections.MembersAsync("Desks", new CollectionMembersChange(Add: [waiting.Id.Value]), Stop);
        Assert.Equal(1, (await Collections.MembersAsync("Desks", new CollectionMembersChange(Drop: [waiting.Id.Value]), Stop)).Removed);
        // Who is offered the same by another advertisement, neither.
        await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems"), Stop);
        Assert.Equal(0, (await Offers.RemoveAsync(id, new AdvertisementRemoval(DryRun: true), Stop)).Removals);
        Assert.Equal(1, (await Collections.EditAsync("Desks", new CollectionEdit("host = \"pc2\""), Stop)).Removed);
    }

    [Fact]
    public async Task A_collection_that_carries_an_offer_does_not_grow_by_more_than_500_unasked()
    {
        await SqlAsync("""
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 501)
            insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash)
            select 1000 + i, 'devaaaaa' || i, 'key' || i, '', '', '00', 'approved', '', 'pc' || i, '', 0, '' from n
            """);
        await Site.EvaluateAsync();
        await Collections.CreateAsync(new CollectionCreate("Lab"), Stop);
        // Nothing is offered to it yet.
        Assert.Equal(501, (await Collections.EditAsync("Lab", new CollectionEdit("id is known"), Stop)).Added);
        await Collections.EditAsync("Lab", new CollectionEdit(""), Stop);
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Lab"), Stop)).AdvertisementId!;
        Assert.Equal("needs_confirmation", await CodeAsync(() => Collections.EditAsync("Lab", new CollectionEdit("id is known"), Stop)));
        Assert.Equal((0, null), (await Collections.ShowAsync("Lab", Stop)) is var lab ? (lab.Members, lab.Query) : default);
        Assert.Equal(501, (await Collections.EditAsync("Lab", new CollectionEdit("id is known", Confirmed: true), Stop)).Added);
        await Collections.EditAsync("Lab", new CollectionEdit(""), Stop);
        await Offers.RemoveAsync(id, new AdvertisementRemoval(Keep: true), Stop);
        Assert.Equal(501, (await Collections.EditAsync("Lab", new CollectionEdit("id is known"), Stop)).Added);
    }

    [Fact]
    public async Task A_collection_whose_query_fails_is_offered_nothing_unasked()
    {
        await Site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host = \"pc1\""), Stop);
        await SqlAsync("update collection set query = 'no query' where name = 'Desks'");
        await Site.EvaluateAsync();
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks"), Stop)));
        Assert.Equal(1, (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks", Confirmed: true), Stop)).Reaches);
    }

    [Fact]
    public async Task Rings_that_had_not_begun_when_it_was_halted_are_as_far_ahead_when_it_is_resumed()
    {
        var start = Clock.GetUtcNow().ToUnixTimeSeconds();
        const long Day = 86_400;
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(Rings: [new(5, start), new(25, start + Day), new(100, start + (3 * Day))])), Stop)).AdvertisementId!;
        Clock.Advance(TimeSpan.FromHours(12));
        await Offers.HaltAsync(id, "it breaks printing", Stop);
        Clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal([start, start + (5 * Day), start + (7 * Day)], (await Offers.ResumeAsync(id, Stop)).Rings!.Select(ring => ring.At));
        // Another start takes those along that have not begun.
        var to = Clock.GetUtcNow().AddDays(7).ToUnixTimeSeconds();
        Assert.Equal([start, to + (5 * Day), to + (7 * Day)], (await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(StartAt: to)), Stop)).Rings!.Select(ring => ring.At));
        // What says nothing of times leaves them.
        Assert.Equal([start, to + (5 * Day), to + (7 * Day)], (await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(Priority: 3)), Stop)).Rings!.Select(ring => ring.At));
    }

    [Fact]
    public async Task The_mended_version_of_a_halted_roll_out_begins_its_rings_anew()
    {
        var start = Clock.GetUtcNow().ToUnixTimeSeconds();
        const long Day = 86_400;
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: new AdvertisementRules(Rings: [new(5, start), new(100, start + Day)])), Stop)).AdvertisementId!;
        await Offers.HaltAsync(id, null, Stop);
        await SqlAsync($"insert into content_version values ('{Package}', 2, 1, 1, 1, '', x'00', null, 0)");
        Clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal([start + (4 * Day), start + (5 * Day)], (await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 0), Stop)).Rings!.Select(ring => ring.At));
        Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal([start + (6 * Day), start + (7 * Day)], (await Offers.ResumeAsync(id, Stop)).Rings!.Select(ring => ring.At));
    }

    [Fact]
    public async Task What_runs_before_keeps_its_version_until_it_is_asked_for()
    {
        await Programs.CreateAsync(new ProgramCreate("Runtime", Rules: Rules("setup")), Stop);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install"), First: "Runtime/setup", Replace: true), Stop);
        var id = await OfferAsync();
        await SqlAsync($"insert into content_version values ('{Runtime}', 4, 1, 1, 1, '', x'00', null, 0)");
        await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(Priority: 3)), Stop);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { TimeLimitSeconds = 60 }, First: "Runtime/setup", Replace: true), Stop);
        Assert.Equal(3, await FirstVersionAsync());
        await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 0), Stop);
        Assert.Equal(4, await FirstVersionAsync());

        async Task<long> FirstVersionAsync() => (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.Offer.First!.PackageVersion;
    }

    [Fact]
    public async Task A_program_that_is_replaced_keeps_its_name_letter_by_letter()
    {
        var id = await OfferAsync();
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("INSTALL"), Replace: true), Stop);
        Assert.Equal("install", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.Offer.Program.Name);
    }

    [Fact]
    public async Task Devices_outside_the_collection_halt_nothing_and_what_was_never_offered_them_is_not_kept()
    {
        var member = await Site.EnrolAsync("pc1");
        var former = await Site.EnrolAsync("pc2");
        var stranger = await Site.EnrolAsync("pc3");
        await Collections.CreateAsync(new CollectionCreate("Desks", "host = \"pc1\" or host = \"pc2\""), Stop);
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Desks", Rules: new AdvertisementRules(HaltAt: 10)), Stop)).AdvertisementId!;
        await PublishAsync();
        await ReportAsync(stranger, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        Assert.Equal(0, await CountAsync("select count(*) from advertisement_state"));
        await ReportAsync(former, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        await Collections.EditAsync("Desks", new CollectionEdit("host = \"pc1\""), Stop);
        await PublishAsync();
        await ReportAsync(former, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(2, 5) });
        await ReportAsync(member, State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal("active", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.State);
    }

    /// <summary>In the report of the restore, and where the administrator looks later.</summary>
    [Fact]
    public async Task A_restored_site_says_in_one_line_what_it_may_lack_and_what_to_do()
    {
        await Site.EnrolAsync("pc1");
        await OfferAsync();
        await PublishAsync();
        await Site.BackUpAsync("b1");
        Clock.Advance(TimeSpan.FromDays(1));
        var later = await OfferAsync();
        await PublishAsync();
        Clock.Advance(TimeSpan.FromHours(1));

        var report = await KeptSite.RestoreAsync(Site.Backup("b1"), Path.Combine(Site.Backup("life2"), "site"), Clock);

        var note = Assert.Single(report.Notes, note => note.StartsWith("Collections, packages, programs and advertisements", StringComparison.Ordinal));
        Assert.Contains($"(a client access point shows 1 advertisement made since: {later})", note, StringComparison.Ordinal);
        Assert.EndsWith("1 advertisement that was active is halted: look at each with `capstan advertisement list`, then `capstan advertisement resume ID`.", note, StringComparison.Ordinal);
        var restored = await KeptSite.OpenAsync(Site.Backup("life2"), Site.CapDirectory, Clock);
        Assert.EndsWith(note, (await restored.Context.Database.ReadAsync(connection => connection.QuerySingleAsync<string>("select text from status where code = 'site_restored'"), Stop)), StringComparison.Ordinal);
        await restored.CloseAsync();
    }

    [Fact]
    public async Task A_restored_site_shows_every_offer_above_what_was_seen_and_begins_nothing_by_itself()
    {
        await Site.EnrolAsync("pc1");
        var on = await OfferAsync();
        var halted = await OfferAsync();
        await Offers.HaltAsync(halted, "it breaks printing", Stop);
        await PublishAsync();
        await Site.BackUpAsync("b1");
        Clock.Advance(TimeSpan.FromDays(1));
        await Offers.HaltAsync(on, "it breaks printing, too", Stop);
        await Offers.ResumeAsync(halted, Stop);
        await PublishAsync();
        var (first, second) = ((await TargetAsync(on))!.Revision, (await TargetAsync(halted))!.Revision);
        Clock.Advance(TimeSpan.FromHours(1));

        var restored = await Site.RestoreAsync("b1", "life2");

        var (one, other) = (await restored.Get<OfferReader>().ShowAsync(on, Stop), await restored.Get<OfferReader>().ShowAsync(halted, Stop));
        Assert.Equal((Advertisement.Halted, "the site was restored from a backup"), (one.Document.State, one.Document.HaltedBecause));
        Assert.Equal((Advertisement.Halted, "it breaks printing"), (other.Document.State, other.Document.HaltedBecause));
        Assert.True(one.Document.Revision > first);
        Assert.True(other.Document.Revision > second);
        await restored.Get<AdvertisementAdministration>().ResumeAsync(on, Stop);
        Assert.Equal(Advertisement.Active, (await restored.Get<OfferReader>().ShowAsync(on, Stop)).Document.State);
        await restored.CloseAsync();
    }
}
