using System.Data.Common;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Store;
using Dapper;
using Xunit;

namespace Capstan.Testing;

/// <summary>What the site asks of its database, for every database that it runs on.</summary>
public abstract class SiteStoreConformance : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private SiteDatabase? _database;

    private SiteDatabase Database => _database ?? throw new InvalidOperationException("the suite has not begun");

    /// <summary>An empty database, migrated.</summary>
    internal abstract Task<SiteDatabase> CreateAsync();

    public async ValueTask InitializeAsync() => _database = await CreateAsync();

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Database.DisposeAsync();
    }

    [Fact]
    public async Task A_write_that_throws_leaves_nothing()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Database.WriteAsync(async transaction =>
        {
            await SettingStore.SetAsync(transaction, "a", "1");
            throw new InvalidOperationException();
        }, None));
        Assert.Null(await new SettingStore(Database).GetAsync("a", None));
        await Database.WriteAsync(transaction => SettingStore.AddAsync(transaction, "n", 2), None);
        await Database.WriteAsync(transaction => SettingStore.AddAsync(transaction, "n", 3), None);
        Assert.Equal("5", await new SettingStore(Database).GetAsync("n", None));
    }

    [Fact]
    public async Task Writers_take_turns_and_readers_see_whole_transactions()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => Database.WriteAsync(async transaction =>
        {
            await SettingStore.AddAsync(transaction, "a", 1);
            await SettingStore.AddAsync(transaction, "b", 1);
            var (a, b) = await Database.ReadAsync(connection => connection.QuerySingleAsync<(long, long)>(
                "select coalesce(max(case when name = 'a' then cast(value as bigint) end), 0), coalesce(max(case when name = 'b' then cast(value as bigint) end), 0) from setting"), None);
            Assert.Equal(a, b);
        }, None))));
        Assert.Equal("20", await new SettingStore(Database).GetAsync("a", None));
    }

    [Fact]
    public async Task A_device_is_pending_then_approved_once_then_retired_for_good()
    {
        var first = await InsertAsync(1);
        var second = await InsertAsync(2);
        await Database.WriteAsync(async transaction =>
        {
            Assert.Equal((2, 1), await DeviceStore.CountPendingAsync(transaction, DeviceId.FromPublicKey(BitConverter.GetBytes(1)).Bin));
            Assert.True(await DeviceStore.ApproveAsync(transaction, second, "label", Now, TimeSpan.FromDays(1)));
            Assert.True(await DeviceStore.ApproveAsync(transaction, first, null, Now, TimeSpan.FromDays(1)));
            Assert.False(await DeviceStore.ApproveAsync(transaction, first, null, Now, TimeSpan.FromDays(1)));
            // The ordinal is the place in the order of approval, and stays.
            Assert.Equal([second, first], (await DeviceStore.PolicyPendingAsync(transaction)).Select(row => row.DeviceId));
            await DeviceStore.PoliciesPublishedAsync(transaction);
            Assert.Empty(await DeviceStore.PolicyPendingAsync(transaction));
            Assert.True(await DeviceStore.RetireAsync(transaction, first));
            Assert.False(await DeviceStore.RetireAsync(transaction, first));
            Assert.False(await DeviceStore.ApproveAsync(transaction, first, null, Now, TimeSpan.FromDays(1)));
            Assert.Equal((first, DeviceState.Retired, 1L), (await DeviceStore.PolicyPendingAsync(transaction)).Select(row => (row.DeviceId, row.State, row.Ordinal!.Value)).Single());
            Assert.Equal(1, await DeviceStore.CountApprovedAsync(transaction));
        }, None);
    }

    [Fact]
    public async Task A_certificate_is_renewed_before_its_end_and_once()
    {
        var device = await InsertAsync(1);
        await Database.WriteAsync(async transaction =>
        {
            await DeviceStore.ApproveAsync(transaction, device, null, Now, TimeSpan.FromDays(10));
            Assert.Equal(0, await DeviceStore.RenewCertificatesAsync(transaction, Now.AddDays(10), Now.AddDays(100)));
            Assert.Equal(1, await DeviceStore.RenewCertificatesAsync(transaction, Now.AddDays(10).AddMilliseconds(1), Now.AddDays(100)));
            Assert.Equal(0, await DeviceStore.RenewCertificatesAsync(transaction, Now.AddDays(11), Now.AddDays(100)));
        }, None);
    }

    [Fact]
    public async Task Every_order_of_the_list_is_complete_page_by_page()
    {
        var all = new List<string>();
        for (var number = 1; number <= 23; number++)
            all.Add(await InsertAsync(number, $"PC-{number % 3}_%"));
        var devices = new DeviceStore(Database);
        foreach (var sort in new[] { null, "host", "-host", "id", "-seen", "state", "os", "-model", "memory", "packages" })
        {
            var seen = new List<string>();
            for (var offset = 0; offset < 30; offset += 5)
                seen.AddRange((await devices.ListAsync(null, null, sort, offset, 5, None)).Select(row => row.DeviceId));
            Assert.Equal(all.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        }
        // What a person types is text, not a pattern.
        Assert.Equal(all.Count / 3, (await devices.ListAsync("pending", "c-0_%", null, 0, 100, None)).Count);
        Assert.Empty(await devices.ListAsync(null, "%%", null, 0, 100, None));
        Assert.Empty(await devices.ListAsync("approved", null, null, 0, 100, None));
    }

    [Fact]
    public async Task A_place_of_a_chain_is_taken_once()
    {
        await InsertAsync(1);
        await Database.WriteAsync(transaction => LedgerStore.InsertAsync(transaction, 1, 1, "hash", LedgerStore.Applied, Now), None);
        var refused = await Assert.ThrowsAnyAsync<DbException>(() => Database.WriteAsync(transaction => LedgerStore.InsertAsync(transaction, 1, 1, "other", LedgerStore.Refused, Now), None));
        Assert.True(Dialect.IsBadData(refused));
        await Database.WriteAsync(async transaction =>
        {
            Assert.Equal(("hash", LedgerStore.Applied), await LedgerStore.FindAsync(transaction, 1, 1));
            Assert.Null(await LedgerStore.FindAsync(transaction, 1, 2));
            Assert.Null(await LedgerStore.FindAsync(transaction, 2, 1));
        }, None);
    }

    [Fact]
    public async Task A_savepoint_undoes_one_record_and_not_its_neighbours()
    {
        await Database.WriteAsync(async transaction =>
        {
            await SettingStore.SetAsync(transaction, "before", "1");
            await transaction.SaveAsync("record");
            await SettingStore.SetAsync(transaction, "inside", "1");
            await transaction.RollbackAsync("record");
            await SettingStore.SetAsync(transaction, "after", "1");
        }, None);
        var settings = new SettingStore(Database);
        Assert.Equal(("1", null, "1"), (await settings.GetAsync("before", None), await settings.GetAsync("inside", None), await settings.GetAsync("after", None)));
    }

    [Fact]
    public async Task A_status_message_that_repeats_is_counted_and_the_oldest_are_pruned()
    {
        await InsertAsync(1);
        await Database.WriteAsync(async transaction =>
        {
            foreach (var (device, text) in new (long?, string)[] { (1, "a"), (1, "a"), (null, "a"), (1, "a"), (1, "b"), (1, "a"), (null, "a") })
                await StatusStore.AddAsync(transaction, device, Message(text), Now);
        }, None);
        var status = new StatusStore(Database);
        Assert.Equal([(true, "a", 1), (true, "b", 1), (false, "a", 2), (true, "a", 3)],
            (await status.ListAsync(null, null, null, 10, None)).Select(row => (row.DeviceId is not null, row.Text, row.Count)));
        Assert.Equal(2, (await status.ListAsync(null, null, before: 3, 10, None)).Count);
        Assert.Equal(2, await Database.WriteAsync(transaction => StatusStore.PruneAsync(transaction, keep: 2), None));
        Assert.Equal(["a", "b"], (await status.ListAsync(null, "warning", null, 10, None)).Select(row => row.Text));
    }

    [Fact]
    public async Task A_token_is_used_up_by_its_secret_alone_and_goes_when_it_is_old()
    {
        var tokens = new TokenStore(Database);
        await tokens.CreateAsync("t", "secret", "label", 2, Now, Now.AddDays(1), None);
        await Database.WriteAsync(async transaction =>
        {
            Assert.Equal((false, null), await TokenStore.ConsumeAsync(transaction, "t", "wrong", Now));
            Assert.Equal((false, null), await TokenStore.ConsumeAsync(transaction, "u", "secret", Now));
            Assert.Equal((false, null), await TokenStore.ConsumeAsync(transaction, "t", "secret", Now.AddDays(1)));
            Assert.Equal((true, "label"), await TokenStore.ConsumeAsync(transaction, "t", "secret", Now));
            Assert.Equal((true, "label"), await TokenStore.ConsumeAsync(transaction, "t", "secret", Now));
            Assert.Equal((false, null), await TokenStore.ConsumeAsync(transaction, "t", "secret", Now));
            Assert.Equal(0, await TokenStore.PruneAsync(transaction, Now.AddDays(1)));
        }, None);
        Assert.Equal(0, Assert.Single(await tokens.ListAsync(None)).UsesLeft);
        Assert.Equal(1, await Database.WriteAsync(transaction => TokenStore.PruneAsync(transaction, Now.AddDays(1).AddMilliseconds(1)), None));
        Assert.Empty(await tokens.ListAsync(None));
    }

    [Fact]
    public async Task A_cap_keeps_publishing_and_draining_apart()
    {
        var caps = new CapStore(Database);
        Assert.True(await Database.WriteAsync(transaction => CapStore.AddAsync(transaction, "p", "per-server:10", 2, Now), None));
        Assert.False(await Database.WriteAsync(transaction => CapStore.AddAsync(transaction, "p", null, 0, Now), None));
        await caps.DrainingFailedAsync("p", null, "Connect", "gone", Now, Now.AddSeconds(5), None);
        await caps.PublishedAsync("p", 7, Now, None);
        Assert.Equal((0L, 1L, "gone", 7L), (await caps.ListAsync(None)).Select(cap => (cap.Failures, cap.DrainFailures, cap.Failure!.Message, cap.PublishedVersion)).Single());
        await caps.DrainedAsync("p", 3, Now, None);
        Assert.Equal((0L, null, 3L), (await caps.ListAsync(None)).Select(cap => (cap.DrainFailures, cap.Failure, cap.InboxCount)).Single());
        await caps.PublishingFailedAsync("p", "StorageFull", "full", Now, Now.AddSeconds(5), None);
        await caps.PublishingFailedAsync("p", "StorageFull", "full", Now.AddHours(1), Now.AddHours(2), None);
        await caps.DrainedAsync("p", 0, Now, None);
        Assert.Equal((2L, Times.Of(Now)), (await caps.ListAsync(None)).Select(cap => (cap.Failures, cap.FailingSince!.Value)).Single());
        Assert.True(await Database.WriteAsync(transaction => CapStore.RemoveAsync(transaction, "p"), None));
        Assert.False(await Database.WriteAsync(transaction => CapStore.RemoveAsync(transaction, "p"), None));
    }

    [Fact]
    public async Task A_cap_that_was_published_again_is_not_called_failing_for_what_the_loader_missed_before()
    {
        var caps = new CapStore(Database);
        await Database.WriteAsync(transaction => CapStore.AddAsync(transaction, "p", null, 0, Now), None);
        await caps.PublishedAsync("p", 1, Now, None);
        await caps.DrainingFailedAsync("p", Times.Of(Now), "NotFound", "gone", Now, Now.AddSeconds(5), None);
        Assert.NotNull((await caps.ListAsync(None)).Single().Failure);
        await caps.PublishedAsync("p", 2, Now.AddSeconds(1), None);
        await caps.FoundAsync("p", None);
        Assert.Null((await caps.ListAsync(None)).Single().Failure);
        await caps.DrainingFailedAsync("p", Times.Of(Now), "NotFound", "a pass that had begun before", Now, Now.AddSeconds(5), None);
        Assert.Null((await caps.ListAsync(None)).Single().Failure);
    }

    [Fact]
    public async Task A_quarantined_file_is_one_row_however_often_it_comes()
    {
        var quarantine = new QuarantineStore(Database);
        await Database.WriteAsync(async transaction =>
        {
            await QuarantineStore.AddAsync(transaction, "p", "f", "fork", "", 1, "copy1", Now);
            await QuarantineStore.AddAsync(transaction, "p", "f", "replayed", "", 1, "copy2", Now);
            await QuarantineStore.AddAsync(transaction, "q", "f", "fork", "", 1, null, Now);
            await QuarantineStore.DroppedAsync(transaction, "copy2");
        }, None);
        Assert.Equal(2, await quarantine.CountAsync(None));
        Assert.Equal([("q", "fork"), ("p", "replayed")], (await quarantine.ListAsync(null, 10, None)).Select(row => (row.Cap, row.Reason)));
        Assert.Equal("p", Assert.Single(await quarantine.ListAsync((await quarantine.ListAsync(null, 1, None))[0].Id, 10, None)).Cap);
    }

    [Fact]
    public async Task Published_files_are_current_until_superseded_and_the_pointer_is_last()
    {
        var published = new PublishStore(Database);
        await Database.WriteAsync(async transaction =>
        {
            await PublishStore.SaveFileAsync(transaction, "metadata/timestamp.json", [1], isPointer: true, 5, Now);
            await PublishStore.SaveFileAsync(transaction, "metadata/1.root.json", [1, 2], isPointer: false, 5, Now);
            await PublishStore.SaveFileAsync(transaction, "targets/x", [1, 2, 3], isPointer: false, 5, Now);
            await PublishStore.SaveFileAsync(transaction, "metadata/timestamp.json", [9], isPointer: true, 6, Now);
            await PublishStore.SaveFileAsync(transaction, "targets/y", [1], isPointer: false, 6, Now);
            await PublishStore.SupersedeAsync(transaction, new HashSet<string>(StringComparer.Ordinal) { "metadata/timestamp.json", "targets/y" }, Now);
            await PublishStore.SaveStateAsync(transaction, [7], 6);
        }, None);
        var all = await published.CurrentAsync(null, None);
        Assert.Equal([("metadata/1.root.json", 2L), ("targets/y", 1L)], all.Files);
        Assert.Equal([9], all.Pointer);
        Assert.Equal(6, all.Version);
        Assert.Equal([("targets/y", 1L)], (await published.CurrentAsync(5, None)).Files);
        Assert.Equal(6, (await published.PointerAsync(None))!.Value.Version);
        Assert.Equal(6, await published.VersionAsync(None));
        Assert.Empty(await published.GarbageAsync(Now, Superseded.None, None));
        var garbage = Assert.Single(await published.GarbageAsync(Now.AddMilliseconds(1), Superseded.None, None));
        Assert.Equal("targets/x", garbage.Path);
        Assert.Empty(await published.GarbageAsync(Now.AddMilliseconds(1), garbage, None));
        Assert.Equal(1, await Database.WriteAsync(transaction => PublishStore.ForgetAsync(transaction, garbage), None));
        Assert.Equal(["metadata/1.root.json", "targets/y"], (await published.CurrentAsync(null, None)).Files.Select(file => file.Path));
        var seconds = Now.ToUnixTimeSeconds();
        Task<long> Revision(string bin, string content, bool mayBeRestored = false) => Database.WriteAsync(
            transaction => PublishStore.ReceiptRevisionAsync(transaction, bin, content, mayBeRestored, Now), None);
        Assert.Equal(seconds, await Revision("00", "a"));
        Assert.Equal(seconds, await Revision("00", "a"));
        Assert.Equal(seconds + 1, await Revision("00", "b"));
        Assert.Equal(seconds + 2, await Revision("00", "b", mayBeRestored: true));
        Assert.Equal(seconds, await Revision("01", "b"));
    }

    private async Task<string> InsertAsync(int number, string hostName = "pc")
    {
        var id = DeviceId.FromPublicKey(BitConverter.GetBytes(number));
        await Database.WriteAsync(transaction => DeviceStore.InsertAsync(transaction, new NewDevice(id, $"key{number}", "{}", "{}", "nonce", hostName, "Debian", "0.1.0"), Now), None);
        return id.Value;
    }

    private static StatusMessage Message(string text) => new() { Severity = "warning", Code = "c", Component = "k", Text = text, ReportedAt = 1 };
}
