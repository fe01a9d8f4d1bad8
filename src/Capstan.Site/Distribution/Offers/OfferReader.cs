using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Shows advertisements: how far each is, and what holds it up.</summary>
internal sealed class OfferReader(SiteContext site, OfferStore store, OfferStates states, OfferCounts counts, CollectionStore collections)
{
    private static readonly AdvertisementFunnel s_nobody = new(0, 0, 0, 0, 0, 0, 0, 0);

    public async Task<IReadOnlyList<AdvertisementSummary>> ListAsync(CancellationToken cancellationToken)
    {
        var funnels = await counts.FunnelsAsync(null, cancellationToken);
        var names = (await collections.ListAsync(cancellationToken)).ToDictionary(entry => entry.CollectionId, entry => entry.Name);
        return [.. (await store.ListAsync(cancellationToken)).Select(row => Summary(row, row.Read(), names.GetValueOrDefault(row.CollectionId, ""), funnels.GetValueOrDefault(row.AdvertisementId, s_nobody)))];
    }

    /// <exception cref="SiteException"><c>advertisement_unknown</c>.</exception>
    public async Task<AdvertisementDetail> ShowAsync(string id, CancellationToken cancellationToken)
    {
        var row = await RequireAsync(id, cancellationToken);
        var document = row.Read();
        var funnel = (await counts.FunnelsAsync(id, cancellationToken)).GetValueOrDefault(id, s_nobody);
        var names = (await collections.ListAsync(cancellationToken)).ToDictionary(entry => entry.CollectionId, entry => entry.Name);
        var times = await states.TimesAsync(id, cancellationToken);
        return new AdvertisementDetail(Summary(row, document, names.GetValueOrDefault(row.CollectionId, ""), funnel), document, await states.CausesAsync(id, cancellationToken),
            OfferCurve.Of(times, funnel.Targeted, row.CreatedAt, row.EndedAt ?? site.NowMilliseconds));
    }

    /// <exception cref="SiteException"><c>advertisement_unknown</c>.</exception>
    public async Task<IReadOnlyList<AdvertisementClient>> ClientsAsync(string id, string? state, int offset, int limit, CancellationToken cancellationToken)
    {
        await RequireAsync(id, cancellationToken);
        return await states.ClientsAsync(id, state, offset, limit, cancellationToken);
    }

    private async Task<AdvertisementRow> RequireAsync(string id, CancellationToken cancellationToken) =>
        await store.FindAsync(id, cancellationToken) ?? throw new SiteException($"There is no advertisement {id}; `capstan advertisement list` shows all.", "advertisement_unknown");

    private AdvertisementSummary Summary(AdvertisementRow row, Advertisement document, string collection, AdvertisementFunnel funnel) => new(row.AdvertisementId, row.Name, AdvertisementAdministration.Path(document),
        document.Offer.PackageName, document.Offer.PackageVersion, collection, document.Purpose, StateOf(row, site.Time.GetUtcNow()), document.HaltedBecause, row.Revision, (int?)row.HaltAt, Times.At(row.CreatedAt), Times.At(row.ChangedAt),
        row.ExpiresAt is { } expires ? DateTimeOffset.FromUnixTimeSeconds(expires) : null, funnel);

    /// <summary>As people are told: removed, ended, expired, halted or active.</summary>
    internal static string StateOf(AdvertisementRow row, DateTimeOffset now) => row.EndedAt is not null ? "removed" : row.State == AdvertisementRow.Ended ? row.State : row.ExpiresAt is { } expires && expires <= now.ToUnixTimeSeconds() ? "expired" : row.State;
}
