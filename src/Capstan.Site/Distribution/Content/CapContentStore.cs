using Capstan.Protocol.Content;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Content;

/// <summary>How the packs of one CAP are.</summary>
/// <param name="Packs">That it should have.</param>
/// <param name="MissingPacks">Of those, what it lacked when it was last looked at.</param>
/// <param name="LookedAt">Unix milliseconds; null before the first look.</param>
internal sealed record CapContentRow(string Cap, long Packs, long MissingPacks, long MissingBytes, long? LookedAt, long Failures, long? FailingSince, long? NextTry, string? ErrorCode, string? LastError);

/// <summary>What the writing of packs to each CAP has come to.</summary>
internal sealed class CapContentStore(SiteDatabase database)
{
    /// <summary>How long a pack stays that no row of the site knows: clients may be reading what a site published that was restored since.</summary>
    public static readonly TimeSpan StrayGrace = TimeSpan.FromDays(30);

    private const int MostStrays = 10_000;

    public Task<IReadOnlyList<CapContentRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<CapContentRow>>(async connection =>
        [.. await connection.QueryAsync<CapContentRow>(
            "select cap, packs, missing_packs, missing_bytes, looked_at, failures, failing_since, next_try, error_code, last_error from cap_content")], cancellationToken);

    /// <summary>A look succeeded.</summary>
    public Task LookedAsync(string cap, long packs, long missingPacks, long missingBytes, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
        """
        insert into cap_content (cap, packs, missing_packs, missing_bytes, looked_at) values (@cap, @packs, @missingPacks, @missingBytes, @now)
        on conflict (cap) do update set packs = excluded.packs, missing_packs = excluded.missing_packs, missing_bytes = excluded.missing_bytes, looked_at = excluded.looked_at,
            failures = 0, failing_since = null, next_try = null, error_code = null, last_error = null
        """, new { cap, packs, missingPacks, missingBytes, now = Times.Of(now) }, transaction), cancellationToken);

    public Task FailedAsync(string cap, string code, string error, DateTimeOffset now, DateTimeOffset nextTry, CancellationToken cancellationToken) => database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
        """
        insert into cap_content (cap, failures, failing_since, next_try, error_code, last_error) values (@cap, 1, @now, @nextTry, @code, @error)
        on conflict (cap) do update set failures = cap_content.failures + 1, failing_since = coalesce(cap_content.failing_since, excluded.failing_since), next_try = excluded.next_try,
            error_code = excluded.error_code, last_error = excluded.last_error
        """, new { cap, code, error, now = Times.Of(now), nextTry = Times.Of(nextTry) }, transaction), cancellationToken);

    /// <summary>Forgets CAPs that are not on the list any more.</summary>
    public Task PruneAsync(CancellationToken cancellationToken) => database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
        "delete from cap_content where cap not in (select path from cap); delete from cap_stray where cap not in (select path from cap)", null, transaction), cancellationToken);

    /// <summary>Notes what lies on a CAP and no row of the site knows: after a restore, what was published since the backup.</summary>
    /// <param name="seen">All of it, in any order; of very many, the rest is noted later.</param>
    /// <returns>Those that have lain there for <see cref="StrayGrace"/>.</returns>
    public async Task<IReadOnlyList<ContentHash>> StraysAsync(string cap, IEnumerable<ContentHash> seen, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var names = seen.Take(MostStrays).Select(pack => pack.ToString()).ToHashSet(StringComparer.Ordinal);
        var known = await database.ReadAsync(async connection => (await connection.QueryAsync<(string Pack, long Since)>("select pack, since from cap_stray where cap = @cap", new { cap })).ToList(), cancellationToken);
        var (gone, come) = (known.Where(row => !names.Contains(row.Pack)).Select(row => new { cap, pack = row.Pack }).ToList(),
            names.Except(known.Select(row => row.Pack), StringComparer.Ordinal).Select(pack => new { cap, pack, since = Times.Of(now) }).ToList());
        if (gone.Count + come.Count > 0)
            await database.WriteAsync(async transaction =>
            {
                await transaction.Connection!.ExecuteAsync("delete from cap_stray where cap = @cap and pack = @pack", gone, transaction);
                return await transaction.Connection!.ExecuteAsync("insert into cap_stray (cap, pack, since) values (@cap, @pack, @since) on conflict (cap, pack) do nothing", come, transaction);
            }, cancellationToken);
        var before = Times.Of(now - StrayGrace);
        return [.. known.Where(row => row.Since < before && names.Contains(row.Pack)).Select(row => ContentHash.Parse(row.Pack))];
    }

    public Task ForgetStraysAsync(string cap, IReadOnlyList<ContentHash> packs, CancellationToken cancellationToken) => packs.Count == 0 ? Task.CompletedTask : database.WriteAsync(transaction =>
        transaction.Connection!.ExecuteAsync("delete from cap_stray where cap = @cap and pack = @pack", packs.Select(pack => new { cap, pack = pack.ToString() }), transaction), cancellationToken);
}
