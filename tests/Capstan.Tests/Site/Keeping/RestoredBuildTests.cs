using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Keeping;
using Capstan.Site.Publish;
using Capstan.Site.Publish.Builds;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site.Keeping;

/// <summary>Orders about builds after a restore: clients that have seen later ones take them, and nobody goes back by them.</summary>
public sealed class RestoredBuildTests : IAsyncLifetime
{
    private const string Platform = "linux-x64";

    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    /// <summary>How far the clock was ahead when the order after the backup was given, which only the CAP knows.</summary>
    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(700, false)]
    public async Task Clients_that_have_seen_a_later_order_take_those_of_the_restored_site(int daysAhead, bool isCapLost)
    {
        await OrderAsync("0.2.0");
        await _site.BackUpAsync("b1");
        var right = _time.GetUtcNow();
        _time.Jump(right.AddDays(daysAhead + 5));
        var seen = await OrderAsync("0.3.0");
        await _site.CloseAsync();
        _time.Jump(right.AddDays(6));
        var restored = await _site.RestoreAsync("b1", "life2", isCapLost);
        var published = await PublishedAsync(restored);
        Assert.Equal("0.2.0", published!.For(Platform)!.Version);
        Assert.True(published.For(Platform)!.Order > seen.For(Platform)!.Order);
        Assert.Null(Capstan.Client.Configuration.OrderRules.Fault(published, seen, published.SiteCode));
        await restored.CloseAsync();
        _site = await SiteHarness.OpenAsync(_site.Directory, _time);
    }

    [Fact]
    public async Task An_order_to_go_back_ends_with_a_restore()
    {
        await OrderAsync("0.3.0");
        var back = await OrderAsync("0.2.0");
        Assert.True(back.For(Platform)!.Downgrade);
        await _site.BackUpAsync("b1");
        await _site.CloseAsync();
        _time.Advance(TimeSpan.FromDays(1));
        var report = await KeptSite.RestoreAsync(_site.Backup("b1"), Path.Combine(_site.Backup("life2"), "site"), _time);
        Assert.Contains(report.Notes, note => note.Contains("go back to 0.2.0 on linux-x64", StringComparison.Ordinal));
        var restored = await KeptSite.OpenAsync(_site.Backup("life2"), _site.CapDirectory, _time);
        Assert.Empty((await PublishedAsync(restored))!.Builds);
        var next = await restored.Get<BuildAdministration>().UseAsync(new ClientBuildUse(Platform, "0.2.0"), Stop);
        Assert.True(next.Order > back.For(Platform)!.Order);
        await restored.CloseAsync();
        _site = await SiteHarness.OpenAsync(_site.Directory, _time);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private async Task<ClientBuilds> OrderAsync(string version)
    {
        var builds = _site.Get<BuildAdministration>();
        var program = System.Text.Encoding.ASCII.GetBytes(version);
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(program));
        using var content = new MemoryStream(program);
        await builds.SaveFileAsync(hash, content, Stop);
        await builds.AddAsync(new ClientBuildAdd(Platform, version, [new ClientBuildFile(BuildFile.Program, true, hash)]), Stop);
        await builds.UseAsync(new ClientBuildUse(Platform, version), Stop);
        await _site.Get<Publisher>().PublishNowAsync(Stop);
        await _site.PublishAsync();
        return (await PublishedAsync(_site))!;
    }

    private static async Task<ClientBuilds?> PublishedAsync(SiteHarness site)
    {
        var client = await site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, Stop);
        return await client.ReadTargetAsync("client/builds.json", 1 << 20, Stop) is { } target ? Documents.ClientBuilds.Decode(target.Content.Span) : null;
    }
}
