using System.Data.Common;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Who changed what, and whether it was done.</summary>
internal sealed class AuditStore(SiteDatabase database)
{
    /// <summary>Rows kept; the oldest go first. By number, as status messages.</summary>
    public const int MaxRows = 100_000;

    public Task AddAsync(string actor, string address, string action, string? subject, int outcome, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
            """
            insert into audit (id, at, actor, address, action, subject, outcome)
            select coalesce(max(id), 0) + 1, @now, @actor, @address, @action, @subject, @outcome from audit
            """, new { actor, address, action, subject, outcome, now = Times.Of(now) }, transaction), cancellationToken);

    /// <summary>Newest first.</summary>
    /// <param name="before">Only rows with a smaller id; null for the newest.</param>
    public Task<IReadOnlyList<AuditRow>> ListAsync(long? before, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AuditRow>>(
        async connection => [.. (await connection.QueryAsync<Row>(
            "select id, at, actor, address, action, subject, outcome from audit where @before is null or id < @before order by id desc limit @limit", new { before, limit }))
            .Select(row => new AuditRow(row.Id, Times.At(row.At), row.Actor, row.Address, row.Action, row.Subject, (int)row.Outcome))], cancellationToken);

    public static Task<int> PruneAsync(DbTransaction transaction, int keep = MaxRows) => transaction.Connection!.ExecuteAsync(
        "delete from audit where id <= (select coalesce(max(id), 0) - @keep from audit)", new { keep }, transaction);

    private sealed record Row(long Id, long At, string Actor, string Address, string Action, string? Subject, long Outcome);
}
