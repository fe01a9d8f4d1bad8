using System.Data.Common;
using Capstan.Site.Collections;
using Capstan.Site.Publish.Settings;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What is set for clients: for all, for a collection, for one.</summary>
internal sealed class ClientSettingStore(SiteDatabase database)
{
    public Task<IReadOnlyList<SettingRow>> SettingsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<SettingRow>>(
        async connection => [.. await connection.QueryAsync<SettingRow>(Settings)], cancellationToken);

    public static Task SetAsync(DbTransaction transaction, string scope, string name, string value, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into client_setting (scope, name, value, set_at) values (@scope, @name, @value, @now)
        on conflict (scope, name) do update set value = excluded.value, set_at = excluded.set_at
        """, new { scope, name, value, now = Times.Of(now) }, transaction);

    /// <summary>False when it was not set there.</summary>
    public static async Task<bool> ClearAsync(DbTransaction transaction, string scope, string name) => await transaction.Connection!.ExecuteAsync(
        "delete from client_setting where scope = @scope and name = @name", new { scope, name }, transaction) == 1;

    /// <summary>All that is set, with the collections that it is set for.</summary>
    public static async Task<SettingBook> BookAsync(DbConnection connection, DbTransaction? transaction) => new(
        [.. await connection.QueryAsync<SettingRow>(Settings, null, transaction)],
        [.. await connection.QueryAsync<string>($"select name from collection where 'collection:' || name in (select scope from client_setting) order by {CollectionStore.WeakestFirst}", null, transaction)]);

    private const string Settings = "select scope, name, value, set_at from client_setting order by name, scope";
}
