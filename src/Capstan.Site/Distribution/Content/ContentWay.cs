using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>The way of versions to the CAPs: what of each lies where. One that some CAP has whole is signed, and what offers it; before, no client hears of it. Thread-safe.</summary>
internal sealed class ContentWay(SiteDatabase database, CapStore caps, CapContentStore progress, ContentSync sync, ContentStore content, Publisher publisher, ILogger<ContentWay> logger)
{
    /// <summary>How a version is on each CAP.</summary>
    public async Task<IReadOnlyList<VersionOnCap>> OfAsync(string packageId, long version, CancellationToken cancellationToken)
    {
        var packs = await content.PacksOfAsync(packageId, version, cancellationToken);
        var rows = (await progress.ListAsync(cancellationToken)).ToDictionary(row => row.Cap, StringComparer.Ordinal);
        return [.. (await caps.ListAsync(cancellationToken)).Select(cap =>
        {
            var lacking = sync.Lacking(cap.Path, packs);
            var row = rows.GetValueOrDefault(cap.Path);
            return new VersionOnCap(cap.Path, packs.Count, lacking?.Packs, lacking?.Bytes, Times.At(row?.NextTry ?? (cap.Failure is null ? null : cap.NextTry)), row?.LastError ?? cap.Failure?.Message);
        })];
    }

    /// <summary>Lets versions go to clients that a CAP has whole by now.</summary>
    public async Task ReleaseAsync(IReadOnlyList<CapState> all, CancellationToken cancellationToken)
    {
        var ready = new List<(string PackageId, long Version)>();
        foreach (var (packageId, version) in await content.WaitingAsync(cancellationToken))
        {
            var packs = await content.PacksOfAsync(packageId, version, cancellationToken);
            if (all.FirstOrDefault(cap => sync.Lacking(cap.Path, packs) is (0, _)) is not { } cap)
                continue;
            ready.Add((packageId, version));
            ContentLog.VersionReady(logger, packageId, version, cap.Path);
        }
        if (ready.Count == 0)
            return;
        await database.WriteAsync(async transaction =>
        {
            var held = await HeldOffers.OfAsync(transaction.Connection!, transaction);
            await ContentStore.ReadyAsync(transaction, ready);
            return held.Count == 0 ? 0 : await PolicyContents.SettleAsync(transaction);
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Now);
    }
}
