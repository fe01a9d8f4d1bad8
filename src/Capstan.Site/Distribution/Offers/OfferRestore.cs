using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Console;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>What a new epoch makes of advertisements: each has a revision above all that was shown of it, and none goes on by itself, since it may have been halted, changed or removed after the backup.</summary>
internal static class OfferRestore
{
    public const string Because = "the site was restored from a backup";

    /// <summary>Most ids that one line names.</summary>
    private const int MostNamed = 10;

    /// <summary>What the site may lack, and what to do, in one line; before <see cref="ApplyAsync"/>.</summary>
    /// <param name="shown">Ids in policies on a CAP that are newer than the backup.</param>
    /// <returns>Null for a site that never offered anything, as far as anybody knows.</returns>
    public static async Task<string?> NoteAsync(DbTransaction transaction, IEnumerable<string> shown)
    {
        var rows = await OfferStore.ActiveAsync(transaction);
        var known = (await OfferStore.IdsAsync(transaction)).ToHashSet(StringComparer.Ordinal);
        var unknown = shown.Where(id => !known.Contains(id)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (known.Count + unknown.Count == 0)
            return null;
        var stopped = rows.Count(row => row.State == Advertisement.Active);
        return $"Collections, packages, programs and advertisements that were made or changed after the backup are not known here{(unknown.Count == 0 ? "" : $" (a client access point shows {Display.Plural(unknown.Count, "advertisement")} made since: {string.Join(", ", unknown.Take(MostNamed))}{(unknown.Count > MostNamed ? ", …" : "")})")}: "
            + $"clients keep what those have installed; make them anew where that is to go on.{(stopped == 0 ? "" : $" {Display.Plural(stopped, "advertisement")} that {(stopped == 1 ? "was active is" : "were active are")} halted: look at each with `capstan advertisement list`, then `capstan advertisement resume ID`.")}";
    }

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
