using Capstan.Protocol.V1;
using Capstan.Site.Status.Clients;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>Health of clients out of what their uploads left in a real store.</summary>
public sealed class ClientHealthTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_site_without_clients_has_none_that_is_not_well() => Assert.Empty(await UnwellAsync());

    [Fact]
    public async Task A_client_that_reports_with_the_present_policy_is_well()
    {
        var device = await ReportingAsync("pc1");
        Assert.Empty(await UnwellAsync());
        _time.Advance(TimeSpan.FromDays(6));
        Assert.Equal(("pc1", "silent"), await OnlyAsync());
        await _site.TakeInAsync(device, device.Heartbeat(await _site.VersionAsync()));
        Assert.Empty(await UnwellAsync());
    }

    [Fact]
    public async Task An_error_is_a_cause_until_it_is_not_repeated_any_more_and_stays_as_the_last_error()
    {
        var device = await ReportingAsync("pc1");
        await _site.TakeInAsync(device, Status("policy_invalid", "error"));
        // Something else said later does not push it away.
        await _site.TakeInAsync(device, Status("build_waits", "warning"));
        var client = Assert.Single(await UnwellAsync());
        Assert.Equal(["policy_invalid", "build_waits"], client.Causes.Select(cause => cause.Code));
        _time.Advance(TimeSpan.FromDays(3));
        await _site.TakeInAsync(device, device.Heartbeat(await _site.VersionAsync()));
        Assert.Empty(await UnwellAsync());
        Assert.Equal("policy_invalid", Assert.Single(await ReadAsync()).LastError?.Code);
    }

    [Fact]
    public async Task A_policy_that_changed_a_cycle_ago_and_has_not_arrived_shows()
    {
        var device = await ReportingAsync("pc1");
        var before = await _site.VersionAsync();
        _time.Advance(TimeSpan.FromMinutes(5));
        await _site.Get<Capstan.Site.Load.Enrolment>().OrderAsync(Capstan.Site.Store.DeviceOrder.Resync, device.Id.Value, CancellationToken.None);
        await _site.PublishAsync();
        _time.Advance(TimeSpan.FromDays(1));
        await _site.TakeInAsync(device, device.Heartbeat(before));
        Assert.Equal(("pc1", "policy_behind"), await OnlyAsync());
        await _site.TakeInAsync(device, device.Heartbeat(await _site.VersionAsync()));
        Assert.Empty(await UnwellAsync());
    }

    [Fact]
    public async Task A_gap_in_the_records_shows_after_a_day_and_a_refused_upload_at_once()
    {
        var device = await ReportingAsync("pc1");
        device.Next(device.Heartbeat());
        var (path, content, _) = device.Next(device.Heartbeat(await _site.VersionAsync()));
        _site.Drop(path, content);
        await _site.DrainAsync();
        Assert.Empty(await UnwellAsync());
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Equal(("pc1", "records_missing"), await OnlyAsync());
        _site.Drop(Capstan.Protocol.Layout.Upload(device.Id, device.Sequence, "no upload"u8), "no upload"u8);
        await _site.DrainAsync();
        Assert.Equal(["uploads_refused", "records_missing"], Assert.Single(await UnwellAsync()).Causes.Select(cause => cause.Code));
    }

    [Fact]
    public async Task The_worst_client_comes_first()
    {
        var late = await ReportingAsync("late");
        var broken = await ReportingAsync("broken");
        await ReportingAsync("well");
        await _site.TakeInAsync(late, Status("build_waits", "warning"));
        await _site.TakeInAsync(broken, Status("policy_invalid", "error"));
        Assert.Equal(["broken", "late"], (await UnwellAsync()).Select(client => client.Row.HostName));
    }

    private async Task<FakeDevice> ReportingAsync(string host)
    {
        var device = await _site.EnrolAsync(host);
        await _site.PublishAsync();
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
        await _site.TakeInAsync(device, device.Heartbeat(await _site.VersionAsync()));
        return device;
    }

    private UploadItem Status(string code, string severity) => Documents.StatusMessage.ToItem(new StatusMessage
    {
        Severity = severity,
        Code = code,
        Component = "CCIM",
        Text = "because",
        ReportedAt = _time.GetUtcNow().ToUnixTimeMilliseconds(),
    });

    private async Task<IReadOnlyList<JudgedClient>> ReadAsync() => await _site.Get<ClientHealthReader>().ReadAsync(null, CancellationToken.None);

    private async Task<IReadOnlyList<JudgedClient>> UnwellAsync() => ClientHealthReader.Unwell(await ReadAsync());

    private async Task<(string, string)> OnlyAsync()
    {
        var client = Assert.Single(await UnwellAsync());
        return (client.Row.HostName, Assert.Single(client.Causes).Code);
    }
}
