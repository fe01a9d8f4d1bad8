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
        "delete from cap_content where cap not in (select path from cap)", null, transaction), cancellationToken);
}
