using System.Data.Common;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What was refused, where it came from and why. One row per file of a CAP.</summary>
internal sealed class QuarantineStore(SiteDatabase database)
{
    /// <summary>Rows kept; the oldest go first.</summary>
    public const int MaxRows = 10_000;

    public static async Task AddAsync(DbTransaction transaction, string cap, string fileName, string reason, string detail, long lengthBytes, string? keptAs, DateTimeOffset now)
    {
        await transaction.Connection!.ExecuteAsync(
            """
            insert into quarantine (id, cap, file_name, reason, detail, length_bytes, at, kept_as)
            select coalesce(max(id), 0) + 1, @cap, @fileName, @reason, @detail, @lengthBytes, @now, @keptAs from quarantine
            where true
            on conflict (cap, file_name) do update set reason = excluded.reason, detail = excluded.detail, length_bytes = excluded.length_bytes,
                                                        at = excluded.at, kept_as = excluded.kept_as
            """, new { cap, fileName, reason, detail, lengthBytes, keptAs, now = Times.Of(now) }, transaction);
    }

    public static Task<int> PruneAsync(DbTransaction transaction) => transaction.Connection!.ExecuteAsync(
        "delete from quarantine where id <= (select coalesce(max(id), 0) - @MaxRows from quarantine)", new { MaxRows }, transaction);

    /// <summary>Says that the file itself is gone, for want of room.</summary>
    public static Task DroppedAsync(DbTransaction transaction, string keptAs) =>
        transaction.Connection!.ExecuteAsync("update quarantine set kept_as = null where kept_as = @keptAs", new { keptAs }, transaction);

    public Task<int> CountAsync(CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.ExecuteScalarAsync<int>("select count(*) from quarantine"), cancellationToken);

    /// <summary>Newest first.</summary>
    public Task<IReadOnlyList<QuarantineRow>> ListAsync(long? before, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<QuarantineRow>>(
        async connection => [.. (await connection.QueryAsync<Row>(
            """
            select id, cap, file_name, reason, detail, length_bytes, at from quarantine
            where @before is null or id < @before order by id desc limit @limit
            """, new { before, limit })).Select(row => new QuarantineRow(row.Id, row.Cap, row.FileName, row.Reason, row.Detail, row.LengthBytes, Times.At(row.At)))], cancellationToken);

    private sealed record Row(long Id, string Cap, string FileName, string Reason, string Detail, long LengthBytes, long At);
}
