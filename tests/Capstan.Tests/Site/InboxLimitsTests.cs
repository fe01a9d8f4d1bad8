using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;
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

    /// <summary>Ids can be made to fall into one bin, whose receipts must name every one of them.</summary>
    [Fact]
    public async Task Of_one_bin_only_so_many_wait_for_an_approval_and_a_good_token_goes_before()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        await site.AddCapAsync();
        using var late = new FakeDevice(site.Context);
        await InsertAsync(site, Enrolment.MaxPendingOfBin, late.Id.Bin, "pending");
        await site.TakeInAsync(late, late.Request(await site.TokenAsync() with { Secret = "wrong" }));
        Assert.Single(site.Inbox());

        using var invited = new FakeDevice(site.Context);
        await site.TakeInAsync(invited, invited.Request(await site.TokenAsync()));
        Assert.Equal("approved", (await site.ClientAsync(invited)).State);
    }

    [Fact]
    public async Task A_bin_with_more_devices_than_receipts_can_name_is_told_and_holds_up_no_other()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        var full = device.Id.Bin == "aa" ? "ab" : "aa";
        await InsertAsync(site, 2_000, full, "retired");
        await site.Get<ReceiptWriter>().MarkAsync([full], CancellationToken.None);
        await site.TakeInAsync(device, device.Heartbeat());

        Assert.Equal(device.Sequence, (await site.ReceiptAsync(device)).Sequence);
        Assert.Equal("receipts_full", (await site.OnlyConditionAsync()).Code);

        await site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync("delete from device where bin = @full", new { full }, transaction), CancellationToken.None);
        await site.TakeInAsync(device, device.Heartbeat());
        Assert.True(File.Exists(Path.Combine(site.CapDirectory, Layout.ReceiptsFile(full))));
        Assert.DoesNotContain(await site.ConditionsAsync(), condition => condition.Code == "receipts_full");
    }

    private static Task<int> InsertAsync(SiteHarness site, int count, string bin, string state) => site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
        """
        insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash)
        values (@number, @id, @id, '', '', @bin, @state, '', 'h', 'h', @now, @hash)
        """, Enumerable.Range(0, count).Select(i => new
        {
            number = 1_000 + i,
            id = Base32.Encode([.. Convert.FromHexString(bin), .. new byte[15], .. BitConverter.GetBytes(i)]),
            bin,
            state,
            now = Times.Of(site.Context.Time.GetUtcNow()),
            hash = new string('a', 64),
        }), transaction), CancellationToken.None);
}
