using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;

namespace Capstan.Tests.Site.Offers;

/// <summary>Advertisements whose content is on no client access point yet.</summary>
public sealed class HeldOfferTests : OfferWorld
{
    [Fact]
    public async Task A_new_one_is_signed_and_listed_when_its_content_is_there()
    {
        var device = await Site.EnrolAsync();
        await SqlAsync($"insert into content_waiting values ('{Package}', 1, 0)");
        var id = await OfferAsync();
        await PublishAsync();
        Assert.Null(await TargetAsync(id));
        Assert.Empty((await PolicyAsync(device)).Advertisements);
        var why = await Site.Get<WhyReader>().ReadAsync(device.Id.Value, id, Stop);
        Assert.StartsWith("Firefox version 1 is on its way: no client access point has all of it yet.", why.Answer, StringComparison.Ordinal);
        await Site.Get<ContentKeeper>().PassAsync(Stop);
        await PublishAsync();
        Assert.NotNull(await TargetAsync(id));
        Assert.Equal([id], (await PolicyAsync(device)).Advertisements);
    }

    [Fact]
    public async Task An_edited_one_keeps_the_version_that_is_there_until_then_and_a_halt_waits_for_nothing()
    {
        var device = await Site.EnrolAsync();
        var id = await OfferAsync();
        await PublishAsync();
        await SqlAsync($"insert into content_version values ('{Package}', 2, 1, 1, 1, '', x'', null, 0); insert into content_waiting values ('{Package}', 2, 0)");
        await Offers.EditAsync(id, new AdvertisementEdit(PackageVersion: 2), Stop);
        await PublishAsync();
        Assert.Equal(1, (await TargetAsync(id))!.Offer.PackageVersion);
        Assert.Equal([id], (await PolicyAsync(device)).Advertisements);
        await Offers.HaltAsync(id, null, Stop);
        await PublishAsync();
        Assert.Equal(Advertisement.Halted, (await TargetAsync(id))!.State);
        await Offers.ResumeAsync(id, Stop);
        await Site.Get<ContentKeeper>().PassAsync(Stop);
        await PublishAsync();
        Assert.Equal((2L, Advertisement.Active), ((await TargetAsync(id))!.Offer.PackageVersion, (await TargetAsync(id))!.State));
    }
}
