using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>Design.md section 10, number 3, for requests that nobody approves: they end in a state that people see, and the client asks again.</summary>
public sealed class PendingRequestTests
{
    [Fact]
    public async Task A_device_that_was_forgotten_is_shown_asks_again_and_can_be_approved()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        await site.PublishAsync();
        var token = (await site.Get<TokenIssuer>().CreateAsync(new TokenRequest(1, 60, "late"), CancellationToken.None)).Token;
        time.Advance(TimeSpan.FromSeconds(60));
        await using var f = new RealClient(site, time, "late");
        await f.InstallAsync(token);
        await f.SettleAsync();
        await site.DrainAsync();
        var id = (await f.StatusAsync()).DeviceId;
        Assert.Equal("pending", await StateAsync(site, id));
        await f.StepAsync(2);
        Assert.Equal(0, (await f.StatusAsync()).Spooled);

        time.Advance(Enrolment.PendingLimit + TimeSpan.FromHours(1));
        await site.PublishAsync();
        Assert.Null(await StateAsync(site, id));
        var told = Assert.Single(await site.Get<StatusStore>().ListAsync(null, null, null, 10, CancellationToken.None), row => row.Code == "client_forgotten");
        Assert.Contains($"{id[..4]}-{id[4..8]}", told.Text, StringComparison.Ordinal);
        // Written by the pass that drains; a site that starts again writes them, too, although the bin has no device left.
        Assert.Contains(await site.Get<DeviceStore>().BinsInUseAsync(CancellationToken.None), bin => bin == Bin(id));
        await site.DrainAsync();

        await f.StepAsync(2);
        await f.SettleAsync();
        await site.DrainAsync();
        Assert.Equal("pending", await StateAsync(site, id));
        Assert.Empty(await site.QuarantineAsync());
        Assert.True(await site.Get<Enrolment>().ApproveAsync(id, CancellationToken.None));
        await site.PublishAsync();
        await f.StepAsync(2);
        await f.SettleAsync();
        await site.DrainAsync();
        Assert.Equal("approved", (await f.StatusAsync()).State);
        var summary = (await site.Get<DeviceStore>().DetailAsync(id, CancellationToken.None))!.Value.Summary;
        Assert.Equal(("approved", 3L, 1), (summary.State, summary.Sequence, summary.PackageCount));
    }

    [Fact]
    public async Task A_pending_device_that_asks_again_waits_from_then_on()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        var token = await site.TokenAsync(seconds: 60);
        time.Advance(TimeSpan.FromSeconds(60));
        using var device = new FakeDevice(site.Context);
        await site.TakeInAsync(device, device.Request(token));
        time.Advance(TimeSpan.FromDays(6));
        await site.TakeInAsync(device, device.Request(token));
        time.Advance(TimeSpan.FromDays(6));
        await site.PublishAsync();
        Assert.Equal("pending", (await site.ClientAsync(device)).State);
        time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromHours(1));
        await site.PublishAsync();
        Assert.Null(await StateAsync(site, device.Id.Value));
    }

    private static async Task<string?> StateAsync(SiteHarness site, string id) =>
        (await site.Get<DeviceStore>().DetailAsync(id, CancellationToken.None))?.Summary.State;

    private static string Bin(string id) => Capstan.Protocol.DeviceId.TryParse(id, out var device) ? device.Bin : throw new ArgumentException("not a device id", nameof(id));
}
