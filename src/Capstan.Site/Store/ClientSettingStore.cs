using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Publish.Settings;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Settings of clients, groups, and what the signed policy of each device sets.</summary>
internal sealed class ClientSettingStore(SiteDatabase database)
{
    public async Task<SettingBook> BookAsync(CancellationToken cancellationToken) => await database.ReadAsync(connection => BookAsync(connection, null), cancellationToken);

    public static Task<SettingBook> BookAsync(DbTransaction transaction) => BookAsync(transaction.Connection!, transaction);

    public Task<IReadOnlyList<SettingRow>> SettingsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<SettingRow>>(
        async connection => [.. await connection.QueryAsync<SettingRow>(Settings)], cancellationToken);

    public Task<IReadOnlyList<GroupRow>> GroupsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<GroupRow>>(
        async connection => [.. await connection.QueryAsync<GroupRow>(Groups)], cancellationToken);

    public static Task SetAsync(DbTransaction transaction, string scope, string name, string value, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into client_setting (scope, name, value, set_at) values (@scope, @name, @value, @now)
        on conflict (scope, name) do update set value = excluded.value, set_at = excluded.set_at
        """, new { scope, name, value, now = Times.Of(now) }, transaction);

    /// <summary>False when it was not set there.</summary>
    public static async Task<bool> ClearAsync(DbTransaction transaction, string scope, string name) => await transaction.Connection!.ExecuteAsync(
        "delete from client_setting where scope = @scope and name = @name", new { scope, name }, transaction) == 1;

    public static Task SaveGroupAsync(DbTransaction transaction, string name, long priority, string? rule, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into client_group (name, priority, rule, added_at) values (@name, @priority, @rule, @now)
        on conflict (name) do update set priority = excluded.priority, rule = excluded.rule
        """, new { name, priority, rule, now = Times.Of(now) }, transaction);

    public static async Task<GroupRow?> FindGroupAsync(DbTransaction transaction, string name) =>
        (await transaction.Connection!.QueryAsync<GroupRow>(Groups, null, transaction)).FirstOrDefault(group => group.Name == name);

    public static Task<int> CountGroupsAsync(DbTransaction transaction) => transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from client_group", null, transaction);

    /// <summary>Takes a group away with its members and all that is set for it.</summary>
    public static async Task RemoveGroupAsync(DbTransaction transaction, string name)
    {
        await transaction.Connection!.ExecuteAsync("delete from client_setting where scope = @scope", new { scope = SettingScope.OfGroup(name) }, transaction);
        await transaction.Connection!.ExecuteAsync("delete from client_group_member where group_name = @name", new { name }, transaction);
        await transaction.Connection!.ExecuteAsync("delete from client_group where name = @name", new { name }, transaction);
    }

    public static Task AddMemberAsync(DbTransaction transaction, string group, string deviceId) => transaction.Connection!.ExecuteAsync(
        "insert into client_group_member (group_name, device_id) values (@group, @deviceId) on conflict (group_name, device_id) do nothing", new { group, deviceId }, transaction);

    /// <summary>False when it was none by name.</summary>
    public static async Task<bool> DropMemberAsync(DbTransaction transaction, string group, string deviceId) => await transaction.Connection!.ExecuteAsync(
        "delete from client_group_member where group_name = @group and device_id = @deviceId", new { group, deviceId }, transaction) == 1;

    /// <summary>What rules look at, of all approved devices.</summary>
    public Task<IReadOnlyList<GroupFacts>> DevicesAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<GroupFacts>>(
        async connection => [.. await connection.QueryAsync<GroupFacts>(Facts + " where state = 'approved' order by lower(host_name), device_id")], cancellationToken);

    public Task<GroupFacts?> DeviceAsync(string deviceId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<GroupFacts>(Facts + " where device_id = @deviceId", new { deviceId }), cancellationToken);

    /// <summary>What the policies that wait to be signed set, by device; notes it with each device.</summary>
    public static async Task<IReadOnlyDictionary<string, IReadOnlyList<PolicySetting>>> ForPoliciesAsync(DbTransaction transaction)
    {
        var book = await BookAsync(transaction);
        var result = new Dictionary<string, IReadOnlyList<PolicySetting>>(StringComparer.Ordinal);
        foreach (var device in await transaction.Connection!.QueryAsync<GroupFacts>(Facts + " where policy_pending = 1", null, transaction))
        {
            var settings = book.Resolve(device);
            result[device.DeviceId] = settings;
            await transaction.RunAsync("update device set settings = @settings where device_id = @deviceId and settings <> @settings", ("@settings", Write(settings)), ("@deviceId", device.DeviceId));
        }
        return result;
    }

    /// <summary>Puts the policies of approved devices on the list to publish for which something else is set now.</summary>
    /// <returns>How many.</returns>
    public static async Task<int> SettleAsync(DbTransaction transaction)
    {
        var book = await BookAsync(transaction);
        var changed = 0;
        foreach (var device in (await transaction.Connection!.QueryAsync<(string, string, string?, string?, string?, string)>(
            "select device_id, host_name, operating_system, model, token_label, settings from device where state = 'approved'", null, transaction)).ToList())
        {
            var (id, host, system, model, token, known) = device;
            if (Write(book.Resolve(new GroupFacts(id, host, system, model, token))) != known)
                changed += await transaction.RunAsync("update device set policy_pending = 1 where device_id = @deviceId", ("@deviceId", id));
        }
        return changed;
    }

    public static IReadOnlyList<PolicySetting> Read(string json) => json == "[]" ? [] : JsonSerializer.Deserialize(json, StoreJson.Default.IReadOnlyListPolicySetting) ?? [];

    private const string Settings = "select scope, name, value, set_at from client_setting order by name, scope";
    private const string Groups = "select name, priority, rule, added_at from client_group order by priority desc, name desc";
    private const string Facts = "select device_id, host_name, operating_system as system, model, token_label as token from device";

    private static string Write(IReadOnlyList<PolicySetting> settings) => JsonSerializer.Serialize(settings, StoreJson.Default.IReadOnlyListPolicySetting);

    private static async Task<SettingBook> BookAsync(DbConnection connection, DbTransaction? transaction) => new(
        [.. await connection.QueryAsync<SettingRow>(Settings, null, transaction)],
        [.. await connection.QueryAsync<GroupRow>(Groups, null, transaction)],
        [.. await connection.QueryAsync<(string, string)>("select group_name, device_id from client_group_member", null, transaction)]);
}
