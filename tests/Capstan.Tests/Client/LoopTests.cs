using Capstan.Client;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>The loop around one CAP. The numbers are the invariants of design.md 10.</summary>
public sealed class LoopTests : IAsyncLifetime
{
    private static readonly StorePath Pointer = StorePath.Parse("metadata/timestamp.json");

    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public LoopTests() => _f = new ClientFixture(_cap);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task When_nothing_changed_a_poll_reads_the_timestamp_and_nothing_else()
    {
        await EnrolledAndAcknowledged(_f);
        _cap.Counts.Reset();
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal((1L, 1L), (_cap.Counts.TotalOperations, _cap.Counts.OperationsAt(Pointer.Value)));
    }

    [Fact]
    public async Task A_client_that_is_watched_looks_as_often_as_it_was_told()
    {
        _f.Options = new ClientOptions { Directory = _f.Options.Directory, LongestPoll = TimeSpan.FromSeconds(10) };
        await EnrolledAndAcknowledged(_f);
        _cap.Counts.Reset();
        var end = _f.Time.GetUtcNow().AddMinutes(1);
        while (_f.Time.GetUtcNow() < end)
            await _f.StepAsync();
        Assert.InRange(_cap.Counts.OperationsAt(Pointer.Value), 5, 7);
    }

    [Fact]
    public async Task An_idle_day_costs_at_most_320_reads_and_200_KB()
    {
        // As many bins as a real site has: the size of its metadata counts here.
        var cap = new MemoryStore(new ManualTime());
        await using var f = new ClientFixture(cap, binBits: 8);
        await EnrolledAndAcknowledged(f);
        cap.Counts.Reset();
        var end = f.Time.GetUtcNow().AddDays(1);
        while (f.Time.GetUtcNow() < end)
            await f.StepAsync();
        Assert.InRange(cap.Counts.TotalOperations, 280, 320);
        Assert.InRange(cap.Counts.TotalBytesRead, 1, 200_000);
    }

    [Fact]
    public async Task A_day_at_a_server_that_counts_costs_no_more_although_its_use_is_reported()
    {
        var cap = new MemoryStore(new ManualTime());
        await using var f = new ClientFixture(cap, provider: "MSWNET", binBits: 8);
        await EnrolledAndAcknowledged(f);
        // The report of the enrolment's own contacts.
        f.Time.Advance(TimeSpan.FromHours(35));
        await f.SettleAsync();
        await f.Site.DrainAsync(ClientFixture.Stop);
        await f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        var before = f.Site.Items(Documents.CapUse).Count;
        cap.Counts.Reset();
        long site = 0;
        var end = f.Time.GetUtcNow().AddDays(1);
        while (f.Time.GetUtcNow() < end)
        {
            await f.StepAsync();
            var mark = cap.Counts.TotalOperations;
            await f.Site.DrainAsync(ClientFixture.Stop);
            await f.Site.WriteReceiptsAsync(ClientFixture.Stop);
            site += cap.Counts.TotalOperations - mark;
        }
        Assert.InRange(cap.Counts.TotalOperations - site, 280, 320);
        Assert.Equal(before + 1, f.Site.Items(Documents.CapUse).Count);
    }

    [Fact]
    public async Task Invariant_1_no_connection_is_open_while_the_client_waits()
    {
        await _f.EnrolAsync();
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(0, _f.Provider.Open);
            await _f.StepAsync();
        }
    }

    [Fact]
    public async Task Invariant_3_without_a_CAP_the_cause_and_the_next_try_are_shown_and_the_client_recovers()
    {
        await _f.EnrolAsync();
        _f.Provider.Refuse = "the server does not answer";
        await _f.StepAsync(3);
        await _f.SettleAsync();
        var status = await _f.StatusAsync();
        Assert.StartsWith(@"WaitForCAPAccess - abstract export ABEXPRT:\\CAP List for site ABC not accessible: ", status.Waiting, StringComparison.Ordinal);
        Assert.Contains("the server does not answer", status.Waiting, StringComparison.Ordinal);
        Assert.Contains("next try ", status.Waiting, StringComparison.Ordinal);
        Assert.True(status.NextContact > _f.Time.GetUtcNow());
        _f.Provider.Refuse = null;
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Null((await _f.StatusAsync()).Waiting);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "cap_unreachable");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"signed\":{},\"signatures\":[]}")]
    public async Task Invariant_4_and_7_torn_or_unsigned_metadata_keeps_the_last_good_state_and_is_reported(string junk)
    {
        await _f.EnrolAsync();
        var before = await _f.StatusAsync();
        await _cap.ReplaceAsync(Pointer, System.Text.Encoding.UTF8.GetBytes(junk), ClientFixture.Stop);
        await _f.StepAsync(2);
        await _f.SettleAsync();
        var after = await _f.StatusAsync();
        Assert.Equal((before.State, before.PolicyVersion, string.Join(',', before.Caps)), (after.State, after.PolicyVersion, string.Join(',', after.Caps)));
        await _f.Site.DrainAsync(ClientFixture.Stop);
        var message = Assert.Single(_f.Site.Items(Documents.StatusMessage));
        Assert.Equal("policy_invalid", message.Code);
        Assert.Contains("metadata/timestamp.json", message.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invariant_8_rolled_back_metadata_changes_nothing()
    {
        await _f.EnrolAsync();
        var old = await _cap.ReadAllAsync(Pointer, 1 << 20, ClientFixture.Stop);
        _f.Site.Change(site => site with { HeartbeatSeconds = 1000 });
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        var before = await _f.StatusAsync();
        await _cap.ReplaceAsync(Pointer, old!, ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal(before.PolicyVersion, (await _f.StatusAsync()).PolicyVersion);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "policy_invalid");
    }

    [Fact]
    public async Task Invariant_4_a_policy_that_is_no_longer_listed_changes_nothing()
    {
        await _f.EnrolAsync();
        Assert.True(DeviceId.TryParse((await _f.StatusAsync()).DeviceId, out var device));
        _f.Site.Remove(Layout.PolicyTarget(device));
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal("approved", (await _f.StatusAsync()).State);
    }

    [Fact]
    public async Task A_policy_for_another_device_is_refused()
    {
        await _f.EnrolAsync();
        var before = await _f.StatusAsync();
        Assert.True(DeviceId.TryParse(before.DeviceId, out var device));
        var request = _f.Site.Items(Documents.ConfigurationRequest)[0];
        _f.Site.SetPolicy(request, change: _ => Golden.Examples.Policy with { State = "retired" });
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal(("approved", before.PolicyVersion), await State());

        async Task<(string, long)> State() => await _f.StatusAsync() is var now ? (now.State, now.PolicyVersion) : default;
    }

    [Fact]
    public async Task A_retired_client_reports_nothing_and_comes_back_when_the_site_wants_it()
    {
        await _f.EnrolAsync();
        var request = _f.Site.Items(Documents.ConfigurationRequest)[0];
        await Decide("retired");
        Assert.Equal("retired", (await _f.StatusAsync()).State);
        var applied = _f.Site.Applied.Count;
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.StepAsync(40);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal(applied, _f.Site.Applied.Count);
        await Decide("approved");
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("2.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);

        async Task Decide(string state)
        {
            _f.Site.SetPolicy(request, state);
            _f.Time.Advance(TimeSpan.FromSeconds(1));
            await _f.Site.PublishAsync(ClientFixture.Stop);
            await _f.StepAsync();
            await _f.SettleAsync();
        }
    }

    [Fact]
    public async Task An_unchanged_inventory_is_not_sent_again_and_a_changed_one_is()
    {
        await EnrolledAndAcknowledged(_f);
        for (var day = 0; day < 3; day++)
            await NextDay();
        Assert.Single(_f.Site.Items(Documents.SoftwareInventory));
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await NextDay();
        Assert.Equal(["1.0", "2.0"], _f.Site.Items(Documents.SoftwareInventory).Select(inventory => inventory.Packages[0].Version));
        Assert.Single(_f.Site.Items(Documents.HardwareInventory));

        async Task NextDay()
        {
            _f.Time.Advance(TimeSpan.FromDays(1));
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
    }

    [Fact]
    public async Task A_failing_component_is_reported_and_stops_no_other()
    {
        _f.Hardware = _ => throw new InvalidDataException("the table is torn");
        _f.Software = _ => throw new PlatformNotSupportedException("not implemented on plan9");
        await _f.EnrolAsync();
        var heartbeat = Assert.Single(_f.Site.Items(Documents.Heartbeat));
        Assert.Equal([new ComponentState("hardware-inventory", "failed", "the table is torn"), new ComponentState("software-inventory", "not-implemented", "not implemented on plan9")], heartbeat.Components);
        Assert.Equal(["component_failed", "component_not_implemented"], _f.Site.Items(Documents.StatusMessage).Select(message => message.Code).Order());
    }

    [Fact]
    public async Task A_hanging_component_is_given_up_at_its_deadline()
    {
        var started = new TaskCompletionSource();
        _f.Software = async _ =>
        {
            started.SetResult();
            await new TaskCompletionSource().Task;
            throw new InvalidOperationException();
        };
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.ApproveAsync();
        await _f.StepAsync();
        var cycle = _f.SettleAsync();
        await started.Task;
        _f.Time.Advance(TimeSpan.FromMinutes(2));
        await cycle;
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("failed", _f.Site.Items(Documents.Heartbeat)[^1].Components.Single(component => component.Name == "software-inventory").State);
        Assert.Single(_f.Site.Items(Documents.HardwareInventory));
    }

    [Fact]
    public async Task A_wished_resync_is_honoured_once()
    {
        await EnrolledAndAcknowledged(_f);
        _f.Site.Resync((await _f.StatusAsync()).DeviceId, ItemKind.SoftwareInventory);
        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal(2, _f.Site.Items(Documents.SoftwareInventory).Count);
    }

    [Theory]
    [InlineData("junk")]
    [InlineData("")]
    [InlineData("eyJhbGciOiJub25lIn0.e30.")]
    public async Task Junk_where_receipts_should_be_forgets_no_record(string junk)
    {
        await _f.EnrolAsync();
        Assert.True(DeviceId.TryParse((await _f.StatusAsync()).DeviceId, out var device));
        await _cap.ReplaceAsync(StorePath.Parse(Layout.ReceiptsFile(device.Bin)), System.Text.Encoding.UTF8.GetBytes(junk), ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.InRange((await _f.StatusAsync()).Spooled, 1, 3);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        await _f.StepAsync(2);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        await _f.StepAsync(2);
        await _f.SettleAsync();
        Assert.Equal(0, (await _f.StatusAsync()).Spooled);
        Assert.Empty(_f.Site.Refused);
    }

    [Fact]
    public async Task After_a_restore_unacknowledged_records_are_signed_for_the_new_key_and_all_is_sent_in_full()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        _f.Site.Restore();
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.ApproveAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal([1L, 2L], _f.Site.Applied.Select(upload => upload.Sequence));
        Assert.All(_f.Site.Applied, upload => Assert.Equal(2, upload.Epoch));
    }

    [Theory]
    [InlineData(-20)]
    [InlineData(20)]
    public async Task A_clock_that_is_years_off_moves_no_timer(int years)
    {
        await EnrolledAndAcknowledged(_f);
        _f.Time.Jump(_f.Time.GetUtcNow().AddYears(years));
        _cap.Counts.Reset();
        for (var i = 0; i < 12; i++)
            await _f.StepAsync();
        Assert.InRange(_cap.Counts.OperationsAt(Pointer.Value), 11, 13);
        await _f.CloseAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("approved", (await _f.StatusAsync()).State);
        Assert.Empty(_f.Site.Refused);
    }

    /// <summary>Beyond the snapshot's year, and beyond the root's ten.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(11)]
    public async Task A_clock_that_was_past_every_expiry_leaves_nothing_behind_when_it_is_right_again(int years)
    {
        await EnrolledAndAcknowledged(_f);
        var right = _f.Time.GetUtcNow();
        _f.Time.Jump(right.AddYears(years));
        Assert.Contains("expired", Assert.Single((await _f.Client!.RunNowAsync(ClientFixture.Stop)).Problems), StringComparison.Ordinal);
        await _f.CloseAsync();
        await _f.OpenAsync();
        Assert.Contains("expired", Assert.Single((await _f.Client!.RunNowAsync(ClientFixture.Stop)).Problems), StringComparison.Ordinal);

        _f.Time.Jump(right.AddMinutes(1));
        Assert.Empty((await _f.Client!.RunNowAsync(ClientFixture.Stop)).Problems);
        _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], state: "retired");
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal("retired", (await _f.StatusAsync()).State);
    }

    [Fact]
    public async Task Expired_metadata_gives_no_new_orders_and_uploads_go_on()
    {
        await EnrolledAndAcknowledged(_f);
        _f.Time.Advance(TimeSpan.FromDays(40));
        await _f.SettleAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "policy_expired");
        Assert.Equal(2, _f.Site.Items(Documents.Heartbeat).Count);
    }

    [Fact]
    public async Task A_cleared_CAP_changes_nothing_and_a_republished_one_is_used_again()
    {
        await _f.EnrolAsync();
        await _cap.DeleteAsync(Pointer, ClientFixture.Stop);
        await _f.StepAsync(2);
        Assert.Equal("approved", (await _f.StatusAsync()).State);
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
        var report = await _f.Client!.RunNowAsync(ClientFixture.Stop);
        Assert.Empty(report.Problems);
        Assert.True(report.Contacted);
    }

    private static async Task EnrolledAndAcknowledged(ClientFixture f)
    {
        await f.EnrolAsync();
        await f.StepAsync();
        await f.SettleAsync();
        Assert.Equal(0, (await f.StatusAsync()).Spooled);
    }
}
