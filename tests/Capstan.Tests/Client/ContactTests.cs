using System.Reflection;
using Capstan.Client;
using Capstan.Client.Configuration;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>What a contact survives, and what it says about it.</summary>
public sealed class ContactTests : IAsyncLifetime
{
    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public ContactTests() => _f = new ClientFixture(_cap);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task A_heartbeat_that_cannot_be_read_blocks_no_contact()
    {
        await _f.EnrolAsync();
        _f.Host = () => throw new IOException("the interfaces cannot be listed");
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        var report = await _f.Client!.RunNowAsync(ClientFixture.Stop);
        Assert.True(report.Contacted);
        Assert.Contains("heartbeat: the interfaces cannot be listed", report.Problems);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("2.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => (message.Code, message.Component) == ("component_failed", "heartbeat"));
    }

    [Fact]
    public async Task Facts_beyond_the_limits_of_a_heartbeat_are_cut_and_sent()
    {
        _f.Host = () => new HostFacts(new string('h', 5_000), "Test OS 1", [.. Enumerable.Range(0, 2_000).Select(n => $"192.0.2.{n}")]);
        _f.Hardware = _ => throw new InvalidDataException(new string('x', 5_000));
        await _f.EnrolAsync();
        var heartbeat = Assert.Single(_f.Site.Items(Documents.Heartbeat));
        Assert.Equal((2_000, 1_000, 2_000), (heartbeat.HostName.Length, heartbeat.Addresses.Count, heartbeat.Components[0].Detail!.Length));
    }

    [Fact]
    public async Task Invariant_3_a_cycle_that_fails_before_any_contact_shows_its_cause_and_the_next_try()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        _f.Host = () => throw new IOException("the interfaces cannot be listed");
        await _f.OpenAsync();
        await _f.SettleAsync();
        var status = await _f.StatusAsync();
        Assert.Contains("the interfaces cannot be listed", status.Waiting, StringComparison.Ordinal);
        Assert.Contains("next try ", status.Waiting, StringComparison.Ordinal);
        Assert.True(status.NextContact > _f.Time.GetUtcNow());
    }

    [Fact]
    public async Task Waiting_for_approval_does_not_hide_that_the_CAP_is_of_another_site()
    {
        using var other = new TestSite(new MemoryStore(_f.Time), _f.Time);
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync(other.Token(_f.CapPath));
        await _f.OpenAsync();
        await _f.SettleAsync();
        Assert.Contains("is not the root that the enrolment token names", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_that_was_answered_before_it_was_sent_does_not_make_the_client_spin()
    {
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.ApproveAsync();
        var request = _f.Site.Items(Documents.ConfigurationRequest)[^1];
        await _f.CloseAsync();
        using (var database = ClientDatabase.Open(_f.Options.Directory))
            new RecordSpool(database).PutRequest(request);
        await _f.OpenAsync();
        var steps = 0;
        while (await _f.Client!.Loop.StepAsync(ClientFixture.Stop) == TimeSpan.Zero)
            Assert.True(++steps < 10, "the client does not come to rest");
        await _f.CloseAsync();
        using var after = ClientDatabase.Open(_f.Options.Directory);
        Assert.DoesNotContain(new RecordSpool(after).Items(), item => item.Kind == ItemKind.ConfigurationRequest);
    }

    [Fact]
    public async Task Two_refused_documents_are_one_message_and_urgent_once()
    {
        await _f.EnrolAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        var request = _f.Site.Items(Documents.ConfigurationRequest)[0];
        _f.Site.SetPolicy(request, change: policy => policy with { SiteCode = "QQQ" });
        _f.Site.Set(Layout.CapListTarget, Documents.CapList.Encode(new CapList { SiteCode = "XYZ", Caps = [new CapEntry { Path = _f.CapPath }] }));
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        var message = Assert.Single(_f.Site.Items(Documents.StatusMessage));
        Assert.Contains("it is made for site XYZ", message.Text, StringComparison.Ordinal);
        Assert.Contains("it is made for site QQQ", message.Text, StringComparison.Ordinal);
        Assert.Contains("it is made for site XYZ", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await _f.StepAsync(5);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Single(_f.Site.Items(Documents.StatusMessage));
    }

    /// <summary>Else the site would take every machine that was off while its policy changed for one that does not follow.</summary>
    [Fact]
    public async Task A_heartbeat_says_which_policy_holds_when_it_is_sent()
    {
        await _f.EnrolAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        var known = _f.Site.Items(Documents.Heartbeat).Count;
        _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[0], change: policy => policy with { Resync = 1 });
        _f.Time.Advance(TimeSpan.FromDays(3));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        var now = (await _f.StatusAsync()).PolicyVersion;
        Assert.Equal(now, _f.Site.Items(Documents.Heartbeat)[known].PolicyVersion);
    }

    [Fact]
    public async Task Wishes_for_a_resync_are_taken_with_the_receipts_and_anew_in_each_epoch()
    {
        await _f.EnrolAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.CloseAsync();
        // What an earlier epoch left, whose revisions were higher.
        using (var database = ClientDatabase.Open(_f.Options.Directory))
            new ClientState(database).Set((StateKey.ResyncRevision, "1000000"));
        _f.Site.Restore();
        _f.Site.Resync((await _f.StatusAsync()).DeviceId, ItemKind.HardwareInventory);
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        await _f.OpenAsync();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.CloseAsync();
        using var after = ClientDatabase.Open(_f.Options.Directory);
        var state = new ClientState(after);
        Assert.True(state.GetNumber(StateKey.ResyncRevision) < 1_000_000);
        Assert.Null(state.Get(StateKey.Fingerprint(ItemKind.HardwareInventory)));
        Assert.Null(state.Moment(MomentName.Inventory));
    }

    [Fact]
    public async Task A_contact_that_hangs_is_given_up_and_its_lease_given_back()
    {
        await _f.EnrolAsync();
        var reached = new TaskCompletionSource();
        _f.Provider.Elsewhere[_f.CapPath] = HangingStore.Of(_cap, reached);
        _f.Time.Advance(TimeSpan.FromMinutes(10));
        var step = _f.Client!.Loop.StepAsync(ClientFixture.Stop);
        await reached.Task;
        _f.Time.Advance(Ccim.ContactDeadline);
        await step;
        Assert.Equal(0, _f.Provider.Open);
        Assert.Contains("did not finish within 5 minutes", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_root_without_metadata_is_never_written_to_and_the_next_try_goes_elsewhere()
    {
        var unmounted = new MemoryStore(_f.Time);
        _f.Provider.Elsewhere[NalPath.FromDirectory("/unmounted").ToString()] = unmounted;
        await _f.Site.PublishAsync(ClientFixture.Stop);
        // Given by hand, so it is tried first.
        await _f.InstallAsync(cap: "/unmounted");
        await _f.OpenAsync();
        await _f.SettleAsync();
        Assert.Contains("there is no folder 'metadata'", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Single(_f.Site.Items(Documents.ConfigurationRequest));
        Assert.Equal(0, unmounted.Counts.OperationsOf("create"));
    }

    [Fact]
    public async Task A_component_that_blocks_its_thread_is_given_up_at_its_deadline()
    {
        using var release = new ManualResetEventSlim();
        var started = new TaskCompletionSource();
        await _f.EnrolAsync();
        _f.Software = _ =>
        {
            started.SetResult();
            release.Wait(CancellationToken.None);
            return Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        };
        var cycle = Task.Run(() => _f.Client!.RunNowAsync(ClientFixture.Stop));
        await started.Task;
        while (!cycle.IsCompleted)
        {
            _f.Time.Advance(Components.Deadline);
            await Task.Yield();
        }
        release.Set();
        Assert.Contains("software-inventory: not finished within its deadline of 120 s", (await cycle).Problems);
    }

    [Fact]
    public async Task A_client_that_lost_its_database_goes_on_with_the_chain_that_the_site_has()
    {
        await _f.EnrolAsync();
        var sequence = (await _f.StatusAsync()).Sequence;
        await _f.CloseAsync();
        foreach (var file in Directory.GetFiles(_f.Options.Directory, "client.db*"))
            File.Delete(file);
        await _f.InstallAsync();
        await _f.OpenAsync();
        await _f.SettleAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Empty(_f.Site.Refused);
        Assert.Equal(sequence + 1, _f.Site.Applied[^1].Sequence);
        Assert.Equal("approved", (await _f.StatusAsync()).State);
    }

    [Fact]
    public async Task An_item_that_does_not_fit_beside_others_goes_into_the_next_record_and_one_that_never_fits_is_forgotten()
    {
        await _f.EnrolAsync();
        var noise = new Random(1);
        _f.Software = _ => Task.FromResult(new SoftwareInventory { Packages = Packages(9_000) });
        _f.Hardware = _ => ClientFixture.SampleHardware("other");
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("other", _f.Site.Items(Documents.HardwareInventory)[^1].System.HostName);
        Assert.Single(_f.Site.Items(Documents.SoftwareInventory));
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "item_too_large");
        await _f.CloseAsync();
        using var database = ClientDatabase.Open(_f.Options.Directory);
        Assert.Null(new ClientState(database).Get(StateKey.Fingerprint(ItemKind.SoftwareInventory)));

        IReadOnlyList<InstalledPackage> Packages(int count) => [.. Enumerable.Range(0, count).Select(n =>
            new InstalledPackage($"p{n}", "1", null, null, null, "dpkg", string.Create(1_200, noise, (text, random) => random.GetItems("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".AsSpan(), text)), null))];
    }

    [Fact]
    public async Task A_stored_CAP_list_that_this_program_cannot_read_is_named()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        using (var database = ClientDatabase.Open(_f.Options.Directory))
            new ClientState(database).Adopt(DocumentName.CapList, new StoredDocument(9, new string('0', 64), "{\"version\":2}"u8.ToArray()));
        var refused = await Assert.ThrowsAsync<ClientException>(_f.StatusAsync);
        Assert.Equal("state_newer", refused.Code);
        Assert.Contains("cap-list", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_CAP_given_to_an_approved_client_is_taken_and_an_impossible_one_refused()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        await _f.InstallAsync(cap: "/other");
        var status = await _f.StatusAsync();
        Assert.Equal(("approved", NalPath.FromDirectory("/other").ToString()), (status.State, status.Caps[0]));
        Assert.Equal("bad_cap", (await Assert.ThrowsAsync<ClientException>(() => _f.InstallAsync(cap: "/mnt/a\\b"))).Code);
    }
}

/// <summary>A store that never answers a read, whatever its caller's token says.</summary>
public class HangingStore : DispatchProxy
{
    private IStore? _inner;
    private TaskCompletionSource? _reached;

    public static IStore Of(IStore inner, TaskCompletionSource reached)
    {
        var store = Create<IStore, HangingStore>();
        ((HangingStore)(object)store)._inner = inner;
        ((HangingStore)(object)store)._reached = reached;
        return store;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name != nameof(IStore.ReadAllAsync))
            return targetMethod.Invoke(_inner, args);
        _reached!.TrySetResult();
        return new ValueTask<byte[]?>(new TaskCompletionSource<byte[]?>().Task);
    }
}
