using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>Bounds of what may lie about, and files that will not go away.</summary>
public class InboxLimitsTests
{
    [Fact]
    public async Task A_file_that_cannot_be_deleted_is_taken_in_once_and_shown()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        await site.PublishAsync();
        storage[site.Cap].Add(new StoreFault(StoreOperations.Delete, NalError.AccessDenied) { PathPrefix = Layout.Inbox });

        await site.TakeInAsync(device, device.Heartbeat(policy: 2));
        await site.TakeInAsync(device, device.Heartbeat(policy: 3));

        Assert.Equal((3L, 3L), ((await site.ClientAsync(device)).Sequence, (await site.ClientAsync(device)).PolicyVersion));
        Assert.Equal(2, site.Inbox().Count());
        var condition = await site.OnlyConditionAsync();
        Assert.Equal("inbox_delete_failed", condition.Code);
        Assert.Contains("2 uploads", condition.Text, StringComparison.Ordinal);
        Assert.Empty(await site.QuarantineAsync());
    }

    [Fact]
    public async Task Quarantine_keeps_the_newest_thousand_files_and_says_what_it_dropped()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        const int Junk = QuarantineFolder.MaxFiles + 5;
        for (var i = 0; i < Junk; i++)
            site.Drop($"inbox/{device.Id.Bin}/junk {i}", [1, 2, 3]);

        await site.DrainAsync();

        Assert.Equal(QuarantineFolder.MaxFiles, Directory.GetFiles(Path.Combine(site.Directory, "site", "quarantine")).Length);
        Assert.Equal(Junk, (await site.QuarantineAsync()).Count);
        var condition = (await site.ConditionsAsync()).Single(condition => condition.Code == "quarantine");
        Assert.Contains("5 older files were dropped", condition.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_beyond_a_thousand_pending_ones_waits_until_there_is_room()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        await site.Context.Database.WriteAsync(async transaction =>
        {
            for (var number = 0; number < Enrolment.MaxPending; number++)
                await DeviceStore.InsertAsync(transaction, new NewDevice(DeviceId.FromPublicKey(BitConverter.GetBytes(number)), $"key{number}", "{}", "{}", "nonce", "pc", "Debian", "0.1.0"), time.GetUtcNow());
        }, CancellationToken.None);
        using var late = new FakeDevice(site.Context);
        await site.TakeInAsync(late, late.Request(await site.TokenAsync() with { Secret = "wrong" }));
        Assert.Single(site.Inbox());
        Assert.Empty(await site.QuarantineAsync());

        Assert.True(await site.Get<Enrolment>().RetireAsync(DeviceId.FromPublicKey(BitConverter.GetBytes(0)).Value, CancellationToken.None));
        time.Advance(TimeSpan.FromMinutes(2));
        await site.DrainAsync();

        Assert.Empty(site.Inbox());
        Assert.Equal("pending", (await site.ClientAsync(late)).State);
    }
}
