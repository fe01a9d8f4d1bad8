using System.Data.Common;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Puts advertisements into what is signed: those that changed, and takes away those that were removed. An edit signs one target.</summary>
internal static class OfferTargets
{
    private const string Prefix = TufRole.Packages + "/adv-";

    /// <summary>Within the transaction that signs.</summary>
    public static async Task SetAsync(DbTransaction transaction, TufRepository repository)
    {
        var listed = repository.TargetsOf(TufRole.Packages).Where(path => path.StartsWith(Prefix, StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        var held = await HeldOffers.OfAsync(transaction.Connection!, transaction);
        foreach (var (id, pending) in (await transaction.Connection!.QueryAsync<(string, long)>("select advertisement_id, pending from advertisement where ended_at is null", null, transaction)).ToList())
        {
            var path = Layout.AdvertisementTarget(id);
            // One that waits for nothing and is missing all the same was lost with the state of an older copy.
            if (held.Contains(id))
                listed.Remove(path);
            else if (!listed.Remove(path) || pending != 0)
                repository.SetTarget(path, Encoding.UTF8.GetBytes((await transaction.Connection!.QuerySingleAsync<string>("select document from advertisement where advertisement_id = @id", new { id }, transaction))!));
        }
        foreach (var gone in listed)
            repository.RemoveTarget(gone);
        foreach (var id in (await transaction.Connection!.QueryAsync<string>("select advertisement_id from advertisement where pending = 1", null, transaction)).Where(id => !held.Contains(id)).ToList())
            await transaction.Connection!.ExecuteAsync("update advertisement set pending = 0 where advertisement_id = @id; insert into advertisement_signed (advertisement_id) values (@id) on conflict (advertisement_id) do nothing", new { id }, transaction);
    }
}
