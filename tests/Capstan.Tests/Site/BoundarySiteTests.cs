using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site;

/// <summary>Boundaries at the site: kept in one text, signed, and given to installations in tokens.</summary>
public sealed class BoundarySiteTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    private BoundaryAdministration Boundaries => _site.Get<BoundaryAdministration>();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task What_is_added_is_signed_and_stands_in_tokens_and_what_is_removed_is_gone()
    {
        Assert.Equal((null, null), await PublishedAsync());
        Assert.Null((await _site.TokenAsync()).Boundaries);
        await Boundaries.AddAsync(new BoundaryAdd("10.1.0.0-10.1.255.255"), Stop);
        var row = await Boundaries.AddAsync(new BoundaryAdd("10.1.7.0/24", _site.Cap.ToString()), Stop);
        Assert.Equal(["10.1.0.0/16"], row.Overlaps);
        Assert.Equal(("10.1.0.0/16", "10.1.7.0/24"), await PublishedAsync());
        Assert.Equal(["10.1.0.0/16"], (await _site.TokenAsync()).Boundaries);
        await Boundaries.RemoveAsync("10.1.0.0/16", null, Stop);
        await Boundaries.RemoveAsync("10.1.7.0/24", _site.Cap.ToString(), Stop);
        Assert.Equal((null, null), await PublishedAsync());
        Assert.Empty(await Boundaries.ListAsync(Stop));
    }

    [Fact]
    public async Task What_is_no_boundary_or_not_there_is_refused()
    {
        Assert.Equal("bad_boundary", (await Assert.ThrowsAsync<SiteException>(() => Boundaries.AddAsync(new BoundaryAdd("10.1.0.1/16"), Stop))).Code);
        Assert.Equal("cap_unknown", (await Assert.ThrowsAsync<SiteException>(() => Boundaries.AddAsync(new BoundaryAdd("10.1.0.0/16", @"MSWNET:\\fs1\cap\"), Stop))).Code);
        Assert.Equal("boundary_unknown", (await Assert.ThrowsAsync<SiteException>(() => Boundaries.RemoveAsync("10.1.0.0/16", null, Stop))).Code);
        for (var i = 0; i < Boundary.Most; i++)
            await Boundaries.AddAsync(new BoundaryAdd($"10.{i}.0.0/16"), Stop);
        Assert.Equal("bad_boundary", (await Assert.ThrowsAsync<SiteException>(() => Boundaries.AddAsync(new BoundaryAdd("11.0.0.0/8"), Stop))).Code);
    }

    private async Task<(string? Site, string? Cap)> PublishedAsync()
    {
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, Stop);
        var site = Documents.SiteDescription.Decode((await client.ReadTargetAsync(Layout.SiteDescriptionTarget, 1 << 16, Stop))!.Content.Span);
        var list = Documents.CapList.Decode((await client.ReadTargetAsync(Layout.CapListTarget, 1 << 20, Stop))!.Content.Span);
        return (site.Boundaries is null ? null : string.Join(' ', site.Boundaries), list.Caps[0].Boundaries is { } near ? string.Join(' ', near) : null);
    }
}
