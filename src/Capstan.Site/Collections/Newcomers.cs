using System.Data.Common;
using Capstan.Site.Distribution.Offers;
using Dapper;

namespace Capstan.Site.Collections;

/// <summary>Makes devices of which nothing was known yet members of all collections that have them, in one transaction with their facts: whoever has facts has been evaluated. Else the first policy of a client would be that of no collection.</summary>
internal static class Newcomers
{
    /// <summary>Brings devices up to date, at most <see cref="DeviceFacts.Page"/>, and evaluates those that are new.</summary>
    /// <param name="only">Numbers of devices, at most as many; null for any.</param>
    public static async Task<(int Changed, IReadOnlyList<long> New)> JoinAsync(DbTransaction transaction, DateTimeOffset now, IReadOnlyCollection<long>? only = null)
    {
        var (changed, added) = await DeviceFacts.RefreshAsync(transaction, only);
        if (added.Count == 0)
            return (changed, added);
        var connection = transaction.Connection!;
        var told = await CollectionStore.ReadUntilAsync(connection, transaction, now);
        var some = added.ToHashSet();
        foreach (var row in await CollectionStore.AllAsync(connection, transaction))
        {
            var named = await CollectionStore.StaticAsync(connection, transaction, row.CollectionId);
            var members = await connection.QueryAsync<long>("select device_number from collection_member where collection_id = @CollectionId and device_number in @added", new { row.CollectionId, added }, transaction);
            IReadOnlySet<long> selected = new HashSet<long>();
            try
            {
                if (row.Query is not null)
                    selected = await CollectionStore.SelectAsync(connection, transaction, QuerySql.Compile(QueryParser.Parse(row.Query)), told, added);
            }
            catch (QueryException)
            {
                // The evaluation of the collection says why; nobody new is a member by what cannot be read.
                selected = new HashSet<long>();
            }
            var joined = new List<long>();
            foreach (var number in some)
            {
                var why = (named.Contains(number) ? MemberWhy.Name : MemberWhy.None) | (selected.Contains(number) ? MemberWhy.Query : MemberWhy.None);
                if (why == MemberWhy.None)
                    continue;
                await CollectionStore.SaveMemberAsync(transaction, row.CollectionId, number, why);
                joined.Add(number);
            }
            // One that is named may be a member already.
            var came = joined.Except(members).ToList();
            if (came.Count == 0)
                continue;
            await OfferCounts.MovedAsync(transaction, row.CollectionId, came, []);
            await CollectionStore.CountedAsync(transaction, row.CollectionId);
        }
        return (changed, added);
    }
}
