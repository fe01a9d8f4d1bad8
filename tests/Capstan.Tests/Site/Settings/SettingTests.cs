using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Publish.Settings;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site.Settings;

/// <summary>What an administrator sets arrives in signed policies, and only in those that it concerns.</summary>
public sealed class SettingTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    private SettingAdministration Settings => _site.Get<SettingAdministration>();

    private CollectionAdministration Collections => _site.Get<CollectionAdministration>();

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_policy_carries_what_holds_for_its_device_and_where_it_comes_from()
    {
        var lab = await _site.EnrolAsync("LAB-01");
        var desk = await _site.EnrolAsync("desk");
        await Collections.CreateAsync(new CollectionCreate("lab", "host startsWith \"lab-\"", 3), Stop);
        Assert.Equal(2, (await Settings.SetAsync("site", "cycle", "12h", Stop)).Clients);
        await PublishAsync();
        Assert.Equal(1, (await Settings.SetAsync("collection:lab", "cycle", "2h", Stop)).Clients);
        await PublishAsync();
        Assert.Equal(1, (await Settings.SetAsync(SettingScope.OfClient(desk.Id.Value), "logLevel", "debug", Stop)).Clients);
        await PublishAsync();
        Assert.Equal([new PolicySetting("cycle", "7200", "collection:lab")], await PolicyAsync(lab));
        Assert.Equal([new PolicySetting("cycle", "43200", "site"), new PolicySetting("logLevel", "debug", "client")], await PolicyAsync(desk));
        await _site.EvaluateAsync();
        var rows = await Settings.OfAsync(lab.Id.Value, await NumberAsync(lab), Stop);
        Assert.Equal(["lab", "All Systems"], (await Collections.OfAsync(lab.Id.Value, Stop)).Select(collection => collection.Name));
        Assert.Equal(SettingDefinition.All.Count, rows.Count);
        Assert.Equal(("2h", "collection:lab"), rows.Where(row => row.Name == "cycle").Select(row => (row.Text, row.From)).Single());
        Assert.Equal(("7d", "default"), rows.Where(row => row.Name == "heartbeat").Select(row => (row.Text, row.From)).Single());
    }

    [Fact]
    public async Task What_is_cleared_and_a_collection_that_goes_leave_nothing_behind()
    {
        var device = await _site.EnrolAsync("LAB-01");
        await Collections.CreateAsync(new CollectionCreate("lab", Members: [device.Id.Value]), Stop);
        await Settings.SetAsync("collection:lab", "cycle", "2h", Stop);
        await Settings.SetAsync("site", "cycle", "3h", Stop);
        await PublishAsync();
        Assert.Equal("7200", Assert.Single((await PolicyAsync(device))!).Value);
        await Collections.RemoveAsync("lab", Stop);
        await PublishAsync();
        Assert.Equal("10800", Assert.Single((await PolicyAsync(device))!).Value);
        await Settings.ClearAsync("site", "cycle", Stop);
        await PublishAsync();
        Assert.Null(await PolicyAsync(device));
        Assert.Empty((await Settings.ReadAsync(Stop)).Values);
    }

    [Fact]
    public async Task A_device_that_reports_another_name_moves_into_its_collection()
    {
        var device = await _site.EnrolAsync("desk");
        await Collections.CreateAsync(new CollectionCreate("lab", "host startsWith \"lab-\""), Stop);
        await Settings.SetAsync("collection:lab", "cycle", "2h", Stop);
        await PublishAsync();
        Assert.Null(await PolicyAsync(device));
        await _site.TakeInAsync(device, Documents.Heartbeat.ToItem(Documents.Heartbeat.Decode(device.Heartbeat()) with { HostName = "LAB-07" }));
        await _site.EvaluateAsync();
        await PublishAsync();
        Assert.Equal("7200", Assert.Single((await PolicyAsync(device))!).Value);
        Assert.Equal(("LAB-07", "query"), (await Collections.MembersAsync("lab", 0, 10, Stop)).Select(member => (member.HostName, member.By)).Single());
    }

    [Fact]
    public async Task A_change_that_changes_nothing_for_anybody_publishes_nothing()
    {
        await _site.EnrolAsync("desk");
        await PublishAsync();
        var version = await _site.VersionAsync();
        await Collections.CreateAsync(new CollectionCreate("lab", "host startsWith \"lab-\""), Stop);
        Assert.Equal(0, (await Settings.SetAsync("collection:lab", "cycle", "2h", Stop)).Clients);
        await PublishAsync();
        Assert.Equal(version, await _site.VersionAsync());
    }

    [Theory]
    [InlineData("cycle", "1s", "bad_setting")]
    [InlineData("cyclus", "1h", "setting_unknown")]
    public async Task What_clients_would_not_obey_is_refused_here(string name, string value, string code) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<SiteException>(() => Settings.SetAsync("site", name, value, Stop))).Code);

    [Fact]
    public async Task What_is_not_set_cannot_be_cleared() =>
        Assert.Equal("setting_unset", (await Assert.ThrowsAsync<SiteException>(() => Settings.ClearAsync("site", "cycle", Stop))).Code);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private async Task<long> NumberAsync(FakeDevice device) => (await _site.Get<Capstan.Site.Store.DeviceStore>().DetailAsync(device.Id.Value, Stop))!.Value.Row.Number;

    private async Task PublishAsync()
    {
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
    }

    private async Task<IReadOnlyList<PolicySetting>?> PolicyAsync(FakeDevice device) => (await _site.PolicyAsync(device)).Settings;
}
