using System.Reflection;
using Capstan.Client;
using Capstan.Client.Configuration;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>Which CAP a client turns to after one that served badly, and what it does meanwhile.</summary>
public sealed class CapChoiceTests : IAsyncLifetime
{
    private static readonly string Other = NalPath.FromDirectory("/other").ToString();

    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public CapChoiceTests() => _f = new ClientFixture(_cap);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task After_a_CAP_that_lacks_what_its_metadata_lists_the_next_try_goes_elsewhere()
    {
        _f.Provider.Elsewhere[Other] = HidingStore.Of(_cap, "targets/");
        await _f.Site.PublishAsync(ClientFixture.Stop);
        // Given by hand, so it is tried first.
        await _f.InstallAsync(cap: "/other");
        await _f.OpenAsync();
        await _f.SettleAsync();
        Assert.Contains("site.json", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await _f.StepAsync();
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Single(_f.Site.Items(Documents.ConfigurationRequest));
    }

    [Fact]
    public async Task After_a_CAP_that_is_frozen_past_its_expiry_the_next_try_goes_elsewhere()
    {
        await _f.EnrolAsync();
        var frozen = new MemoryStore(_f.Time);
        await _cap.CopyAsync(frozen, Layout.Metadata, Layout.Targets, Layout.Receipts);
        _f.Provider.Elsewhere[Other] = frozen;
        await _f.CloseAsync();
        await _f.InstallAsync(cap: "/other");
        await _f.OpenAsync();
        _f.Time.Advance(TimeSpan.FromDays(40));
        await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
        while (await _f.Client!.Loop.StepAsync(ClientFixture.Stop) == TimeSpan.Zero && (await _f.StatusAsync()).Waiting is null)
        {
        }
        Assert.Contains("the site's metadata expired", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Null((await _f.StatusAsync()).Waiting);
    }

    [Fact]
    public async Task A_process_of_its_own_does_not_meet_the_same_bad_CAP_each_time()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        _f.Provider.Elsewhere[Other] = new MemoryStore(_f.Time);
        await _f.InstallAsync(cap: "/other");
        Assert.Equal(Other, await RunNowAsync(isWell: false));
        // Complete cycles end nothing: each process makes one.
        for (var run = 0; run < 3; run++)
            Assert.Equal(_f.CapPath, await RunNowAsync(isWell: true));
        _f.Time.Advance(AvoidedCaps.Remembered - TimeSpan.FromSeconds(1));
        Assert.Equal(_f.CapPath, await RunNowAsync(isWell: true));
        _f.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(Other, await RunNowAsync(isWell: false));
        Assert.Equal(_f.CapPath, await RunNowAsync(isWell: true));
    }

    [Fact]
    public async Task What_a_clock_wrote_that_was_far_ahead_keeps_no_CAP_last()
    {
        await _f.EnrolAsync();
        await _f.CloseAsync();
        _f.Provider.Elsewhere[Other] = new MemoryStore(_f.Time);
        await _f.InstallAsync(cap: "/other");
        var right = _f.Time.GetUtcNow();
        _f.Time.Jump(right.AddYears(5));
        Assert.Equal(Other, await RunNowAsync(isWell: false));
        _f.Time.Jump(right.AddMinutes(1));
        Assert.Equal(Other, await RunNowAsync(isWell: false));
        Assert.Equal(_f.CapPath, await RunNowAsync(isWell: true));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("99999999999999999999 LOCAL:\\other")]
    [InlineData("9223372036854775807 LOCAL:/other")]
    [InlineData("1\n\n2 no path")]
    public async Task What_was_kept_and_says_nothing_is_left_alone(string kept)
    {
        await _f.EnrolAsync();
        _f.Client!.Core.State.Set((Capstan.Client.State.StateKey.AvoidedCaps, kept));
        await _f.CloseAsync();
        Assert.Equal(_f.CapPath, await RunNowAsync(isWell: true));
    }

    [Fact]
    public async Task Only_the_latest_bad_CAPs_are_remembered_and_none_that_is_not_listed_any_more()
    {
        await _f.EnrolAsync();
        var core = _f.Client!.Core;
        var options = new Capstan.Nal.Arbiter.ArbiterOptions();
        var order = new CapOrder(core, options);
        NalPath[] caps = [.. Enumerable.Range(0, AvoidedCaps.Most + 3).Select(number => NalPath.FromDirectory(FormattableString.Invariant($"/cap{number}")))];
        core.State.Set((Capstan.Client.State.StateKey.OwnCaps, string.Join('\n', caps.Select(cap => cap.ToString()))));
        foreach (var cap in caps)
            order.ServedBadly(cap);
        new CapOrder(core, options).Prepare([]);
        Assert.Equal(caps[3..], options.Avoided);
        core.State.Set((Capstan.Client.State.StateKey.OwnCaps, caps[5].ToString()));
        order.ServedBadly(NalPath.Parse(_f.CapPath));
        new CapOrder(core, options).Prepare([]);
        Assert.Equal([caps[5], NalPath.Parse(_f.CapPath)], options.Avoided);
        order.ServedWell(caps[5], complete: false);
        order.ServedWell(NalPath.Parse(_f.CapPath), complete: true);
        new CapOrder(core, options).Prepare([]);
        Assert.Empty(options.Avoided);
        Assert.Null(core.State.Get(Capstan.Client.State.StateKey.AvoidedCaps));
    }

    /// <returns>The CAP that was tried first, and had to do.</returns>
    private async Task<string> RunNowAsync(bool isWell)
    {
        _f.Provider.Paths.Clear();
        await _f.OpenAsync();
        var report = await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _f.CloseAsync();
        Assert.True(isWell == report.Contacted, string.Join("; ", report.Problems));
        return Assert.Single(_f.Provider.Paths);
    }

    [Fact]
    public async Task A_document_that_stays_missing_is_urgent_once()
    {
        await _f.EnrolAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        _f.Site.Remove(Layout.CapListTarget);
        for (var publish = 0; publish < 4; publish++)
        {
            _f.Site.Change(site => site with { HeartbeatSeconds = 604_801 + publish });
            _f.Time.Advance(TimeSpan.FromSeconds(1));
            await _f.Site.PublishAsync(ClientFixture.Stop);
            await _f.StepAsync();
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
        Assert.Equal("policy_missing", Assert.Single(_f.Site.Items(Documents.StatusMessage)).Code);
    }

    [Fact]
    public async Task Facts_that_hang_are_given_up_at_their_deadline_and_no_lease_waits_for_them()
    {
        using var release = new ManualResetEventSlim();
        var started = new TaskCompletionSource();
        _f.Host = () =>
        {
            started.TrySetResult();
            release.Wait(CancellationToken.None);
            return new HostFacts("host1", "Test OS 1", []);
        };
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.InstallAsync();
        await _f.OpenAsync();
        var step = Task.Run(() => _f.Client!.Loop.StepAsync(ClientFixture.Stop));
        await started.Task;
        Assert.Equal(0, _f.Provider.Open);
        _f.Time.Advance(Components.Deadline);
        await step;
        release.Set();
        Assert.Contains("not finished within its deadline of 120 s", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);
    }
}

/// <summary>The pause after a refusal for capacity.</summary>
public sealed class FullServerTests
{
    [Fact]
    public async Task A_client_that_was_refused_for_capacity_waits_about_as_long_as_the_published_mean_hold()
    {
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()), provider: "MSWNET");
        f.Site.Describe(new CapEntry { Path = f.CapPath, MeanHoldSeconds = 200 });
        await f.EnrolAsync();
        f.Provider.Refuse = "the server is full";
        f.Provider.RefuseWith = NalError.ServerFull;
        await f.StepAsync();
        for (var refusal = 0; refusal < 5; refusal++)
        {
            await f.SettleAsync();
            var status = await f.StatusAsync();
            Assert.StartsWith("waiting for a connection: SERVER full, next try ", status.Waiting, StringComparison.Ordinal);
            Assert.Equal(0, f.Provider.Open);
            var pause = status.NextContact!.Value - f.Time.GetUtcNow();
            Assert.InRange(pause, TimeSpan.FromSeconds(50), TimeSpan.FromSeconds(450));
            // The status is rounded to whole milliseconds.
            f.Time.Advance(pause + TimeSpan.FromMilliseconds(1));
        }
        f.Provider.Refuse = null;
        await f.SettleAsync();
        await f.Site.DrainAsync(ClientFixture.Stop);
        var message = Assert.Single(f.Site.Items(Documents.StatusMessage));
        Assert.Equal(("cap_full", "information", "waiting for a connection: SERVER full"), (message.Code, message.Severity, message.Text));
        Assert.InRange(message.Count, 5, 7);
    }
}

/// <summary>A fleet that was off together.</summary>
public sealed class ReturnTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    public async Task A_client_that_was_off_for_a_weekend_comes_back_at_its_own_place(long ordinal)
    {
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()), provider: "MSWNET");
        f.Site.Describe(new CapEntry { Path = f.CapPath, PollIntervalSeconds = 7_200 });
        await f.EnrolAsync(ordinal);
        await f.CloseAsync();
        f.Time.Advance(TimeSpan.FromHours(60));
        var opened = f.Provider.Opened;
        await f.OpenAsync();
        var pause = await f.Client!.Loop.StepAsync(ClientFixture.Stop);
        Assert.Equal(opened, f.Provider.Opened);
        Assert.InRange(pause, TimeSpan.FromTicks(1), CycleMemory.ReturnWindow);
        var place = (f.Time.GetUtcNow() + pause).Ticks % CycleMemory.ReturnWindow.Ticks;
        Assert.Equal((long)(EvenPhase.Fraction(ordinal) * CycleMemory.ReturnWindow.Ticks), place);
        f.Time.Advance(pause);
        await f.SettleAsync();
        Assert.Equal(opened + 1, f.Provider.Opened);
    }
}

/// <summary>A store in which everything below one prefix is missing.</summary>
public class HidingStore : DispatchProxy
{
    private IStore? _inner;
    private string _hidden = "";

    public static IStore Of(IStore inner, string hidden)
    {
        var store = Create<IStore, HidingStore>();
        ((HidingStore)(object)store)._inner = inner;
        ((HidingStore)(object)store)._hidden = hidden;
        return store;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        targetMethod!.Name == nameof(IStore.ReadAllAsync) && ((StorePath)args![0]!).Value.StartsWith(_hidden, StringComparison.Ordinal)
            ? new ValueTask<byte[]?>(result: null)
            : targetMethod.Invoke(_inner, args);
}
