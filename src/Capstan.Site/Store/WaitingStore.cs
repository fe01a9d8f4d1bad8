using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Since when an upload waits in an inbox, by the site's clock: a storage's own times are not trusted.</summary>
internal sealed class WaitingStore(SiteDatabase database)
{
    public Task<IReadOnlyList<(string FileName, long Since)>> ListAsync(string cap, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<(string, long)>>(
        async connection => [.. await connection.QueryAsync<(string, long)>("select file_name, since from waiting where cap = @cap", new { cap })], cancellationToken);

    public static Task AddAsync(DbTransaction transaction, string cap, string fileName, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "insert into waiting (cap, file_name, since) values (@cap, @fileName, @now) on conflict (cap, file_name) do nothing",
        new { cap, fileName, now = Times.Of(now) }, transaction);

    /// <summary>Nothing waits since a moment that is still to come: the clock was wrong then.</summary>
    public static Task ClampAsync(DbTransaction transaction, string cap, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "update waiting set since = @now where cap = @cap and since > @now", new { cap, now = Times.Of(now) }, transaction);

    public static Task RemoveAsync(DbTransaction transaction, string cap, string fileName) => transaction.Connection!.ExecuteAsync(
        "delete from waiting where cap = @cap and file_name = @fileName", new { cap, fileName }, transaction);
}
