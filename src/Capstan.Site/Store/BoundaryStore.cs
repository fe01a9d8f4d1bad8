using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <param name="Cap">Path of a CAP; empty for the whole site.</param>
internal sealed record BoundaryRecord(string Cap, string Range, long AddedAt);

/// <summary>Boundaries of the site and of its CAPs.</summary>
internal sealed class BoundaryStore(SiteDatabase database)
{
    private const string All = "select cap, range, added_at from boundary order by cap, range";

    public Task<IReadOnlyList<BoundaryRecord>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<BoundaryRecord>>(
        async connection => [.. await connection.QueryAsync<BoundaryRecord>(All)], cancellationToken);

    public static async Task<IReadOnlyList<BoundaryRecord>> ListAsync(DbTransaction transaction) => [.. await transaction.Connection!.QueryAsync<BoundaryRecord>(All, null, transaction)];

    public static Task AddAsync(DbTransaction transaction, string cap, string range, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "insert into boundary (cap, range, added_at) values (@cap, @range, @now) on conflict (cap, range) do nothing", new { cap, range, now = Times.Of(now) }, transaction);

    /// <summary>False when it was not there.</summary>
    public static async Task<bool> RemoveAsync(DbTransaction transaction, string cap, string range) =>
        await transaction.Connection!.ExecuteAsync("delete from boundary where cap = @cap and range = @range", new { cap, range }, transaction) == 1;

    public static Task RemoveCapAsync(DbTransaction transaction, string cap) => transaction.Connection!.ExecuteAsync("delete from boundary where cap = @cap", new { cap }, transaction);
}
