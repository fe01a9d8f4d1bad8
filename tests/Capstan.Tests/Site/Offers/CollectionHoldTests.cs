using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Site.Offers;

/// <summary>What nobody asked for does not bring software to a fleet, or take it away, by itself; and what moves is never without its offer.</summary>
public sealed class CollectionHoldTests : OfferWorld
{
    [Theory]
    [InlineData(500, 0, 0, 1_000, false)]
    [InlineData(501, 0, 0, 1_000, true)]
    [InlineData(1, 500, 0, 1_000, true)]
    [InlineData(0, 900, 0, 1_000, false)]
    [InlineData(0, 0, 500, 1_000, false)]
    [InlineData(0, 0, 501, 10_000, true)]
    [InlineData(0, 0, 20, 39, true)]
    [InlineData(0, 0, 20, 40, false)]
    [InlineData(0, 0, 19, 19, false)]
    public void A_collection_is_held_when_more_than_the_limit_come_within_a_day_or_many_would_remove_something(int coming, int before, int removals, int members, bool expected) =>
        Assert.Equal(expected, CollectionHold.Of(coming, before, removals, members, 500) is not null);

    /// <summary>Clients of old: they were approved long ago.</summary>
    private async Task FleetAsync(int clients, string os, int from = 0)
    {
        await SqlAsync(
            $"""
            with recursive n(i) as (select {from} union all select i + 1 from n where i < {from + clients - 1})
            insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, operating_system, search_text, requested_at, record_hash, approved_at)
            select 1000 + i, 'devaaaaa' || (10000 + i), 'key' || i, '', '', '00', 'approved', '', 'pc' || i, '{os}', '', 0, '', 1 from n
            """);
        await Site.EvaluateAsync();
    }

    private Task<int> UpgradeAsync(int clients, string to) => SqlAsync($"update device set operating_system = '{to}' where number >= 1000 and number < {1000 + clients}");

    [Fact]
    public async Task A_collection_that_carries_an_offer_and_grows_too_much_by_itself_keeps_its_members_until_that_is_confirmed()
    {
        await FleetAsync(600, "Debian 12");
        await Collections.CreateAsync(new CollectionCreate("New", "os = \"Debian 13\""), Stop);
        await Offers.CreateAsync(new AdvertisementCreate("Firefox", "New"), Stop);
        await UpgradeAsync(100, "Debian 13");
        await Site.EvaluateAsync();
        Assert.Equal((100, null), Told(await Collections.ShowAsync("New", Stop)));
        // The rest of the limit, and then one more, within the day.
        await UpgradeAsync(500, "Debian 13");
        await Site.EvaluateAsync();
        Assert.Equal((500, null), Told(await Collections.ShowAsync("New", Stop)));
        await UpgradeAsync(501, "Debian 13");
        await Site.EvaluateAsync();
        var (members, held) = Told(await Collections.ShowAsync("New", Stop));
        Assert.Equal((500, 1), (members, held!.Coming));
        var condition = Assert.Single(await Site.ConditionsAsync(), condition => condition.Code == "collection_held");
        Assert.Contains("1 more clients would come", condition.Text, StringComparison.Ordinal);
        // Who is named comes, who is retired leaves, and that confirms nothing.
        await Collections.MembersAsync("New", new CollectionMembersChange(Add: ["devaaaaa10599"]), Stop);
        await SqlAsync("update device set state = 'retired' where number = 1000");
        await Site.EvaluateAsync();
        Assert.Equal((500, 1), Told(await Collections.ShowAsync("New", Stop)) is var still ? (still.Members, still.Held!.Coming) : default);
        Assert.Equal(1, (await Collections.EditAsync("New", new CollectionEdit(Confirmed: true), Stop)).Added);
        Assert.Equal((501, null), Told(await Collections.ShowAsync("New", Stop)));
        Assert.DoesNotContain(await Site.ConditionsAsync(), each => each.Code == "collection_held");
    }

    [Fact]
    public async Task What_comes_slower_than_the_limit_within_a_day_and_who_has_just_become_a_client_is_not_held()
    {
        await FleetAsync(600, "Debian 12");
        await Collections.CreateAsync(new CollectionCreate("New", "os = \"Debian 13\""), Stop);
        await Offers.CreateAsync(new AdvertisementCreate("Firefox", "New"), Stop);
        await UpgradeAsync(300, "Debian 13");
        await Site.EvaluateAsync();
        Clock.Advance(TimeSpan.FromDays(1));
        await UpgradeAsync(600, "Debian 13");
        await Site.EvaluateAsync();
        Assert.Equal((600, null), Told(await Collections.ShowAsync("New", Stop)));
        // 600 new machines: their approval was the confirmation, whenever they tell what they are.
        await FleetAsync(600, "", from: 600);
        await SqlAsync($"update device set approved_at = {Clock.GetUtcNow().ToUnixTimeMilliseconds()}, operating_system = 'Debian 13' where number >= 1600");
        await Site.EvaluateAsync();
        Assert.Equal((1200, null), Told(await Collections.ShowAsync("New", Stop)));
    }

    [Fact]
    public async Task What_carries_no_offer_grows_as_it_likes()
    {
        await FleetAsync(600, "Debian 12");
        await Collections.CreateAsync(new CollectionCreate("New", "os = \"Debian 13\""), Stop);
        await UpgradeAsync(600, "Debian 13");
        await Site.EvaluateAsync();
        Assert.Equal((600, null), Told(await Collections.ShowAsync("New", Stop)));
    }

    /// <summary>Also of a small site, where all of them are fewer than the limit: an agent that calls the system by another word is no order to remove it.</summary>
    [Theory]
    [InlineData(600)]
    [InlineData(30)]
    public async Task Members_that_would_all_leave_and_remove_what_they_have_stay(int clients)
    {
        await FleetAsync(clients, "Debian 12");
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }, Replace: true), Stop);
        await Collections.CreateAsync(new CollectionCreate("Old", "os = \"Debian 12\""), Stop);
        var id = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Old", Confirmed: true), Stop)).AdvertisementId!;
        await SqlAsync($"insert into advertisement_state (advertisement_id, device_number, revision, state, since, run_number, reported_at, at_received) select '{id}', number, 1, 'succeeded', 1, 1, 1, 1 from device where number >= 1000");
        await UpgradeAsync(clients, "Debian 13");
        await Site.EvaluateAsync();
        var (members, held) = Told(await Collections.ShowAsync("Old", Stop));
        Assert.Equal((clients, 0, clients), (members, held!.Coming, held.Removals));
        // A built-in one can be confirmed, too; here there is nothing to confirm.
        Assert.Equal(0, (await Collections.EditAsync("All Systems", new CollectionEdit(Confirmed: true), Stop)).Added);
        Assert.Equal("built_in", await CodeAsync(() => Collections.EditAsync("All Systems", new CollectionEdit("id is known", Confirmed: true), Stop)));
        Assert.Equal(clients, (await Collections.EditAsync("Old", new CollectionEdit(Confirmed: true), Stop)).Removed);
    }

    /// <summary>Both collections are offered the program by advertisements of their own: between the two there is no policy without it.</summary>
    [Fact]
    public async Task A_client_that_moves_from_one_collection_to_another_is_asked_nothing_and_never_signed_in_between()
    {
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }, Replace: true), Stop);
        var device = await Site.EnrolAsync("pc1");
        await Collections.CreateAsync(new CollectionCreate("Pilots", Members: [device.Id.Value]), Stop);
        await Collections.CreateAsync(new CollectionCreate("Everybody"), Stop);
        await Collections.CreateAsync(new CollectionCreate("Nothing"), Stop);
        var first = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Pilots"), Stop)).AdvertisementId!;
        var second = (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "Everybody"), Stop)).AdvertisementId!;
        await PublishAsync();
        await ReportAsync(device, State(first, ProgramState.Succeeded) with { LastRun = Run(1, 0) });
        Assert.Equal("needs_confirmation", await CodeAsync(() => Collections.MoveAsync("Pilots", new CollectionMove("Nothing", [device.Id.Value]), Stop)));
        var moved = await Collections.MoveAsync("Pilots", new CollectionMove("Everybody", [device.Id.Value]), Stop);
        Assert.Equal((0, 1, 1, 1), (moved.From.Members, moved.From.Removed, moved.To.Members, moved.To.Added));
        await PublishAsync();
        Assert.Equal([second], (await PolicyAsync(device)).Advertisements);
        Assert.Equal("not_a_member", await CodeAsync(() => Collections.MoveAsync("Pilots", new CollectionMove("Everybody", [device.Id.Value]), Stop)));
        Assert.Equal("bad_collection", await CodeAsync(() => Collections.MoveAsync("Pilots", new CollectionMove("pilots", [device.Id.Value]), Stop)));
    }

    /// <summary>D12 comes before D13: were each evaluated and signed for itself, the machine would be offered nothing in between.</summary>
    [Fact]
    public async Task A_pass_moves_machines_between_queries_in_one_transaction()
    {
        var device = await Site.EnrolAsync("pc1");
        await Site.TakeInAsync(device, Documents.Heartbeat.ToItem(Documents.Heartbeat.Decode(device.Heartbeat()) with { OperatingSystem = "Debian 12" }));
        foreach (var version in new[] { 12, 13 })
            await Collections.CreateAsync(new CollectionCreate($"D{version}", $"os = \"Debian {version}\""), Stop);
        var versions = new List<int>();
        await SqlAsync("create table witness (members int); create trigger moved after delete on collection_member begin insert into witness select count(*) from collection_member where collection_id > 3; end");
        await Site.TakeInAsync(device, Documents.Heartbeat.ToItem(Documents.Heartbeat.Decode(device.Heartbeat()) with { OperatingSystem = "Debian 13" }));
        var before = await CountAsync("select count(*) from collection_member where collection_id > 3");
        var pass = Site.EvaluateAsync();
        while (!pass.IsCompleted)
            versions.Add(await CountAsync("select count(*) from collection_member where collection_id > 3"));
        await pass;
        Assert.Equal((1, 0), (before, await CountAsync("select members from witness")));
        Assert.DoesNotContain(0, versions);
        Assert.Equal(1, (await Collections.ShowAsync("D13", Stop)).Members);
    }

    private static (int Members, CollectionHeld? Held) Told(CollectionSummary collection) => (collection.Members, collection.Held);
}
