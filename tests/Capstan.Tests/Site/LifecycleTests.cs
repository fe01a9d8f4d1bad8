using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>From approval to retirement, and what time does to what was published.</summary>
public class LifecycleTests
{
    [Fact]
    public async Task A_retired_client_is_told_by_its_policy_and_its_uploads_are_refused()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        Assert.Equal("approved", (await PolicyAsync(site, device)).State);

        Assert.True(await site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        Assert.False(await site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        time.Advance(PublishSchedule.EnrolmentInterval);
        await site.PublishAsync();
        await site.TakeInAsync(device, device.Heartbeat(policy: 9));

        Assert.Equal("retired", (await PolicyAsync(site, device)).State);
        Assert.Equal("device_retired", Assert.Single(await site.QuarantineAsync()).Reason);
        Assert.Equal("retired", (await site.ClientAsync(device)).State);
        Assert.Empty(site.Inbox());
    }

    [Fact]
    public async Task A_certificate_is_renewed_sixty_days_before_its_end()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        var first = (await PolicyAsync(site, device)).Certificate!.ExpiresAt;

        time.Advance(TimeSpan.FromDays(304));
        await site.PublishAsync();
        Assert.Equal(first, (await PolicyAsync(site, device)).Certificate!.ExpiresAt);
        time.Advance(TimeSpan.FromDays(2));
        await site.PublishAsync();

        Assert.Equal((time.GetUtcNow() + Publisher.CertificateTerm).ToUnixTimeSeconds(), (await PolicyAsync(site, device)).Certificate!.ExpiresAt);
    }

    [Fact]
    public async Task Superseded_files_go_after_seven_days_and_nothing_else_does()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        Assert.True(await site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        time.Advance(PublishSchedule.EnrolmentInterval);
        await site.PublishAsync();
        Assert.Equal(2, Policies(site, device).Length);

        time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromMinutes(1));
        await site.PublishAsync();
        Assert.Equal(2, Policies(site, device).Length);
        time.Advance(TimeSpan.FromHours(2));
        await site.PublishAsync();

        Assert.Equal("retired", (await PolicyAsync(site, device)).State);
        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
        Assert.True(File.Exists(Path.Combine(site.CapDirectory, "metadata", "1.root.json")));
    }

    [Fact]
    public async Task The_root_key_may_be_away_once_something_was_published()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await site.PublishAsync();
        await site.CloseAsync();
        File.Delete(Path.Combine(site.Directory, "site", "keys", "root.key.pem"));
        await using var without = await SiteHarness.OpenAsync(site.Directory, time);

        Assert.True(await without.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        time.Advance(PublishSchedule.OrdinaryInterval);
        await without.PublishAsync();

        Assert.Equal(await without.VersionAsync(), await without.VersionOnCapAsync());
        Assert.Empty(await without.ConditionsAsync());
    }

    [Fact]
    public async Task Without_the_root_key_nothing_is_published_for_the_first_time()
    {
        var directory = Directory.CreateTempSubdirectory("capstan-site-").FullName;
        var time = new ManualTime();
        await NewSite.InitializeAsync(Path.Combine(directory, "site"), "ABC", time);
        File.Delete(Path.Combine(directory, "site", "keys", "root.key.pem"));
        await using var site = await SiteHarness.OpenAsync(directory, time);
        Assert.Equal("root_key_missing", (await Assert.ThrowsAsync<SiteException>(() => site.Get<Publisher>().StartAsync(CancellationToken.None))).Code);
    }

    [Fact]
    public async Task Keys_of_another_site_are_refused_before_they_sign()
    {
        var time = new ManualTime();
        var site = await SiteHarness.CreateAsync(time);
        await site.CloseAsync();
        await using var other = await SiteHarness.CreateAsync(time);
        foreach (var key in Directory.GetFiles(Path.Combine(other.Directory, "site", "keys")))
            File.Copy(key, Path.Combine(site.Directory, "site", "keys", Path.GetFileName(key)), overwrite: true);
        await using var mixed = await SiteHarness.OpenAsync(site.Directory, time);
        Assert.Equal("keys_of_another_site", (await Assert.ThrowsAsync<SiteException>(() => mixed.Get<Publisher>().StartAsync(CancellationToken.None))).Code);
    }

    private static string[] Policies(SiteHarness site, FakeDevice device) =>
        Directory.GetFiles(Path.Combine(site.CapDirectory, "targets", "policy"), $"*.{device.Id}.json");

    /// <summary>The one that the published state holds.</summary>
    private static async Task<Policy> PolicyAsync(SiteHarness site, FakeDevice device)
    {
        var path = (await site.Get<PublishStore>().CurrentAsync(null, CancellationToken.None)).Files.Select(file => file.Path).Single(path => path.Contains(device.Id.Value, StringComparison.Ordinal));
        return Documents.Policy.Decode(await File.ReadAllBytesAsync(Path.Combine(site.CapDirectory, path)));
    }
}
