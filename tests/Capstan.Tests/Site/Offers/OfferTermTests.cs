using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;

namespace Capstan.Tests.Site.Offers;

/// <summary>An administrator who mistypes, deletes in the wrong order, or comes back to what had expired.</summary>
public sealed class OfferTermTests : OfferWorld
{
    private const long Day = 86_400;

    private long Now => Clock.GetUtcNow().ToUnixTimeSeconds();

    private Task<AdvertisementSaved> AdvertiseAsync(AdvertisementRules rules) => Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems", Rules: rules), Stop);

    private async Task<string> RefusalAsync(AdvertisementRules rules)
    {
        var refusal = await Assert.ThrowsAsync<SiteException>(() => AdvertiseAsync(rules));
        Assert.Equal("bad_advertisement", refusal.Code);
        return refusal.Message;
    }

    [Fact]
    public async Task A_time_of_another_year_is_refused_wherever_it_is_given()
    {
        Assert.Equal("The start lies 365 days back: for at once say now. The deadline lies 364 days back: for at once say now.", await RefusalAsync(new AdvertisementRules(StartAt: Now - (365 * Day), Deadline: Now - (364 * Day))));
        Assert.Equal("The time from which a person may start it lies more than ten years ahead.", await RefusalAsync(new AdvertisementRules(AvailableFrom: Now + (180 * 365 * Day))));
        Assert.Equal("The ring of 25 % lies 360 days back: for at once say now.", await RefusalAsync(new AdvertisementRules(Rings: [new(5, Now), new(25, Now - (360 * Day)), new(100, Now + Day)])));
        // Numbers that are no times at all are refused alike, also where rings would be moved by them.
        var id = (await AdvertiseAsync(new AdvertisementRules(Rings: [new(100, Now)]))).AdvertisementId!;
        foreach (var absurd in (long[])[long.MaxValue, long.MinValue, -1])
            Assert.Equal("bad_advertisement", await CodeAsync(() => Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(StartAt: absurd)), Stop)));
    }

    [Fact]
    public async Task A_time_that_is_there_already_is_no_mistake_and_now_is_none_either()
    {
        var rules = new AdvertisementRules(StartAt: Now, Deadline: Now, Rings: [new(5, Now), new(100, Now + Day)]);
        var id = (await AdvertiseAsync(rules)).AdvertisementId!;
        Clock.Advance(TimeSpan.FromDays(30));
        await Offers.EditAsync(id, new AdvertisementEdit(Name: "Other", Rules: rules), Stop);
        await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(ExpiresAt: Now)), Stop);
    }

    [Fact]
    public async Task Terms_that_contradict_each_other_are_refused()
    {
        Assert.Equal("It would have expired before it is offered.", await RefusalAsync(new AdvertisementRules(ExpiresAt: Now - 1)));
        Assert.Equal("It expires before it starts.", await RefusalAsync(new AdvertisementRules(StartAt: Now + Day, ExpiresAt: Now + 1)));
        Assert.Equal("It expires before its last ring begins.", await RefusalAsync(new AdvertisementRules(ExpiresAt: Now + Day, Rings: [new(5, Now), new(100, Now + (3 * Day))])));
        Assert.Equal("Its deadline is before its start.", await RefusalAsync(new AdvertisementRules(StartAt: Now + Day, Deadline: Now + 1)));
        Assert.StartsWith("The ring of 25 % would begin before the start", await RefusalAsync(new AdvertisementRules(StartAt: Now + (7 * Day), Rings: [new(5, Now), new(25, Now + Day), new(100, Now + (8 * Day))])), StringComparison.Ordinal);
        Assert.StartsWith("A start and rings are for what is required", await RefusalAsync(new AdvertisementRules(Purpose: Advertisement.Available, StartAt: Now)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Europe/Berlinn", false)]
    [InlineData("europe/berlin", false)]
    [InlineData("UTC+1", false)]
    [InlineData("Europe/Berlin", true)]
    [InlineData("local", true)]
    public async Task A_time_zone_that_no_client_knows_is_refused(string zone, bool isKnown)
    {
        var rules = new AdvertisementRules(Recurrence: new Recurrence { MinuteOfDay = 180, TimeZone = zone });
        if (isKnown)
            await AdvertiseAsync(rules);
        else
            Assert.StartsWith($"There is no time zone {zone}", await RefusalAsync(rules), StringComparison.Ordinal);
    }

    /// <summary>While it had expired its collection grew without a question, since nothing of it began.</summary>
    [Fact]
    public async Task An_expired_one_that_begins_again_is_asked_about_by_all_whom_it_reaches()
    {
        var id = (await AdvertiseAsync(new AdvertisementRules(ExpiresAt: Now + 60))).AdvertisementId!;
        Clock.Advance(TimeSpan.FromMinutes(2));
        await SqlAsync(
            """
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 501)
            insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash)
            select 1000 + i, 'devaaaaa' || i, 'key' || i, '', '', '00', 'approved', '', 'pc' || i, '', 0, '' from n
            """);
        await Site.EvaluateAsync();
        Assert.Equal("needs_confirmation", await CodeAsync(() => Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(ExpiresAt: 0)), Stop)));
        // What begins nothing asks nothing.
        await Offers.EditAsync(id, new AdvertisementEdit(Name: "Other"), Stop);
        await Offers.EditAsync(id, new AdvertisementEdit(Rules: new AdvertisementRules(ExpiresAt: 0), Confirmed: true), Stop);
        await Offers.EditAsync(id, new AdvertisementEdit(Name: "Again"), Stop);
    }

    [Fact]
    public async Task A_package_whose_program_another_one_runs_first_is_not_removed_from_under_it()
    {
        await Programs.CreateAsync(new ProgramCreate("Runtime", Rules: Rules("setup")), Stop);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install"), First: "Runtime/setup", Replace: true), Stop);
        var packages = Site.Get<PackageAdministration>();
        var refusal = await Assert.ThrowsAsync<SiteException>(() => packages.RemoveAsync("Runtime", null, Stop));
        Assert.Equal("package_in_use", refusal.Code);
        Assert.Contains("Firefox/install", refusal.Message, StringComparison.Ordinal);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install"), Replace: true), Stop);
        await packages.RemoveAsync("Runtime", null, Stop);
    }

    [Fact]
    public async Task What_follows_a_program_is_not_made_too_deep_by_what_that_one_runs_first()
    {
        string[] names = ["a", "b", "c", "d", "e"];
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("e")), Stop);
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("d")), Stop);
        foreach (var (name, first) in names[..3].Zip(names[1..4]).Reverse())
            await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules(name), First: $"Firefox/{first}"), Stop);
        // By itself it is two deep; a, which nobody offers, would be five.
        var refusal = await Assert.ThrowsAsync<SiteException>(() => Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("d"), First: "Firefox/e", Replace: true), Stop));
        Assert.Equal(("bad_program", true), (refusal.Code, refusal.Message.StartsWith("a, which comes after it", StringComparison.Ordinal)));
        await Offers.CreateAsync(new AdvertisementCreate("Firefox/a", "All Systems"), Stop);
    }

    /// <summary>Reports of a fleet come late: what failed was the version before, and the mended one is not halted for it.</summary>
    [Fact]
    public async Task Failures_that_are_heard_of_after_the_count_began_anew_are_those_of_before()
    {
        var devices = new List<FakeDevice>();
        for (var n = 0; n < 4; n++)
            devices.Add(await Site.EnrolAsync($"pc{n}"));
        var id = (await AdvertiseAsync(new AdvertisementRules(HaltAt: 10))).AdvertisementId!;
        await PublishAsync();
        var late = devices[..2].Select(_ => State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) }).ToList();
        Clock.Advance(TimeSpan.FromHours(1));
        await VersionAsync(Package, 2);
        await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 0), Stop);
        Clock.Advance(TimeSpan.FromHours(1));
        await ReportAsync(devices[0], late[0]);
        await ReportAsync(devices[1], late[1]);
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal(("active", 2), (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary is var offer ? (offer.State, offer.Funnel.Failed) : default);
        // The same run, told by a device that knows the new version meanwhile, is no other.
        await ReportAsync(devices[0], late[0] with { Revision = State(id, "").Revision });
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal("active", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.State);
        await ReportAsync(devices[2], State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(1, 5) });
        await ReportAsync(devices[0], State(id, ProgramState.Failed, "exit-code") with { LastRun = Run(2, 5) });
        await Site.Get<OfferKeeper>().PassAsync(Stop);
        Assert.Equal("2 of 2 machines that finished have failed (100 %; the limit is 10 %)", (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Document.HaltedBecause);
    }
}
