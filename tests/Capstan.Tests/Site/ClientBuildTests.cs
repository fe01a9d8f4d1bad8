using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Publish.Builds;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site;

/// <summary>Builds of the agent at the site: taken in, ordered, published, taken away.</summary>
public sealed class ClientBuildTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task A_site_without_builds_lists_none() => Assert.Empty(await _site.Get<BuildAdministration>().ListAsync(CancellationToken.None));

    [Fact]
    public async Task An_ordered_build_lies_on_the_CAP_as_any_client_of_the_metadata_finds_it()
    {
        await AddAsync("0.2.0", "program 2");
        await PublishAsync();
        Assert.Null(await PublishedAsync());
        var ordered = await UseAsync("0.2.0");
        Assert.Equal((false, 0), (ordered.Downgrade, ordered.SpreadSeconds));
        await PublishAsync();
        var build = (await PublishedAsync())!.For("linux-x64")!;
        Assert.Equal(("0.2.0", ordered.Order), (build.Version, build.Order));
        Assert.Equal(["capstan-client", "lib.so"], build.Files.Select(file => file.Name));
        var client = await ClientAsync();
        foreach (var (file, text) in build.Files.Zip(["program 2", "library"]))
        {
            var packed = await client.ReadTargetAsync(file.Target, 1 << 20, Stop);
            using var unpacked = new BrotliStream(new MemoryStream(packed!.Content.ToArray()), CompressionMode.Decompress);
            using var reader = new StreamReader(unpacked);
            Assert.Equal(text, await reader.ReadToEndAsync(Stop));
        }
    }

    [Fact]
    public async Task Files_of_a_build_that_nobody_is_ordered_to_run_leave_the_CAP_after_a_week()
    {
        await AddAsync("0.2.0", "program 2");
        await AddAsync("0.3.0", "program 3");
        await UseAsync("0.2.0");
        await PublishAsync();
        Assert.Equal(2, Packed().Count);
        await UseAsync("0.3.0");
        await PublishAsync();
        // The library is the same; the old program stays for clients that are about to read it.
        Assert.Equal(3, Packed().Count);
        _time.Advance(TimeSpan.FromDays(8));
        await PublishAsync();
        Assert.Equal(2, Packed().Count);
    }

    [Fact]
    public async Task An_older_version_is_an_order_to_go_back_and_a_newer_one_is_not()
    {
        foreach (var version in (string[])["0.2.0", "0.3.0", "0.4.0"])
            await AddAsync(version, version);
        Assert.False((await UseAsync("0.3.0")).Downgrade);
        Assert.True((await UseAsync("0.2.0")).Downgrade);
        // Some still have 0.3.0.
        Assert.True((await UseAsync("0.2.0")).Downgrade);
        Assert.False((await UseAsync("0.3.0")).Downgrade);
        Assert.False((await UseAsync("0.4.0")).Downgrade);
        Assert.True((await UseAsync("package")).Downgrade);
        Assert.True((await UseAsync("0.4.0", downgrade: true)).Downgrade);
    }

    [Fact]
    public async Task Orders_rise_also_where_the_clock_stands()
    {
        await AddAsync("0.2.0", "program 2");
        var first = await UseAsync("0.2.0");
        var second = await UseAsync("0.2.0");
        Assert.True(second.Order > first.Order);
        Assert.True(first.Order >= _time.GetUtcNow().ToUnixTimeSeconds());
    }

    [Fact]
    public async Task An_order_that_ends_is_published_as_none_and_the_next_one_is_above_it()
    {
        var builds = _site.Get<BuildAdministration>();
        await AddAsync("0.2.0", "program 2");
        Assert.Equal("build_unknown", (await Assert.ThrowsAsync<SiteException>(() => builds.EndAsync("linux-x64", Stop))).Code);
        var first = await UseAsync("0.2.0");
        await PublishAsync();
        await builds.EndAsync("linux-x64", Stop);
        await PublishAsync();
        Assert.Empty((await PublishedAsync())!.Builds);
        Assert.False(Assert.Single(await builds.ListAsync(Stop)).IsOrdered);
        Assert.Equal("build_unknown", (await Assert.ThrowsAsync<SiteException>(() => builds.EndAsync("linux-x64", Stop))).Code);
        Assert.True((await UseAsync("0.2.0")).Order > first.Order);
        await builds.EndAsync("linux-x64", Stop);
        await builds.RemoveAsync("linux-x64", "0.2.0", Stop);
    }

    [Fact]
    public async Task A_platform_that_no_agent_has_is_refused() => Assert.Equal("bad_build", (await Assert.ThrowsAsync<SiteException>(() =>
        _site.Get<BuildAdministration>().UseAsync(new ClientBuildUse("linux-x46", "package"), Stop))).Code);

    /// <summary>Orders of before the list of platforms was fixed: one more would have stopped every publication.</summary>
    [Fact]
    public async Task An_order_that_cannot_be_published_with_the_others_is_refused_and_leaves_them()
    {
        var builds = _site.Get<BuildAdministration>();
        foreach (var number in Enumerable.Range(0, ClientBuilds.MaxBuilds))
            await _site.Context.Database.WriteAsync(transaction => Capstan.Site.Store.BuildStore.OrderAsync(transaction,
                new ClientBuild { Platform = $"typo-{number}", Version = "package", Order = 1, Downgrade = true, SpreadSeconds = 0, Files = [] }, "", _time.GetUtcNow()), Stop);
        await AddAsync("0.2.0", "program 2");
        Assert.Equal("bad_build", (await Assert.ThrowsAsync<SiteException>(() => UseAsync("0.2.0"))).Code);
        await PublishAsync();
        Assert.Equal(ClientBuilds.MaxBuilds, (await PublishedAsync())!.Builds.Count);
        await builds.EndAsync("typo-3", Stop);
        await UseAsync("0.2.0");
        await PublishAsync();
        Assert.NotNull((await PublishedAsync())!.For("linux-x64"));
        Assert.True(BuildRules.Platforms.Count <= ClientBuilds.MaxBuilds);
    }

    [Theory]
    [InlineData("0.2.0", "program 2", null)]
    [InlineData("0.2.0", "another program", "build_exists")]
    [InlineData("latest", "program 2", "bad_build")]
    [InlineData("package", "program 2", "bad_build")]
    public async Task A_version_has_one_content_for_ever(string version, string program, string? code)
    {
        await AddAsync("0.2.0", "program 2");
        if (code is null)
            await AddAsync(version, program);
        else
            Assert.Equal(code, (await Assert.ThrowsAsync<SiteException>(() => AddAsync(version, program))).Code);
        Assert.Single(await _site.Get<BuildAdministration>().ListAsync(Stop));
    }

    [Fact]
    public async Task A_build_that_is_ordered_is_not_removed_and_one_that_is_not_takes_its_files_along()
    {
        var builds = _site.Get<BuildAdministration>();
        await AddAsync("0.2.0", "program 2");
        await AddAsync("0.3.0", "program 3");
        await UseAsync("0.3.0");
        Assert.Equal("build_in_use", (await Assert.ThrowsAsync<SiteException>(() => builds.RemoveAsync("linux-x64", "0.3.0", Stop))).Code);
        Assert.Equal("build_unknown", (await Assert.ThrowsAsync<SiteException>(() => builds.RemoveAsync("linux-x64", "0.9.0", Stop))).Code);
        Assert.Equal("build_unknown", (await Assert.ThrowsAsync<SiteException>(() => UseAsync("0.9.0"))).Code);
        _time.Advance(TimeSpan.FromDays(2));
        await builds.RemoveAsync("linux-x64", "0.2.0", Stop);
        Assert.Equal("0.3.0", Assert.Single(await builds.ListAsync(Stop)).Version);
        var store = _site.Get<Capstan.Site.Store.BuildStore>();
        Assert.False(await store.HasFileAsync(Hash("program 2"), Stop));
        Assert.True(await store.HasFileAsync(Hash("program 3"), Stop));
        Assert.True(await store.HasFileAsync(Hash("library"), Stop));
    }

    [Fact]
    public async Task A_file_that_is_not_what_its_name_says_is_refused()
    {
        var builds = _site.Get<BuildAdministration>();
        using var other = new MemoryStream("other"u8.ToArray());
        Assert.Equal("bad_build", (await Assert.ThrowsAsync<SiteException>(() => builds.SaveFileAsync(Hash("program"), other, Stop))).Code);
        Assert.Equal("bad_build", (await Assert.ThrowsAsync<SiteException>(() => builds.AddAsync(new ClientBuildAdd("linux-x64", "0.2.0",
            [new ClientBuildFile("capstan-client", true, Hash("program"))]), Stop))).Code);
    }

    [Theory]
    [InlineData(3, 11_000_000, 0)]
    [InlineData(1_000, 11_000_000, 1_100)]
    [InlineData(20_000, 11_000_000, 22_000)]
    [InlineData(20_000, 500_000_000, 604_800)]
    [InlineData(100, 0, 0)]
    public void A_fleet_takes_a_build_at_ten_megabytes_a_second(long clients, long bytes, int seconds) =>
        Assert.Equal(seconds, BuildRules.Spread(clients, bytes).TotalSeconds);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text)));

    private async Task AddAsync(string version, string program)
    {
        var builds = _site.Get<BuildAdministration>();
        foreach (var text in (string[])[program, "library"])
        {
            using var content = new MemoryStream(Encoding.ASCII.GetBytes(text));
            await builds.SaveFileAsync(Hash(text), content, Stop);
        }
        await builds.AddAsync(new ClientBuildAdd("linux-x64", version, [new ClientBuildFile("lib.so", false, Hash("library")), new ClientBuildFile("capstan-client", true, Hash(program))]), Stop);
    }

    private Task<ClientBuildOrdered> UseAsync(string version, bool? downgrade = null) =>
        _site.Get<BuildAdministration>().UseAsync(new ClientBuildUse("linux-x64", version, Downgrade: downgrade), Stop);

    private Task PublishAsync() => _site.Get<Publisher>().PublishNowAsync(Stop).ContinueWith(_ => _site.PublishAsync(), Stop, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default).Unwrap();

    private async Task<Capstan.Protocol.Tuf.TufClient> ClientAsync()
    {
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, Stop);
        return client;
    }

    private async Task<ClientBuilds?> PublishedAsync() =>
        await (await ClientAsync()).ReadTargetAsync("client/builds.json", 1 << 20, Stop) is { } target ? Documents.ClientBuilds.Decode(target.Content.Span) : null;

    private List<string> Packed() => [.. Directory.Exists(Path.Combine(_site.CapDirectory, "targets", "client"))
        ? Directory.EnumerateFiles(Path.Combine(_site.CapDirectory, "targets", "client"), "*.br") : []];
}
