using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>What a new epoch makes of advertisements: each has a revision above all that was shown of it, and none goes on by itself, since it may have been halted, changed or removed after the backup.</summary>
internal static class OfferRestore
{
    public const string Because = "the site was restored from a backup";

    public static async Task ApplyAsync(DbTransaction transaction, DateTimeOffset now)
    {
        foreach (var row in await OfferStore.ActiveAsync(transaction))
        {
            var document = row.Read() with { Revision = OfferRules.NextRevision(row.Revision, now) };
            var stops = row.State == Advertisement.Active;
            if (stops)
                document = document with { State = Advertisement.Halted, HaltedBecause = Because };
            await OfferStore.SaveAsync(transaction, document, row.PackageId, row.PackageVersion, row.CollectionId, (int?)row.HaltAt, stops ? now : Times.At(row.CountsFrom), now, row.State == AdvertisementRow.Ended);
            if (stops)
                await AuditStore.AddAsync(transaction, new AuditEntry("site", "local", "advertisement halt", $"{row.AdvertisementId}: {Because}", 200), now);
        }
    }
}
