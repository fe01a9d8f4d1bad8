using System.Data.Common;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>One row to be written.</summary>
/// <param name="Outcome">HTTP status, or <see cref="AuditStore.Begun"/>.</param>
internal sealed record AuditEntry(string Actor, string Address, string Action, string? Subject, int Outcome);

/// <summary>Who changed what, and whether it was done.</summary>
/// <remarks>What was done and what was refused are limited apart, so that whoever has many requests refused takes nothing away of what was done.</remarks>
internal sealed class AuditStore(SiteDatabase database)
{
    /// <summary>Outcome of a change that has begun. Stays when its end is not known: the caller hung up, or the site was killed.</summary>
    public const int Begun = 0;

    /// <summary>How many changes are kept, however old.</summary>
    public const int LeastDone = 100_000;

    /// <summary>How many refusals are kept; the oldest go first.</summary>
    public const int MostRefused = 10_000;

    /// <summary>How long changes beyond <see cref="LeastDone"/> are kept. A clock that jumps takes none of the others.</summary>
    public static readonly TimeSpan DoneFor = TimeSpan.FromDays(400);

    private const int MaxChars = 500;

    /// <returns>The number of the row.</returns>
    public static Task<long> AddAsync(DbTransaction transaction, AuditEntry entry, DateTimeOffset now) => transaction.Connection!.ExecuteScalarAsync<long>(
        """
        insert into audit (id, at, actor, address, action, subject, outcome)
        select coalesce(max(id), 0) + 1, @now, @Actor, @Address, @action, @subject, @Outcome from audit
        returning id
        """, new { entry.Actor, entry.Address, action = Clip(entry.Action), subject = Clip(entry.Subject), entry.Outcome, now = Times.Of(now) }, transaction);

    public static Task EndAsync(DbTransaction transaction, long id, string? subject, int outcome) => transaction.Connection!.ExecuteAsync(
        "update audit set subject = @subject, outcome = @outcome where id = @id", new { id, subject = Clip(subject), outcome }, transaction);

    /// <summary>Newest first.</summary>
    /// <param name="before">Only rows with a smaller id; null for the newest.</param>
    public Task<IReadOnlyList<AuditRow>> ListAsync(long? before, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AuditRow>>(
        async connection => [.. (await connection.QueryAsync<Row>(
            "select id, at, actor, address, action, subject, outcome from audit where @before is null or id < @before order by id desc limit @limit", new { before, limit }))
            .Select(row => new AuditRow(row.Id, Times.At(row.At), row.Actor, row.Address, row.Action, row.Subject, (int)row.Outcome))], cancellationToken);

    public static async Task PruneAsync(DbTransaction transaction, DateTimeOffset now, int leastDone = LeastDone, int mostRefused = MostRefused)
    {
        await transaction.Connection!.ExecuteAsync(
            """
            delete from audit where outcome >= 400
                and id <= (select id from audit where outcome >= 400 order by id desc limit 1 offset @mostRefused)
            """, new { mostRefused }, transaction);
        await transaction.Connection!.ExecuteAsync(
            """
            delete from audit where outcome < 400 and at < @before
                and id <= (select id from audit where outcome < 400 order by id desc limit 1 offset @leastDone)
            """, new { before = Times.Of(now - DoneFor), leastDone }, transaction);
    }

    private static string? Clip(string? text) => text is { Length: > MaxChars } ? text[..MaxChars] : text;

    private sealed record Row(long Id, long At, string Actor, string Address, string Action, string? Subject, long Outcome);
}
