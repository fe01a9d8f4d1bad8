using Capstan.Nal;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Keeping;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Protocol.Tuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site.Keeping;

/// <summary>A restored site is the newest to everybody who has seen an earlier life of it, and takes nothing back that it does not know.</summary>
public sealed class RestoreTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;
    private FakeDevice _device = null!;

    public async ValueTask InitializeAsync()
    {
        (_site, _device) = await SiteHarness.EnrolledAsync(_time);
        await _site.PublishAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _device.Dispose();
        await _site.DisposeAsync();
    }

    /// <summary>The clock at the time of the backup, and whether the CAP is lost: clients that have seen all of the first life follow the second.</summary>
    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(-20, false)]
    [InlineData(-20, true)]
    [InlineData(20, false)]
    [InlineData(20, true)]
    public async Task Clients_follow_its_metadata_whatever_the_clock_was_at_the_backup(int years, bool isCapLost)
    {
        var right = _time.GetUtcNow();
        _time.Jump(right.AddYears(years));
        await AdvanceAndPublishAsync(_site);
        await _site.BackUpAsync("b1");
        for (var i = 0; i < 3; i++)
            await AdvanceAndPublishAsync(_site);
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        var seen = (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;
        await _site.CloseAsync();
        _time.Jump(right.AddHours(2));

        var restored = await _site.RestoreAsync("b1", "life2", isCapLost);

        var update = await client.RefreshAsync(complete: true, CancellationToken.None);
        Assert.True(update.TimestampVersion > seen);
        Assert.Equal(TufState.Updated, update.State);
        var target = await client.ReadTargetAsync(Layout.SiteDescriptionTarget, 1 << 16, CancellationToken.None);
        Assert.Equal(restored.Context.Site.Epoch, Documents.SiteDescription.Decode(target!.Content.Span, target.Path).Epoch);
        Assert.NotNull(await client.ReadTargetAsync(Layout.PolicyTarget(_device.Id), 1 << 20, CancellationToken.None));
        await restored.CloseAsync();
        // DisposeAsync closes the first life once more; it must find something to close.
        _site = await SiteHarness.OpenAsync(_site.Directory, _time);
    }

    [Fact]
    public async Task Restored_twice_the_later_site_wins_and_the_earlier_one_stands_aside_and_touches_nothing()
    {
        await _site.BackUpAsync("b1");
        _time.Advance(TimeSpan.FromMinutes(1));
        var first = await _site.RestoreAsync("b1", "life2");
        _time.Advance(TimeSpan.FromMinutes(1));
        var second = await _site.RestoreAsync("b1", "life3");
        Assert.True(second.Context.Site.Epoch > first.Context.Site.Epoch);
        var pointer = await File.ReadAllBytesAsync(Path.Combine(_site.CapDirectory, "metadata/timestamp.json"));
        // A client that follows the second one, before the first has noticed anything.
        using var follower = new FakeDevice(second.Context);
        var (path, content, _) = follower.Next(follower.Request(await second.TokenAsync()));
        second.Drop(path, content);

        foreach (var old in new[] { first, _site })
        {
            await old.DrainAsync();
            Assert.Single(old.Inbox());
            _time.Advance(TimeSpan.FromMinutes(1));
            await old.PublishAsync();
            await old.DrainAsync();
            Assert.Single(old.Inbox());
            Assert.Equal("superseded", (await old.CapStateAsync()).ErrorCode);
            Assert.Contains("new-epoch", (await old.ConditionsAsync()).Single(condition => condition.Code == "cap_failing").NextStep, StringComparison.Ordinal);
        }
        Assert.Equal(pointer, await File.ReadAllBytesAsync(Path.Combine(_site.CapDirectory, "metadata/timestamp.json")));
        await second.DrainAsync();
        Assert.Equal("approved", (await second.ClientAsync(follower)).State);
        await first.CloseAsync();
        await second.CloseAsync();
    }

    [Fact]
    public async Task A_site_that_was_put_back_by_other_means_begins_anew_above_what_the_CAP_shows()
    {
        await _site.BackUpAsync("b1");
        _time.Advance(TimeSpan.FromMinutes(1));
        var second = await _site.RestoreAsync("b1", "life2");
        await second.CloseAsync();
        await _site.CloseAsync();
        // The clock was ahead at that restore, and is right now.
        _time.Jump(_time.GetUtcNow().AddYears(-1));
        var report = await SiteRestore.BeginEpochAsync(_site.Home(), [new LocalProvider(_time)], _time, null,
            NullLoggerFactory.Instance, CancellationToken.None);
        Assert.Equal(second.Context.Site.Epoch + 1, report.Epoch);
        Assert.Contains(report.Notes, note => note.Contains($"of epoch {second.Context.Site.Epoch}", StringComparison.Ordinal));
        _site = await KeptSite.OpenAsync(_site.Directory, _site.CapDirectory, _time);
        _site.KeepDirectory = false;
        Assert.Equal((null, await _site.VersionAsync()), ((await _site.CapStateAsync()).LastError, await _site.VersionOnCapAsync()));
    }

    [Fact]
    public async Task Tokens_end_because_one_that_was_used_up_since_would_be_good_again()
    {
        var token = await _site.TokenAsync();
        await _site.BackUpAsync("b1");
        _time.Advance(TimeSpan.FromMinutes(1));
        var restored = await _site.RestoreAsync("b1", "life2");
        using var late = new FakeDevice(restored.Context);
        await restored.TakeInAsync(late, late.Request(token));
        Assert.Equal("pending", (await restored.ClientAsync(late)).State);
        // It does not expire on the list at once, however old the backup is.
        _time.Advance(TimeSpan.FromHours(2));
        await restored.PublishAsync();
        Assert.True(await restored.Get<Enrolment>().ApproveAsync(late.Id.Value, CancellationToken.None));
        await restored.CloseAsync();
    }

    [Theory]
    [InlineData(null, "approved", "approved")]
    [InlineData(null, "retired", "retired")]
    [InlineData("pending", "approved", "approved")]
    [InlineData("pending", "retired", "retired")]
    [InlineData("approved", "approved", null)]
    [InlineData("approved", "retired", "retired")]
    [InlineData("retired", "approved", null)]
    [InlineData("retired", "retired", null)]
    public void What_a_CAP_shows_is_only_added(string? ours, string shown, string? merged) => Assert.Equal(merged, Capstan.Site.Keeping.CapMemory.Merge(ours, shown));

    [Fact]
    public async Task Approvals_and_retirements_that_the_CAP_shows_are_taken_from_there()
    {
        using var asks = new FakeDevice(_site.Context, "asks");
        await _site.TakeInAsync(asks, asks.Request(await _site.TokenAsync() with { Secret = "wrong" }));
        using var leaves = await _site.EnrolAsync("leaves");
        await _site.BackUpAsync("b1");
        using var later = await _site.EnrolAsync("later");
        using var gone = await _site.EnrolAsync("gone");
        Assert.True(await _site.Get<Enrolment>().ApproveAsync(asks.Id.Value, CancellationToken.None));
        foreach (var device in new[] { leaves, gone })
            Assert.True(await _site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        _time.Advance(TimeSpan.FromMinutes(1));
        await _site.PublishAsync();
        var ordinal = await OrdinalAsync(_site, later);
        _time.Advance(TimeSpan.FromMinutes(1));

        var restored = await _site.RestoreAsync("b1", "life2");

        foreach (var (device, state) in new[] { (_device, "approved"), (asks, "approved"), (later, "approved"), (leaves, "retired"), (gone, "retired") })
            Assert.Equal(state, (await restored.ClientAsync(device)).State);
        Assert.Equal(ordinal, await OrdinalAsync(restored, later));
        // It goes on at the place that the receipts show, and has a name again with its heartbeat.
        using var follows = later.For(restored.Context);
        (follows.Sequence, follows.Previous) = (0, Upload.NoPrevious);
        await restored.TakeInAsync(follows, follows.Heartbeat(policy: 3));
        Assert.Equal(("later", 3L, 1L), (await restored.ClientAsync(later)) is var client ? (client.HostName, client.PolicyVersion!.Value, client.Sequence) : default);
        await restored.CloseAsync();
    }

    [Fact]
    public async Task Policies_that_cannot_be_read_cost_neither_epoch_nor_version()
    {
        await _site.BackUpAsync("b1");
        using var later = await _site.EnrolAsync("later");
        _time.Advance(TimeSpan.FromMinutes(1));
        await _site.PublishAsync();
        var shown = await _site.VersionOnCapAsync();
        var storage = new FaultyStorage(_time) { Prepare = store => store.Add(new StoreFault(StoreOperations.Read, NalError.AccessDenied) { PathPrefix = "targets/policy" }) };
        var report = await SiteRestore.RestoreAsync(_site.Backup("b1"), Path.Combine(_site.Backup("life2"), "site"), [storage.Wrap(new LocalProvider(_time))], _time, null,
            NullLoggerFactory.Instance, CancellationToken.None);
        Assert.Contains(report.Notes, note => note.Contains($"shows version {shown} of epoch 1", StringComparison.Ordinal) && note.Contains("policies could not all be read", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_an_interrupted_restore_left_is_no_beginning_of_a_new_site()
    {
        await _site.BackUpAsync("b1");
        var home = Path.Combine(_site.Backup("life2"), "site");
        using var stop = new CancellationTokenSource();
        var storage = new FaultyStorage(_time) { Prepare = _ => stop.Cancel() };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SiteRestore.RestoreAsync(_site.Backup("b1"), home, [storage.Wrap(new LocalProvider(_time))], _time, null,
            NullLoggerFactory.Instance, stop.Token));
        Assert.Equal("directory_not_empty", (await Assert.ThrowsAsync<SiteException>(() => SiteServer.InitializeAsync(home, "XYZ", _time, CancellationToken.None))).Code);
    }

    private static async Task<long?> OrdinalAsync(SiteHarness site, FakeDevice device) =>
        await site.Context.Database.WriteAsync(async transaction => (await DeviceStore.FindAsync(transaction, device.Id.Value))!.Ordinal, CancellationToken.None);

    [Fact]
    public async Task A_device_that_it_does_not_know_sees_that_it_is_not_listed()
    {
        await _site.BackUpAsync("b1");
        using var later = await _site.EnrolAsync("later");
        _time.Advance(TimeSpan.FromMinutes(1));
        var restored = await _site.RestoreAsync("b1", "life2");
        foreach (var bin in Layout.Bins)
        {
            var receipts = ReceiptsCodec.Verify(await File.ReadAllBytesAsync(Path.Combine(_site.CapDirectory, Layout.ReceiptsFile(bin))), restored.Context.Keys.ReceiptsKey, "ABC",
                restored.Context.Site.Epoch, bin);
            Assert.Equal(bin == _device.Id.Bin ? [_device.Id.Value] : [], receipts.Devices.Select(receipt => receipt.DeviceId));
        }
        await restored.CloseAsync();
    }

    [Fact]
    public async Task A_running_site_says_when_clients_sign_for_a_later_epoch_and_leaves_their_uploads_alone()
    {
        await _site.BackUpAsync("b1");
        _time.Advance(TimeSpan.FromMinutes(1));
        var restored = await _site.RestoreAsync("b1", "life2");
        await restored.CloseAsync();
        using var follower = _device.For(restored.Context);
        await _site.TakeInAsync(follower, follower.Heartbeat());
        Assert.Single(_site.Inbox());
        Assert.Empty(await _site.QuarantineAsync());
        Assert.Contains("epoch_behind", await _site.CodesAsync());
        Assert.Contains(_device.HostName, (await _site.ConditionsAsync()).Single(condition => condition.Code == "epoch_behind").Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_client_that_signs_for_an_epoch_far_away_is_named_and_moves_nothing()
    {
        using var second = await _site.EnrolAsync("second");
        using var third = await _site.EnrolAsync("third");
        second.Epoch = 1L << 50;
        await _site.TakeInAsync(second, second.Heartbeat());
        var condition = Assert.Single(await _site.ConditionsAsync(), condition => condition.Code.StartsWith("epoch_", StringComparison.Ordinal));
        Assert.Equal(("epoch_doubtful", "warning"), (condition.Code, condition.Severity));
        Assert.Contains("second", condition.Text, StringComparison.Ordinal);

        await _site.BackUpAsync("b1");
        var restored = await _site.RestoreAsync("b1", "life2");
        Assert.InRange(restored.Context.Site.Epoch, 2, _time.GetUtcNow().ToUnixTimeMilliseconds());
        await restored.CloseAsync();
    }

    private async Task AdvanceAndPublishAsync(SiteHarness site)
    {
        using var another = await site.EnrolAsync(FormattableString.Invariant($"pc-{_time.GetUtcNow().Ticks}"));
        _time.Advance(TimeSpan.FromSeconds(60));
        await site.PublishAsync();
    }
}
