using System.Globalization;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Fleet;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;
using Dapper;

namespace Capstan.Tests.Site;

/// <summary>From what clients report to what is published, counted and warned of.</summary>
public sealed class CapUseTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task The_published_hold_and_interval_follow_what_clients_measured()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await LicenseAsync(site, "per-server:1", 0);
        await PublishAsync(site, time);
        var before = Assert.Single((await CapListAsync(site)).Caps);
        Assert.Equal((2, 300), (before.MeanHoldSeconds, before.PollIntervalSeconds));

        await site.TakeInAsync(device, Report(site, time, connections: 70, heldMilliseconds: 70 * 45_000));
        await PublishAsync(site, time);
        var after = Assert.Single((await CapListAsync(site)).Caps);
        Assert.Equal((45, 450), (after.MeanHoldSeconds, after.PollIntervalSeconds));

        // A little more is no news: nothing is signed anew.
        var version = await site.VersionAsync();
        await site.TakeInAsync(device, Report(site, time, connections: 10, heldMilliseconds: 10 * 45_000));
        await PublishAsync(site, time);
        Assert.Equal(version, await site.VersionAsync());
    }

    [Fact]
    public async Task Reports_are_added_up_once_each_and_only_for_CAPs_of_the_list()
    {
        var time = new ManualTime();
        var (site, first) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        var second = await site.EnrolAsync("pc2");
        var hour = Hour(time);
        await site.TakeInAsync(first, Documents.CapUse.ToItem(new CapUse
        {
            Hours = [new(site.Cap.ToString(), hour, 3, 9_000, 0), new(site.Cap.ToString(), hour, 1, 1_000, 2), new(@"MSWNET:\\nobody\knows\", hour, 9, 9, 9)],
        }));
        await site.TakeInAsync(second, Report(site, time, connections: 5, heldMilliseconds: 5_000));
        // A device whose only report is of refusals was not served; one with a wrong clock was.
        var refused = await site.EnrolAsync("pc3");
        await site.TakeInAsync(refused, Documents.CapUse.ToItem(new CapUse { Hours = [new(site.Cap.ToString(), hour, 0, 0, 1)] }));
        var future = await site.EnrolAsync("pc4");
        await site.TakeInAsync(future, Documents.CapUse.ToItem(new CapUse { Hours = [new(site.Cap.ToString(), hour + 86_400 * 365L, 4, 4, 4)] }));

        var usage = Assert.Single(await site.Get<CapLoadReader>().ReadAsync(7, None)).ToUsage(time.GetUtcNow().AddDays(-7));
        Assert.Equal([new CapUsageHour(DateTimeOffset.FromUnixTimeSeconds(hour), Math.Round(15 / 3_600.0, 3), 1, 9, 3)], usage.Hours);
        Assert.Equal(3, usage.Load.Devices90Days);
        Assert.Equal(3, usage.Load.Refused);
        Assert.Equal(1, await site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<int>("select count(distinct cap) from cap_hour"), None));
    }

    [Fact]
    public async Task Devices_are_counted_for_ninety_days_and_hours_are_kept_for_thirty_five()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await LicenseAsync(site, "per-seat:1", 0);
        await site.TakeInAsync(device, Report(site, time, connections: 1, heldMilliseconds: 1));
        Assert.Equal("cap_limit_near", (await site.OnlyConditionAsync()).Code);
        time.Advance(TimeSpan.FromDays(36));
        await site.Get<CapWatch>().RunAsync(None);
        var reading = Assert.Single(await site.Get<CapLoadReader>().ReadAsync(35, None));
        Assert.Equal((1, 0), (reading.Load.Devices90Days, reading.Hours.Count));
        Assert.Equal(0, await CountAsync(site, "cap_hour"));
        time.Advance(TimeSpan.FromDays(55));
        await site.Get<CapWatch>().RunAsync(None);
        Assert.Equal(0, Assert.Single(await site.Get<CapLoadReader>().ReadAsync(7, None)).Load.Devices90Days);
        Assert.Equal(0, await CountAsync(site, "cap_device"));
    }

    [Fact]
    public async Task A_limit_is_told_once_when_it_comes_near_and_once_when_it_is_far_again()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await LicenseAsync(site, "per-server:20", 4);
        await PublishAsync(site, time);
        await FleetAsync(site, 7, new CapUseHour(site.Cap.ToString(), Hour(time), 100, CapTold.MostMilliseconds, 0));
        await site.Get<CapWatch>().RunAsync(None);
        await site.Get<CapWatch>().RunAsync(None);
        var message = Assert.Single(await MessagesAsync(site));
        Assert.Equal(("cap_limit_near", "warning", "capacity", 1), (message.Code, message.Severity, message.Component, message.Count));
        Assert.Contains("about 16 connections at one time in the last week; per-server:20 less a headroom of 4 leaves 16", message.Text, StringComparison.Ordinal);
        var condition = await site.OnlyConditionAsync();
        Assert.Equal(("cap_limit_near", "warning"), (condition.Code, condition.Severity));

        await site.TakeInAsync(device, Documents.CapUse.ToItem(new CapUse { Hours = [new(site.Cap.ToString(), Hour(time), 0, 0, 7)] }));
        await site.Get<CapWatch>().RunAsync(None);
        Assert.Equal("cap_limit_reached", (await MessagesAsync(site))[0].Code);

        time.Advance(TimeSpan.FromDays(8));
        await site.Get<CapWatch>().RunAsync(None);
        Assert.Equal(["cap_limit_ok", "cap_limit_reached", "cap_limit_near"], (await MessagesAsync(site)).Select(row => row.Code));
    }

    [Fact]
    public async Task A_device_that_lies_changes_the_estimate_by_one_connection_at_most()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await LicenseAsync(site, "per-server:20", 4);
        var hour = new CapUseHour(site.Cap.ToString(), Hour(time), CapUseHour.MostTimes, CapUseHour.MostMilliseconds, CapUseHour.MostTimes);
        for (var report = 0; report < 3; report++)
            await site.TakeInAsync(device, Documents.CapUse.ToItem(new CapUse { Hours = [hour, hour, hour with { Hour = hour.Hour - 3_600 }] }));
        var reading = Assert.Single(await site.Get<CapLoadReader>().ReadAsync(7, None));
        Assert.Equal([1, 1], reading.Hours.Select(row => row.Mean));
        Assert.Equal(2 * CapTold.MostTimes, reading.Load.Refused);
        Assert.Contains("the server refused 1 client 2,000 times in 3 days. About 5 connections", reading.Judgement.Text, StringComparison.Ordinal);
        Assert.Equal(1, await CountAsync(site, "cap_told"));
    }

    [Fact]
    public async Task CAPs_on_one_server_share_its_limit()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        foreach (var path in (string[])[@"MSWNET:\\fs1\first\", @"MSWNET:\\fs1\second\"])
            await site.Context.Database.WriteAsync(transaction => CapStore.AddAsync(transaction, path, "per-server:20", 4, time.GetUtcNow()), None);
        foreach (var path in (string[])[@"MSWNET:\\fs1\first\", @"MSWNET:\\fs1\second\"])
            await FleetAsync(site, 4, new CapUseHour(path, Hour(time), 100, CapTold.MostMilliseconds, 0));
        foreach (var reading in (await site.Get<CapLoadReader>().ReadAsync(7, None)).Where(reading => reading.Cap.Path != site.Cap.ToString()))
        {
            Assert.Equal((CapLoad.Reached, 8.0, 4), (reading.Judgement.Level, Assert.Single(reading.Hours).Mean, reading.Load.Devices90Days));
            Assert.Contains(" on the same server.", reading.Judgement.Text, StringComparison.Ordinal);
        }
    }

    /// <summary>The same report of many devices.</summary>
    private static Task<int> FleetAsync(SiteHarness site, int devices, CapUseHour hour) => site.Context.Database.WriteAsync(async transaction =>
    {
        for (var number = 1; number <= devices; number++)
            await CapUseStore.AddAsync(transaction, 1_000 + number, new CapUse { Hours = [hour] }, site.Context.Time.GetUtcNow());
        return devices;
    }, None);

    private static async Task<IReadOnlyList<StatusRow>> MessagesAsync(SiteHarness site) =>
        [.. (await site.Get<StatusStore>().ListAsync(null, null, null, 100, None)).Where(row => row.Component == "capacity")];

    private static async Task PublishAsync(SiteHarness site, ManualTime time)
    {
        time.Advance(TimeSpan.FromMinutes(2));
        site.Get<Publisher>().Changed(PublishUrgency.Ordinary);
        await site.PublishAsync();
    }

    private static async Task<CapList> CapListAsync(SiteHarness site)
    {
        var client = await site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, None);
        return Documents.CapList.Decode((await client.ReadTargetAsync(Layout.CapListTarget, Documents.CapList.MaxBytes, None))!.Content.Span);
    }

    private static Task<int> LicenseAsync(SiteHarness site, string licensing, int headroom) => site.Context.Database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync("update cap set licensing = @licensing, headroom = @headroom", new { licensing, headroom }, transaction), None);

    private static Task<int> CountAsync(SiteHarness site, string table) =>
        site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<int>(string.Create(CultureInfo.InvariantCulture, $"select count(*) from {table}")), None);

    private static UploadItem Report(SiteHarness site, ManualTime time, int connections, long heldMilliseconds) =>
        Documents.CapUse.ToItem(new CapUse { Hours = [new CapUseHour(site.Cap.ToString(), Hour(time), connections, heldMilliseconds, 0)] });

    private static long Hour(ManualTime time) => time.GetUtcNow().ToUnixTimeSeconds() / 3_600 * 3_600;
}
