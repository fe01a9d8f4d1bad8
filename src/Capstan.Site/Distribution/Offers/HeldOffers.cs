using System.Collections.Frozen;
using System.Data.Common;
using System.Text;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Advertisements whose content is on no CAP yet. What is signed of them stays as it is until then: nothing, or the revision before, with the version that is there.</summary>
internal static class HeldOffers
{
    private static readonly FrozenSet<string> s_none = FrozenSet<string>.Empty;

    /// <summary>Ids of active ones. A halt waits for nothing.</summary>
    public static async Task<IReadOnlySet<string>> OfAsync(DbConnection connection, DbTransaction? transaction)
    {
        var waiting = (await connection.QueryAsync<(string PackageId, long Version)>("select package_id, version from content_waiting", null, transaction)).ToHashSet();
        return waiting.Count == 0
            ? s_none
            : (await connection.QueryAsync<(string Id, string Document)>("select advertisement_id, document from advertisement where ended_at is null and state = @active", new { active = Advertisement.Active }, transaction))
                .Where(row => Documents.Advertisement.Decode(Encoding.UTF8.GetBytes(row.Document)).Offer.Chain().Any(step => waiting.Contains((step.PackageId, step.PackageVersion)))).Select(row => row.Id).ToHashSet(StringComparer.Ordinal);
    }
}
