using Capstan.Site.Publish;
using Capstan.Site.Status;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Watches what devices report of roll-outs, and halts those that fail too often. Thread-safe.</summary>
internal sealed class OfferKeeper(SiteContext site, AdvertisementAdministration advertisements, CycleHealth health, ILogger<OfferKeeper> logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(2);

    private readonly Signal _signal = new();

    /// <summary>Devices have reported.</summary>
    public void Changed() => _signal.Set();

    public Task RunAsync(CancellationToken cancellationToken) => new Cycle("offers", site, health, logger).RunAsync(async () =>
    {
        await PassAsync(cancellationToken);
        await Task.Delay(Shortest, site.Time, cancellationToken);
        await _signal.WaitAsync(Interval, site.Time, cancellationToken);
    }, cancellationToken);

    public async Task PassAsync(CancellationToken cancellationToken)
    {
        foreach (var (id, because) in await advertisements.HaltFailingAsync(cancellationToken))
            SiteLog.AdvertisementHalted(logger, id, because);
    }
}
