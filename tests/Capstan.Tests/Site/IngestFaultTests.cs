using System.Data.Common;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Dapper;

namespace Capstan.Tests.Site;

public class IngestFaultTests
{
    private static UploadItem Software(string name, string source = "dpkg", params IReadOnlyList<UnreadSource> unread) => Documents.SoftwareInventory.ToItem(new SoftwareInventory
    {
        Packages = name.Length == 0 ? [] : [new InstalledPackage(name, "1.0", "amd64", null, null, source, null, null)],
        Unread = unread,
    });

    private static async Task<FakeDevice> EnrolAsync(SiteHarness site, params IReadOnlyList<UploadItem> more)
    {
        var device = new FakeDevice(site.Context);
        await TakeAsync(site, device.Next([device.Request(await site.TokenAsync()), .. more]));
        return device;
    }

    private static async Task TakeAsync(SiteHarness site, (string Path, byte[] Content, string Hash) upload)
    {
        site.Drop(upload.Path, upload.Content);
        await site.DrainAsync();
    }

    private static Task<int> SqlAsync(SiteHarness site, string sql) =>
        site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(sql, null, transaction), CancellationToken.None);

    private static Task<long> CountAsync(SiteHarness site, string sql) =>
        site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), CancellationToken.None);

    private static Task<IReadOnlyList<string>> SoftwareAsync(SiteHarness site, FakeDevice device) => site.Context.Database.ReadAsync<IReadOnlyList<string>>(
        async connection => [.. await connection.QueryAsync<string>("select name from software where device_id = @Value order by name", new { device.Id.Value })], CancellationToken.None);

    private static async Task<SiteHarness> SiteAsync(TimeProvider time)
    {
        var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        return site;
    }

    [Fact]
    public async Task A_commit_that_fails_leaves_no_wrong_software_behind()
    {
        await using var site = await SiteAsync(new ManualTime());
        var (a, b) = (await EnrolAsync(site), await EnrolAsync(site));
        await SqlAsync(site, """
            create table parent (id integer primary key);
            create table child (id integer references parent (id) deferrable initially deferred);
            create trigger refuse after insert on ledger begin insert into child values (1); end
            """);
        var (first, second) = (a.Next(Software("of-a")), b.Next(Software("of-b")));
        await Assert.ThrowsAnyAsync<DbException>(() => TakeAsync(site, first));
        await SqlAsync(site, "drop trigger refuse");

        File.Delete(Path.Combine(site.CapDirectory, first.Path));
        await TakeAsync(site, second);
        await TakeAsync(site, first);
        Assert.Equal(["of-a"], await SoftwareAsync(site, a));
        Assert.Equal(["of-b"], await SoftwareAsync(site, b));
    }

    [Fact]
    public async Task A_device_that_nobody_approved_leaves_nothing_but_its_request_and_is_asked_for_the_rest()
    {
        await using var site = await SiteAsync(new ManualTime());
        var token = await site.TokenAsync() with { Secret = "wrong" };
        var device = new FakeDevice(site.Context);
        var message = new StatusMessage { Severity = "error", Code = "x_y", Component = "c", Text = "forged", ReportedAt = 1 };
        await TakeAsync(site, device.Next(device.Request(token), device.Heartbeat(policy: 9), Software("forged"), Documents.StatusMessage.ToItem(message)));

        Assert.Equal(("pending", null), ((await site.ClientAsync(device)).State, (await site.ClientAsync(device)).PolicyVersion));
        Assert.Empty(await SoftwareAsync(site, device));
        Assert.Equal(0, await CountAsync(site, "select count(*) from status where text = 'forged'"));
        Assert.True(await site.Get<Enrolment>().ApproveAsync(device.Id.Value, CancellationToken.None));
        Assert.Equal([ItemKind.Heartbeat, ItemKind.HardwareInventory, ItemKind.SoftwareInventory], (await site.ReceiptAsync(device)).Resync);
    }

    [Fact]
    public async Task A_thousand_forged_requests_keep_out_nobody_with_a_good_token_and_are_forgotten()
    {
        var time = new ManualTime();
        await using var site = await SiteAsync(time);
        var (without, with) = (new FakeDevice(site.Context), new FakeDevice(site.Context));
        // Receipts of their bins are written while the forged rows, which no receipt can name, are still there.
        var bin = Layout.Bins.First(bin => bin != without.Id.Bin && bin != with.Id.Bin);
        var forged = Times.Of(time.GetUtcNow());
        await SqlAsync(site, $"""
            with recursive n(i) as (select 1 union all select i + 1 from n where i < {Enrolment.MaxPending})
            insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash)
            select i, 'forged' || i, 'key' || i, '', '', '{bin}', 'pending', '', 'h', 'h', {forged}, '' from n
            """);
        var token = await site.TokenAsync();
        await TakeAsync(site, without.Next(without.Request(token with { Secret = "wrong" })));
        Assert.Single(site.Inbox());
        await TakeAsync(site, with.Next(with.Request(await site.TokenAsync())));
        Assert.Equal("approved", (await site.ClientAsync(with)).State);

        time.Advance(TimeSpan.FromDays(7) + TimeSpan.FromHours(1));
        await site.PublishAsync();
        Assert.Equal(0, await CountAsync(site, "select count(*) from device where state = 'pending'"));
        await TakeAsync(site, without.Next(without.Heartbeat()));
        Assert.Equal("pending", (await site.ClientAsync(without)).State);
    }

    [Fact]
    public async Task Packages_of_a_source_that_was_not_read_stay()
    {
        await using var site = await SiteAsync(new ManualTime());
        var device = await EnrolAsync(site, Software("kept"));
        await TakeAsync(site, device.Next(Software("other", "rpm", new UnreadSource("dpkg", "permission denied"))));
        Assert.Equal(["kept", "other"], await SoftwareAsync(site, device));
        Assert.Equal(2, (await site.ClientAsync(device)).PackageCount);
        await TakeAsync(site, device.Next(Software("")));
        Assert.Empty(await SoftwareAsync(site, device));
    }

    [Theory]
    [InlineData("/var/lib/rpm/Packages", "other")]
    [InlineData("/usr/lib/sysimage/rpm/rpmdb.sqlite", "other")]
    [InlineData("/var/lib/dpkg/status", "kept")]
    [InlineData("a registry of another system", "kept", "other")]
    public async Task An_unread_file_keeps_the_packages_that_it_would_have_told_and_an_unknown_one_keeps_all(string unread, params string[] stays)
    {
        await using var site = await SiteAsync(new ManualTime());
        var device = await EnrolAsync(site, Software("kept"));
        await TakeAsync(site, device.Next(Software("other", "rpm", new UnreadSource("dpkg", "permission denied"))));
        await TakeAsync(site, device.Next(Software("", "rpm", new UnreadSource(unread, "locked"))));
        Assert.Equal(stays, await SoftwareAsync(site, device));
    }

    [Fact]
    public async Task Caps_with_the_same_receipts_show_the_same_revision_and_a_restart_raises_it()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        var other = Capstan.Nal.Paths.NalPath.FromDirectory(Path.Combine(site.Directory, "other"));
        await site.Get<CapAdministration>().AddAsync(other, new Capstan.Site.Api.CapAdd(other.ToString()), CancellationToken.None);
        await site.TakeInAsync(device, device.Heartbeat());
        await site.DrainAsync();
        var revision = Revision(site.CapDirectory);
        Assert.Equal(revision, Revision(other.LocalDirectory!));

        time.Advance(TimeSpan.FromMinutes(1));
        await site.TakeInAsync(device, device.Heartbeat());
        await site.DrainAsync();
        Assert.True(Revision(site.CapDirectory) > revision);
        Assert.Equal(Revision(site.CapDirectory), Revision(other.LocalDirectory!));

        revision = Revision(site.CapDirectory);
        await using var restarted = await SiteHarness.OpenAsync(site.Directory, time);
        restarted.KeepDirectory = true;
        await restarted.PublishAsync();
        await restarted.DrainAsync();
        Assert.True(Revision(site.CapDirectory) > revision);
        Assert.Equal(Revision(site.CapDirectory), Revision(other.LocalDirectory!));

        long Revision(string cap) => ReceiptsCodec.Verify(File.ReadAllBytes(Path.Combine(cap, Layout.ReceiptsFile(device.Id.Bin))),
            site.Context.Keys.ReceiptsKey, site.Context.Site.SiteCode, 1, device.Id.Bin).Revision;
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_is_left_alone_and_told()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        storage[site.Cap].Deny(StoreOperations.Read);
        var upload = device.Next(device.Heartbeat(policy: 4));
        site.Drop(upload.Path, upload.Content);
        for (var hour = 0; hour < 30; hour++)
        {
            await site.DrainAsync();
            time.Advance(TimeSpan.FromHours(1));
        }
        Assert.Empty(await site.QuarantineAsync());
        Assert.Equal(1, Assert.Single(site.Get<InboxHealth>().Read()).Value.Unreadable);
        Assert.Contains(await site.ConditionsAsync(), condition => condition.Code == "inbox_unreadable");
        storage[site.Cap].Heal();
        await site.DrainAsync();
        Assert.Equal(4, (await site.ClientAsync(device)).PolicyVersion);
    }

    [Fact]
    public async Task A_deletion_that_failed_is_tried_again_without_a_restart()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        storage[site.Cap].Deny(StoreOperations.Delete);
        await site.TakeInAsync(device, device.Heartbeat());
        Assert.Single(site.Inbox());
        storage[site.Cap].Heal();
        time.Advance(TimeSpan.FromSeconds(5));
        await site.DrainAsync();
        Assert.Empty(site.Inbox());
        Assert.Equal(0, Assert.Single(site.Get<InboxHealth>().Read()).Value.Undeletable);
    }

    [Fact]
    public async Task A_file_that_vanishes_while_it_waits_is_forgotten()
    {
        await using var site = await SiteAsync(new ManualTime());
        var device = await EnrolAsync(site);
        var upload = device.Next(device.Heartbeat());
        var file = site.Drop(upload.Path, upload.Content.AsSpan(0, 100));
        await site.DrainAsync();
        Assert.Equal(1, await CountAsync(site, "select count(*) from waiting"));
        File.Delete(file);
        await site.DrainAsync();
        Assert.Equal(0, await CountAsync(site, "select count(*) from waiting"));
        Assert.Null(Assert.Single(site.Get<InboxHealth>().Read()).Value.OldestWaiting);
    }

    [Fact]
    public async Task The_ledger_keeps_the_newest_places_of_each_device()
    {
        await using var site = await SiteAsync(new ManualTime());
        await site.Context.Database.WriteAsync(async transaction =>
        {
            for (var sequence = 1; sequence <= 1_280; sequence++)
                await LedgerStore.InsertAsync(transaction, 1, sequence, "hash", LedgerStore.Applied, DateTimeOffset.UnixEpoch);
        }, CancellationToken.None);
        Assert.Equal(LedgerStore.MaxPlaces, await CountAsync(site, "select count(*) from ledger"));
        Assert.Equal(1_280, await CountAsync(site, "select max(sequence) from ledger"));
    }

    [Fact]
    public async Task A_restored_site_goes_on_above_the_revisions_that_clients_have_seen()
    {
        var time = new ManualTime();
        await using var site = await SiteAsync(time);
        Task<long> Next() => site.Context.Database.WriteAsync(transaction => PublishStore.ReceiptRevisionAsync(transaction, "aa", "same", mayBeRestored: true, time.GetUtcNow()), CancellationToken.None);
        var seen = await Next();
        Assert.Equal(seen + 1, await Next());
        await SqlAsync(site, "update receipt_bin set revision = 3");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await Next() > seen + 1);
    }

    [Fact]
    public async Task An_unchanged_empty_inbox_is_written_down_once_a_minute()
    {
        var time = new ManualTime();
        await using var site = await SiteAsync(time);
        await site.DrainAsync();
        var first = time.GetUtcNow();
        time.Advance(TimeSpan.FromSeconds(59));
        await site.DrainAsync();
        Assert.Equal(Times.Of(first), Assert.Single(await site.Get<CapStore>().ListAsync(CancellationToken.None)).LastDrained);
        time.Advance(TimeSpan.FromSeconds(1));
        await site.DrainAsync();
        Assert.Equal(Times.Of(time.GetUtcNow()), Assert.Single(await site.Get<CapStore>().ListAsync(CancellationToken.None)).LastDrained);
    }
}
