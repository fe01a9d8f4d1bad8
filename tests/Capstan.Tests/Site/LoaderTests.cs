using Capstan.Protocol.V1;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

public class LoaderTests
{
    [Fact]
    public async Task A_request_with_a_good_token_becomes_a_client_with_a_published_policy()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        await site.PublishAsync();
        Assert.Empty(site.Inbox());
        Assert.Single(Directory.GetFiles(Path.Combine(site.CapDirectory, "targets", "policy"), $"*.{device.Id}.json"));
        Assert.Equal(new Receipt(device.Id.Value, 1, device.Previous, []), await site.ReceiptAsync(device), ReceiptComparer);
    }

    [Fact]
    public async Task A_token_is_good_for_its_uses_and_until_it_expires()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        var token = await site.TokenAsync(uses: 1, seconds: 60);
        var late = await site.TokenAsync(uses: 1, seconds: 60);
        using FakeDevice first = new(site.Context), second = new(site.Context), third = new(site.Context), fourth = new(site.Context);
        foreach (var (device, with) in new[] { (first, token), (second, token), (third, late with { Secret = token.Secret }) })
        {
            var (path, content, _) = device.Next(device.Request(with));
            site.Drop(path, content);
            await site.DrainAsync();
        }
        time.Advance(TimeSpan.FromSeconds(60));
        var (lastPath, lastContent, _) = fourth.Next(fourth.Request(late));
        site.Drop(lastPath, lastContent);
        await site.DrainAsync();

        Assert.Equal("approved", (await site.ClientAsync(first)).State);
        Assert.Equal("pending", (await site.ClientAsync(second)).State);
        Assert.Equal("pending", (await site.ClientAsync(third)).State);
        Assert.Equal("pending", (await site.ClientAsync(fourth)).State);

        Assert.True(await site.Get<Enrolment>().ApproveAsync(second.Id.Value, CancellationToken.None));
        Assert.False(await site.Get<Enrolment>().ApproveAsync(second.Id.Value, CancellationToken.None));
        Assert.Equal("approved", (await site.ClientAsync(second)).State);
    }

    [Fact]
    public async Task Records_in_any_order_and_twice_are_applied_once_and_in_order()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        var records = Enumerable.Range(2, 5).Select(n => device.Next(device.Heartbeat(policy: n))).ToList();
        foreach (var n in new[] { 4, 2, 3, 0 })
            site.Drop(records[n].Path, records[n].Content);
        await site.DrainAsync();
        Assert.Equal(2, (await site.ClientAsync(device)).Sequence);
        Assert.Equal(3, site.Inbox().Count());

        site.Drop(records[1].Path, records[1].Content);
        site.Drop(records[0].Path, records[0].Content);
        await site.DrainAsync();
        await site.DrainAsync();
        var client = await site.ClientAsync(device);
        Assert.Equal((6L, 6L), (client.Sequence, client.PolicyVersion));
        Assert.Empty(site.Inbox());
        Assert.Empty(await site.QuarantineAsync());
    }

    [Fact]
    public async Task A_second_record_of_one_place_is_a_fork_and_stops_nobody()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        var (sequence, previous) = (device.Sequence, device.Previous);
        var original = device.Next(device.Heartbeat(policy: 7));
        site.Drop(original.Path, original.Content);
        await site.DrainAsync();

        var (goneOnAt, goneOnFrom) = (device.Sequence, device.Previous);
        (device.Sequence, device.Previous) = (sequence, previous);
        var clone = device.Next(device.Heartbeat(policy: 8));
        site.Drop(clone.Path, clone.Content);
        (device.Sequence, device.Previous) = (goneOnAt, goneOnFrom);
        var next = device.Next(device.Heartbeat(policy: 9));
        site.Drop(next.Path, next.Content);
        await site.DrainAsync();

        Assert.Equal(9, (await site.ClientAsync(device)).PolicyVersion);
        Assert.Equal("fork", Assert.Single(await site.QuarantineAsync()).Reason);
        Assert.Single(Directory.GetFiles(Path.Combine(site.Directory, "site", "quarantine")));
    }

    [Fact]
    public async Task After_seven_days_a_gap_is_given_up_and_everything_is_asked_for()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        device.Next(device.Heartbeat());
        var after = device.Next(device.Heartbeat(policy: 3));
        site.Drop(after.Path, after.Content);
        await site.DrainAsync();
        time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        await site.DrainAsync();
        Assert.Equal(1, (await site.ClientAsync(device)).Sequence);
        time.Advance(TimeSpan.FromMinutes(2));
        await site.DrainAsync();
        Assert.Equal(3, (await site.ClientAsync(device)).Sequence);
        Assert.Equal([ItemKind.HardwareInventory, ItemKind.SoftwareInventory], (await site.ReceiptAsync(device)).Resync);
    }

    [Fact]
    public async Task A_short_file_is_waited_for_and_then_quarantined()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        var upload = device.Next(device.Heartbeat(policy: 5));
        var file = site.Drop(upload.Path, upload.Content.AsSpan(0, 100));
        await site.DrainAsync();
        Assert.Empty(await site.QuarantineAsync());
        await File.WriteAllBytesAsync(file, upload.Content);
        await site.DrainAsync();
        Assert.Equal(5, (await site.ClientAsync(device)).PolicyVersion);

        var never = device.Next(device.Heartbeat());
        site.Drop(never.Path, never.Content.AsSpan(0, 100));
        await site.DrainAsync();
        time.Advance(TimeSpan.FromHours(24));
        await site.DrainAsync();
        Assert.Equal("unfinished", Assert.Single(await site.QuarantineAsync()).Reason);
        Assert.Empty(site.Inbox());
    }

    [Fact]
    public async Task A_thousand_junk_files_keep_one_good_upload_from_nothing()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        for (var i = 0; i < 1_000; i++)
            site.Drop($"inbox/{device.Id.Bin}/junk {i}", [1, 2, 3]);
        var good = device.Next(device.Heartbeat(policy: 4));
        site.Drop(good.Path, good.Content);
        await site.DrainAsync();
        Assert.Equal(4, (await site.ClientAsync(device)).PolicyVersion);
        Assert.Empty(site.Inbox());
        Assert.Equal(1_000, (await site.QuarantineAsync()).Count(row => row.Reason == "not_an_upload"));
    }

    [Fact]
    public async Task A_bad_item_goes_to_quarantine_and_the_chain_goes_on()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        var bad = device.Next(new UploadItem(ItemKind.Heartbeat, System.Text.Json.JsonDocument.Parse("""{"version":1}""").RootElement));
        var good = device.Next(device.Heartbeat(policy: 6));
        site.Drop(bad.Path, bad.Content);
        site.Drop(good.Path, good.Content);
        await site.DrainAsync();
        Assert.Equal(6, (await site.ClientAsync(device)).PolicyVersion);
        Assert.Equal("malformed", Assert.Single(await site.QuarantineAsync()).Reason);
    }

    [Fact]
    public async Task A_restart_between_storing_and_deleting_applies_nothing_twice()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        var upload = device.Next(device.Heartbeat(policy: 2), Documents.StatusMessage.ToItem(new StatusMessage { Severity = "warning", Code = "x_y", Component = "c", Text = "once", ReportedAt = 1 }));
        site.Drop(upload.Path, upload.Content);
        await site.DrainAsync();
        await site.CloseAsync();
        site.Drop(upload.Path, upload.Content);

        await using var again = await SiteHarness.OpenAsync(site.Directory, time);
        await again.DrainAsync();
        Assert.Empty(again.Inbox());
        Assert.Equal(1, Assert.Single(await again.Get<StatusStore>().ListAsync(device.Id.Value, "warning", null, 10, CancellationToken.None)).Count);
    }

    private static readonly IEqualityComparer<Receipt> ReceiptComparer = EqualityComparer<Receipt>.Create(
        (a, b) => a!.DeviceId == b!.DeviceId && a.Sequence == b.Sequence && a.RecordHash == b.RecordHash && a.Resync.SequenceEqual(b.Resync));
}
