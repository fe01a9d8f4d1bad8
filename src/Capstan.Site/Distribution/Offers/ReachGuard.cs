using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>What is asked about before it is done: that an offer newly reaches many machines, and that machines take away what they have.</summary>
internal static class ReachGuard
{
    /// <summary>Which of the devices that lose an offer would run the removal of its program, by what they reported: it has succeeded there, may have before its last run, or runs now. Where another advertisement offers the same program none does.</summary>
    public static async Task<IReadOnlySet<long>> RemovalsAsync(DbTransaction transaction, AdvertisementRow row, IEnumerable<long> leaving)
    {
        var isEnded = row.State == AdvertisementRow.Ended;
        if (!isEnded && row.Read().Offer.Program.Removal is null)
            return new HashSet<long>();
        var removing = (await transaction.Connection!.QueryAsync<long>(
            """
            select s.device_number from advertisement_state s join device d on d.number = s.device_number
            where s.advertisement_id = @AdvertisementId and d.state = 'approved' and (s.state in ('succeeded', 'pending-reboot', 'running') or s.run_number > 1) and s.revision < @told
              and not exists (select 1 from advertisement o join collection_member m on m.collection_id = o.collection_id
                              where o.ended_at is null and o.advertisement_id <> @AdvertisementId and o.package_id = @PackageId and o.program_key = @ProgramKey and m.device_number = s.device_number)
            """,
            // Of one that was ended to be kept, those that have not heard it yet still know the removal.
            new { row.AdvertisementId, row.PackageId, row.ProgramKey, told = isEnded && row.Read().Offer.Program.Removal is null ? row.Revision : long.MaxValue }, transaction)).ToHashSet();
        removing.IntersectWith(leaving);
        return removing;
    }

    /// <summary>The same of all that is offered to a collection.</summary>
    public static async Task<IReadOnlySet<long>> RemovalsAsync(DbTransaction transaction, long collectionId, IReadOnlyCollection<long> leaving)
    {
        var removing = new HashSet<long>();
        if (leaving.Count > 0)
        {
            foreach (var row in await OfferStore.RowsOfCollectionAsync(transaction, collectionId))
                removing.UnionWith(await RemovalsAsync(transaction, row, leaving));
        }
        return removing;
    }

    /// <summary>Whether something is offered to a collection that begins, or would, on who comes to it.</summary>
    public static async Task<bool> CarriesAsync(DbTransaction transaction, long collectionId, DateTimeOffset now) => await transaction.Connection!.ExecuteScalarAsync<long>(
        "select count(*) from advertisement where ended_at is null and state <> 'ended' and collection_id = @collectionId and (expires_at is null or expires_at > @now)", new { collectionId, now = now.ToUnixTimeSeconds() }, transaction) > 0;

    /// <summary>The same rule for a change of a collection, after its members were found anew.</summary>
    /// <exception cref="SiteException"><c>needs_confirmation</c>.</exception>
    public static async Task AskAsync(DbTransaction transaction, CollectionRow collection, IReadOnlyCollection<long> coming, IReadOnlyCollection<long> leaving, DateTimeOffset now)
    {
        if (coming.Count > AdvertisementCreate.Unasked && await CarriesAsync(transaction, collection.CollectionId, now))
            AskReach(coming.Count, collection.Name, "`capstan collection preview`");
        AskRemovals((await RemovalsAsync(transaction, collection.CollectionId, leaving)).Count, "`capstan collection preview`");
    }

    /// <exception cref="SiteException"><c>needs_confirmation</c>.</exception>
    public static void AskReach(int coming, string collection, string look)
    {
        if (coming > AdvertisementCreate.Unasked)
            throw new SiteException($"It would newly reach {coming} clients of {collection}, more than {AdvertisementCreate.Unasked}: look at them with {look}, then say --yes.", "needs_confirmation");
    }

    /// <exception cref="SiteException"><c>needs_confirmation</c>.</exception>
    public static void AskRemovals(int removing, string look)
    {
        if (removing > 0)
            throw new SiteException($"{(removing == 1 ? "1 client" : $"{removing} clients")} would remove what was installed, since it is offered there no more: look with {look}, then say --yes. `capstan advertisement remove ID --keep` ends an offer, and nothing is removed.", "needs_confirmation");
    }
}
