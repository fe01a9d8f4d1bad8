using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>The order in a policy to send everything in full: followed once, at the next poll.</summary>
public sealed class ResyncOrderTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));

    public async ValueTask InitializeAsync()
    {
        await _f.EnrolAsync();
        await LiveAsync();
    }

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task An_unchanged_inventory_is_sent_once_more_for_each_order_and_not_for_an_old_one()
    {
        foreach (var (order, sent) in new[] { (10L, 2), (10L, 2), (9L, 2), (11L, 3) })
        {
            _f.Site.SetPolicy(_f.Site.Items(Documents.ConfigurationRequest)[^1], change: policy => policy with { Resync = order });
            _f.Time.Advance(TimeSpan.FromSeconds(1));
            await _f.Site.PublishAsync(ClientFixture.Stop, force: true);
            await LiveAsync();
            Assert.Equal((sent, sent), (_f.Site.Items(Documents.SoftwareInventory).Count, _f.Site.Items(Documents.HardwareInventory).Count));
        }
    }

    private async Task LiveAsync()
    {
        for (var i = 0; i < 3; i++)
        {
            await _f.StepAsync();
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
    }
}
