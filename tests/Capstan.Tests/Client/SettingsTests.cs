using Capstan.Client.Configuration;
using Capstan.Client.Spool;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging;

namespace Capstan.Tests.Client;

/// <summary>A client obeys what its policy sets, leaves alone what it does not understand, and says so.</summary>
public sealed class SettingsTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    public async ValueTask InitializeAsync() => await _f.EnrolAsync();

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public void Without_a_policy_everything_has_its_default()
    {
        Assert.Equal(ClientSettings.Default, ClientSettings.Of(null));
        Assert.Equal(RecordSpool.MaxBytes, long.Parse(SettingDefinition.Find("spoolSize")!.Default, System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(RecordSpool.MaxBytes, SettingDefinition.Find("spoolSize")!.Most);
    }

    [Fact]
    public void Every_setting_of_the_table_changes_something()
    {
        foreach (var definition in SettingDefinition.All)
        {
            var other = definition.IsHours ? "22:00-06:00"
                : definition.Words.Count > 0 ? definition.Words.First(word => word != definition.Default) : definition.Least.ToString(System.Globalization.CultureInfo.InvariantCulture);
            Assert.NotEqual(ClientSettings.Default, Of(new PolicySetting(definition.Name, other, "site")));
        }
        Assert.Equal(LogLevel.Trace, Of(new PolicySetting("logLevel", "trace", "site")).LogLevel);
    }

    [Fact]
    public async Task What_is_unknown_or_out_of_range_is_left_alone_and_told_with_each_cycle()
    {
        await SetAsync(new PolicySetting("cycle", "1", "site"), new PolicySetting("later", "x", "collection:lab"), new PolicySetting("inventory", "7200", "site"));
        var told = Assert.Single(_f.Site.Items(Documents.StatusMessage), message => message.Code == "setting_ignored");
        Assert.Equal("cycle (of site) has a value out of its range, which is 5m to 31d; later (of collection:lab) is no setting that this program knows. They have their defaults here", told.Text);
        // The rest is obeyed.
        var before = _f.Site.Items(Documents.SoftwareInventory).Count;
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        _f.Time.Advance(TimeSpan.FromHours(2));
        await LiveAsync();
        Assert.Equal(before + 1, _f.Site.Items(Documents.SoftwareInventory).Count);
        // What lasts is said again with each complete cycle, and so was it with the first one after the enrolment.
        Assert.Equal(2, _f.Site.Items(Documents.StatusMessage).Count(message => message.Code == "setting_ignored"));
        _f.Time.Advance(TimeSpan.FromDays(1));
        await LiveAsync();
        Assert.Equal(3, _f.Site.Items(Documents.StatusMessage).Count(message => message.Code == "setting_ignored"));
    }

    [Fact]
    public async Task New_settings_are_confirmed_by_a_heartbeat_with_the_next_contact()
    {
        var before = _f.Site.Items(Documents.Heartbeat).Count;
        await SetAsync(new PolicySetting("logLevel", "debug", "site"));
        Assert.Equal(before + 1, _f.Site.Items(Documents.Heartbeat).Count);
        await LiveAsync();
        Assert.Equal(before + 1, _f.Site.Items(Documents.Heartbeat).Count);
    }

    [Fact]
    public async Task Settings_survive_a_restart_and_a_policy_without_them_takes_them_back()
    {
        await SetAsync(new PolicySetting("poll", "86400", "site"));
        await _f.CloseAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        Assert.InRange(await _f.Client!.Loop.StepAsync(ClientFixture.Stop), TimeSpan.FromHours(6), TimeSpan.FromHours(24));
        await SetAsync();
        Assert.InRange(await _f.Client!.Loop.StepAsync(ClientFixture.Stop), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task A_client_without_a_CAP_for_as_long_as_leaveAfter_looks_once_a_day_and_comes_back_by_itself()
    {
        await SetAsync(new PolicySetting("leaveAfter", "2592000", "site"));
        _f.Provider.Refuse = "gone";
        for (var waited = TimeSpan.Zero; waited < TimeSpan.FromDays(29);)
        {
            var pause = await _f.Client!.Loop.StepAsync(ClientFixture.Stop);
            Assert.True(pause < TimeSpan.FromHours(1), $"after {waited}: {pause}");
            // An hour at a time, as a machine that is woken rarely: what it does between does not count.
            var step = TimeSpan.FromHours(1);
            _f.Time.Advance(step);
            waited += step;
        }
        _f.Time.Advance(TimeSpan.FromDays(1));
        await _f.SettleAsync();
        _f.Time.Advance(TimeSpan.FromDays(1));
        await _f.SettleAsync();
        Assert.InRange(await _f.Client!.Loop.StepAsync(ClientFixture.Stop), TimeSpan.FromHours(11), TimeSpan.FromHours(24));
        Assert.Contains("looks once a day only", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        _f.Provider.Refuse = null;
        _f.Time.Advance(TimeSpan.FromDays(1));
        await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
        await LiveAsync();
        Assert.Equal("approved", (await _f.StatusAsync()).State);
        Assert.Null((await _f.StatusAsync()).Waiting);
        Assert.InRange(await _f.Client!.Loop.StepAsync(ClientFixture.Stop), TimeSpan.Zero, TimeSpan.FromMinutes(10));
    }

    private static ClientSettings Of(params IReadOnlyList<PolicySetting> settings) => ClientSettings.Of(new Policy { SiteCode = "ABC", DeviceId = "", State = "approved", Certificate = null!, Settings = settings });

    private async Task SetAsync(params IReadOnlyList<PolicySetting> settings)
    {
        _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], change: policy => policy with { Settings = settings.Count == 0 ? null : settings });
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
        _f.Time.Advance(TimeSpan.FromDays(1));
        await LiveAsync();
    }

    private async Task LiveAsync()
    {
        for (var i = 0; i < 4; i++)
        {
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
            _f.Time.Advance(TimeSpan.FromMinutes(6));
        }
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
    }
}
