using System.Data.Common;
using Capstan.Site.Api;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Figures of advertisements, kept by differences: whoever changes a report, a membership or an advertisement changes them in the same transaction, and nobody counts a fleet to show a list.</summary>
internal sealed class OfferCounts(SiteDatabase database)
{
    private const int Chunk = 500;

    /// <summary>A device that may have advertisements in its policy that it has not reported, and which has said that it has that policy. One whose policy is about to change may have left.</summary>
    private const string Behind = "d.offers_behind = 1 and d.state = 'approved' and d.policy_pending = 0 and d.policy_version >= d.policy_signed_version";

    /// <summary>Adds a difference. Nothing is written for none.</summary>
    public static async Task AddAsync(DbTransaction transaction, string id, OfferTally by)
    {
        if (by == default)
            return;
        await transaction.RunAsync(
            """
            update advertisement_count set reported = reported + @reported, has_content = has_content + @content, ran = ran + @ran, succeeded = succeeded + @succeeded, failed = failed + @failed,
                running = running + @running, waiting = waiting + @waiting, ended_since = ended_since + @endedSince, failed_since = failed_since + @failedSince
            where advertisement_id = @id
            """,
            ("@reported", by.Reported), ("@content", by.HasContent), ("@ran", by.Ran), ("@succeeded", by.Succeeded), ("@failed", by.Failed), ("@running", by.Running), ("@waiting", by.Waiting),
            ("@endedSince", by.EndedSince), ("@failedSince", by.FailedSince), ("@id", id));
    }

    /// <summary>Counts one from its rows: after it was made, offered to another collection, or counts from another time on.</summary>
    public static Task RecountAsync(DbTransaction transaction, string id) => transaction.Connection!.ExecuteAsync(
        """
        insert into advertisement_count (advertisement_id, reported, has_content, ran, succeeded, failed, running, waiting, ended_since, failed_since)
        select @id, count(s.device_number), count(s.at_content), count(s.at_run),
               coalesce(sum(case when s.state in ('succeeded', 'pending-reboot') then 1 else 0 end), 0), coalesce(sum(case when s.state in ('failed', 'unknown') then 1 else 0 end), 0),
               coalesce(sum(case when s.state = 'running' then 1 else 0 end), 0), coalesce(sum(case when s.state in ('received', 'waiting', 'downloading', 'ready') then 1 else 0 end), 0),
               coalesce(sum(case when s.heard_end >= a.counts_from then 1 else 0 end), 0), coalesce(sum(case when s.heard_end >= a.counts_from and s.state in ('failed', 'unknown') then 1 else 0 end), 0)
        from advertisement a
        join advertisement_state s on s.advertisement_id = a.advertisement_id
        join collection_member m on m.collection_id = a.collection_id and m.device_number = s.device_number
        where a.advertisement_id = @id
        on conflict (advertisement_id) do update set reported = excluded.reported, has_content = excluded.has_content, ran = excluded.ran, succeeded = excluded.succeeded, failed = excluded.failed,
            running = excluded.running, waiting = excluded.waiting, ended_since = excluded.ended_since, failed_since = excluded.failed_since
        """, new { id }, transaction);

    /// <summary>Takes in who came to a collection or left it.</summary>
    public static async Task MovedAsync(DbTransaction transaction, long collection, IReadOnlyCollection<long> came, IReadOnlyCollection<long> left)
    {
        var connection = transaction.Connection!;
        var offered = (await connection.QueryAsync<(string Id, long CountsFrom)>("select advertisement_id, counts_from from advertisement where collection_id = @collection and ended_at is null", new { collection }, transaction))
            .ToDictionary(row => row.Id, row => row.CountsFrom, StringComparer.Ordinal);
        if (offered.Count == 0)
            return;
        var moved = new Dictionary<string, OfferTally>(StringComparer.Ordinal);
        foreach (var (numbers, isMember) in new[] { (came, true), (left, false) })
        {
            foreach (var chunk in numbers.Chunk(Chunk))
            {
                foreach (var row in await connection.QueryAsync<StateRow>($"select {StateRow.Columns} from advertisement_state where device_number in @chunk", new { chunk }, transaction))
                {
                    if (offered.TryGetValue(row.AdvertisementId, out var countsFrom))
                        moved[row.AdvertisementId] = moved.GetValueOrDefault(row.AdvertisementId) + (isMember ? OfferTally.Of(row, countsFrom) : -OfferTally.Of(row, countsFrom));
                }
            }
        }
        foreach (var (id, by) in moved)
            await AddAsync(transaction, id, by);
    }

    /// <summary>Active advertisements with a limit of failures that may have been reached.</summary>
    public Task<IReadOnlyList<string>> FailingAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<string>>(
        async connection => [.. await connection.QueryAsync<string>(
            """
            select a.advertisement_id from advertisement a join advertisement_count n on n.advertisement_id = a.advertisement_id
            where a.ended_at is null and a.state = 'active' and a.halt_at is not null and n.failed_since >= @least and n.failed_since * 100 >= a.halt_at * n.ended_since
            """, new { least = HaltRule.LeastFailures })], cancellationToken);

    /// <summary>How many have ended since one counts, and how many of them not well.</summary>
    public static Task<(int Ended, int Failed)> EndedSinceAsync(DbTransaction transaction, string id) =>
        transaction.Connection!.QuerySingleAsync<(int, int)>("select ended_since, failed_since from advertisement_count where advertisement_id = @id", new { id }, transaction);

    /// <summary>Figures of one advertisement, or of all that were not removed.</summary>
    public Task<IReadOnlyDictionary<string, AdvertisementFunnel>> FunnelsAsync(string? id, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyDictionary<string, AdvertisementFunnel>>(async connection =>
    {
        var silent = await SilentAsync(connection);
        return (await connection.QueryAsync<CountRow>(
            """
            select a.advertisement_id, c.members as targeted, n.reported, n.has_content, n.ran, n.succeeded, n.failed, n.running, n.waiting
            from advertisement a join collection c on c.collection_id = a.collection_id join advertisement_count n on n.advertisement_id = a.advertisement_id
            where a.ended_at is null and (@id is null or a.advertisement_id = @id)
            """, new { id })).ToDictionary(row => row.AdvertisementId, row => row.ToFunnel(silent.GetValueOrDefault(row.AdvertisementId)), StringComparer.Ordinal);
    }, cancellationToken);

    /// <summary>How many have an advertisement by their policy and have reported nothing of it. Devices that have reported all are not looked at.</summary>
    private static async Task<Dictionary<string, int>> SilentAsync(DbConnection connection)
    {
        var silent = new Dictionary<string, int>(StringComparer.Ordinal);
        // Many devices share one list.
        foreach (var (list, devices) in await connection.QueryAsync<(string, long)>($"select d.advertisements, count(*) from device d where {Behind} group by d.advertisements"))
        {
            foreach (var id in Publish.PolicyContents.ReadAdvertisements(list))
                silent[id] = silent.GetValueOrDefault(id) + (int)devices;
        }
        if (silent.Count > 0)
        {
            foreach (var (id, devices) in await connection.QueryAsync<(string, long)>(
                $"""
                select s.advertisement_id, count(*) from device d join advertisement_state s on s.device_number = d.number
                where {Behind} and d.advertisements like '%"' || s.advertisement_id || '"%' group by s.advertisement_id
                """))
                silent[id] = silent.GetValueOrDefault(id) - (int)devices;
        }
        return silent;
    }

    private sealed record CountRow(string AdvertisementId, long Targeted, long Reported, long HasContent, long Ran, long Succeeded, long Failed, long Running, long Waiting)
    {
        public AdvertisementFunnel ToFunnel(int silent) => new((int)Targeted, (int)Reported + silent, (int)HasContent, (int)Ran, (int)Succeeded, (int)Failed, (int)Running, (int)Waiting);
    }
}
