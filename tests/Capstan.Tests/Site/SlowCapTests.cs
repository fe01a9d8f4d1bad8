using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>Work on a CAP that lasts longer than anybody waits for it.</summary>
public class SlowCapTests
{
    [Fact]
    public async Task A_slow_cap_gets_the_pointer_of_the_files_that_it_got_also_when_nobody_waits_any_more()
    {
        var (site, time, storage) = await SiteAsync();
        await using var _ = site;
        using var device = await site.EnrolAsync("pc2");
        var hold = Hold(storage, site.Cap, StoreOperations.Create);
        using var asker = new CancellationTokenSource();
        var asked = site.Get<Publisher>().PublishNowAsync(asker.Token);
        await hold.Reached;
        await asker.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        var first = await site.VersionAsync();

        using var another = await site.EnrolAsync("pc3");
        time.Advance(PublishSchedule.OrdinaryInterval);
        await site.PublishAsync();
        Assert.True(await site.VersionAsync() > first);
        hold.Release();
        for (var looks = 0; (await site.CapStateAsync()).PublishedVersion < first; looks++)
            Assert.True(looks < 100_000, "what was held up and let go does not end");

        Assert.Equal(first, await site.VersionOnCapAsync());
        await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
    }

    [Fact]
    public async Task A_cap_is_added_whatever_hangs_on_another()
    {
        var (site, _, storage) = await SiteAsync();
        await using var _ = site;
        var hold = Hold(storage, site.Cap, StoreOperations.Read, CapWriter.Pointer);
        using var asker = new CancellationTokenSource();
        var hanging = site.Get<Publisher>().PublishNowAsync(asker.Token);
        await hold.Reached;

        var other = await AddOtherAsync(site);

        Assert.True(File.Exists(Path.Combine(other.LocalDirectory!, CapWriter.Pointer)));
        await asker.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => hanging);
        hold.Release();
    }

    [Fact]
    public async Task Who_asks_is_told_what_does_not_end_and_not_that_older_work_has_ended()
    {
        var (site, time, storage) = await SiteAsync();
        await using var _ = site;
        var first = Hold(storage, site.Cap, StoreOperations.Read, CapWriter.Pointer);
        using var asker = new CancellationTokenSource();
        var older = site.Get<Publisher>().PublishNowAsync(asker.Token);
        await first.Reached;
        await asker.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => older);

        storage[site.Cap].Heal();
        var second = Hold(storage, site.Cap, StoreOperations.Read, CapWriter.Pointer);
        var armed = time.ArmedAsync(CapWork<long?>.AskedPatience);
        var asked = site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        await armed;
        // The older work ends; what was asked for hangs.
        first.Release();
        await second.Reached;
        time.Advance(CapWork<long?>.AskedPatience);

        var refused = await Assert.ThrowsAsync<SiteException>(() => asked);
        Assert.Equal("still_publishing", refused.Code);
        Assert.Contains(site.Cap.ToString(), refused.Message, StringComparison.Ordinal);
        second.Release();
    }

    [Fact]
    public async Task A_cap_that_fails_keeps_superseded_files_for_itself_alone()
    {
        var (site, time, storage) = await SiteAsync();
        await using var _ = site;
        var failing = await AddOtherAsync(site);
        using var device = await site.EnrolAsync("pc2");
        await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        var superseded = Present(failing, (await site.Get<PublishStore>().GarbageAsync(time.GetUtcNow().AddDays(1), Superseded.None, CancellationToken.None)).Select(file => file.Path));
        Assert.NotEmpty(superseded);
        storage[failing].Deny(StoreOperations.All);
        using var another = await site.EnrolAsync("pc3");
        time.Advance(TimeSpan.FromDays(6));
        await site.PublishAsync();

        time.Advance(TimeSpan.FromDays(2));
        await site.PublishAsync();
        Assert.Empty(Present(site.Cap, superseded));
        Assert.Equal(superseded, Present(failing, superseded));

        // Nothing of it is removed there a second time.
        storage[site.Cap].Deny(StoreOperations.Delete);
        time.Advance(TimeSpan.FromHours(1));
        await site.PublishAsync();
        Assert.Null((await StateAsync(site, site.Cap)).LastError);
        storage[site.Cap].Heal();

        storage[failing].Heal();
        time.Advance(TimeSpan.FromHours(1));
        await site.PublishAsync();
        time.Advance(TimeSpan.FromHours(1));
        await site.PublishAsync();
        Assert.Empty(Present(failing, superseded));
        Assert.DoesNotContain(await site.Get<PublishStore>().GarbageAsync(time.GetUtcNow().AddDays(1), Superseded.None, CancellationToken.None), file => superseded.Contains(file.Path));
    }

    [Fact]
    public async Task Nothing_is_written_where_superseded_files_are_being_removed()
    {
        var (site, time, storage) = await SiteAsync();
        await using var _ = site;
        time.Advance(TimeSpan.FromDays(6));
        await site.PublishAsync();
        var hold = Hold(storage, site.Cap, StoreOperations.Delete);
        time.Advance(TimeSpan.FromDays(2));
        var pass = site.PublishAsync();
        await hold.Reached;
        await time.ArmedAsync(CapWork<long?>.Patience);
        time.Advance(CapWork<long?>.Patience);
        await pass;

        using var device = await site.EnrolAsync("pc2");
        time.Advance(PublishSchedule.OrdinaryInterval);
        await site.PublishAsync();
        Assert.True((await site.CapStateAsync()).PublishedVersion < await site.VersionAsync());
        hold.Release();
        await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
    }

    private static async Task<(SiteHarness Site, ManualTime Time, FaultyStorage Storage)> SiteAsync()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        device.Dispose();
        await site.PublishAsync();
        return (site, time, storage);
    }

    private static StoreHold Hold(FaultyStorage storage, NalPath cap, StoreOperations operations, string prefix = "")
    {
        var hold = new StoreHold();
        storage[cap].Add(new StoreFault(operations, null) { PathPrefix = prefix, Nth = 1, Hold = hold });
        return hold;
    }

    private static async Task<NalPath> AddOtherAsync(SiteHarness site)
    {
        var path = NalPath.FromDirectory(Path.Combine(site.Directory, "other"));
        await site.Get<CapAdministration>().AddAsync(path, new CapAdd(path.ToString()), CancellationToken.None);
        return path;
    }

    private static async Task<CapState> StateAsync(SiteHarness site, NalPath path) =>
        (await site.Get<CapStore>().ListAsync(CancellationToken.None)).Single(cap => cap.Path == path.ToString());

    private static List<string> Present(NalPath cap, IEnumerable<string> paths) => [.. paths.Where(path => File.Exists(Path.Combine(cap.LocalDirectory!, path)))];
}
