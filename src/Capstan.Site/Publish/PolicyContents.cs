using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Publish;

/// <summary>What a policy says beside its device's identity.</summary>
internal sealed record PolicyContent(IReadOnlyList<PolicySetting> Settings)
{
    public static readonly PolicyContent Nothing = new([]);
}

/// <summary>Compiles settings into the policies of devices, and knows whose policy that changes.</summary>
internal static class PolicyContents
{
    /// <summary>Of more devices, all are looked at: one statement over everybody is then cheaper than a long list of numbers.</summary>
    private const int Few = 500;

    /// <summary>Puts the policies of approved devices on the list to publish for which something else holds than what was signed.</summary>
    /// <param name="devices">Numbers of those that may be concerned; null for all.</param>
    /// <returns>How many.</returns>
    public static async Task<int> SettleAsync(DbTransaction transaction, IReadOnlyCollection<long>? devices = null)
    {
        var signed = await transaction.Connection!.QueryAsync<(long Number, string DeviceId, string Settings)>(
            $"select number, device_id, settings from device where state = 'approved'{Only(devices, "number")}", new { devices }, transaction);
        var contents = await CompileAsync(transaction, devices);
        var changed = 0;
        foreach (var (number, deviceId, settings) in signed.ToList())
        {
            if (Write(contents.Of(number, deviceId).Settings) != settings)
                changed += await transaction.RunAsync("update device set policy_pending = 1 where number = @number", ("@number", number));
        }
        return changed;
    }

    /// <summary>What the policies that wait to be signed say, by device number; notes it with each device.</summary>
    public static async Task<IReadOnlyDictionary<long, PolicyContent>> ForPendingAsync(DbTransaction transaction, IReadOnlyList<DeviceRow> pending)
    {
        var result = new Dictionary<long, PolicyContent>();
        if (pending.Count == 0)
            return result;
        var contents = await CompileAsync(transaction, [.. pending.Select(device => device.Number)]);
        foreach (var device in pending)
        {
            var content = result[device.Number] = contents.Of(device.Number, device.DeviceId);
            await transaction.RunAsync("update device set settings = @settings where number = @number and settings <> @settings", ("@settings", Write(content.Settings)), ("@number", device.Number));
        }
        return result;
    }

    /// <summary>What holds for one device now, be it signed or not.</summary>
    public static async Task<PolicyContent> OfAsync(DbConnection connection, long number, string deviceId) => (await CompileAsync(connection, null, [number])).Of(number, deviceId);

    public static IReadOnlyList<PolicySetting> ReadSettings(string json) => json == "[]" ? [] : JsonSerializer.Deserialize(json, StoreJson.Default.IReadOnlyListPolicySetting) ?? [];

    private static Task<Compiled> CompileAsync(DbTransaction transaction, IReadOnlyCollection<long>? devices) => CompileAsync(transaction.Connection!, transaction, devices);

    private static async Task<Compiled> CompileAsync(DbConnection connection, DbTransaction? transaction, IReadOnlyCollection<long>? devices)
    {
        var book = await ClientSettingStore.BookAsync(connection, transaction);
        // Of membership only what something is set for.
        var collections = (await connection.QueryAsync<(long Number, string Name)>(
            $"""
            select m.device_number, c.name from collection c join collection_member m on m.collection_id = c.collection_id
            where 'collection:' || c.name in (select scope from client_setting){Only(devices, "m.device_number")}
            """, new { devices }, transaction)).ToLookup(row => row.Number, row => row.Name);
        return new Compiled(book, collections);
    }

    private static string Only(IReadOnlyCollection<long>? devices, string column) => devices is { Count: <= Few } ? $" and {column} in @devices" : "";

    private static string Write(IReadOnlyList<PolicySetting> settings) => JsonSerializer.Serialize(settings, StoreJson.Default.IReadOnlyListPolicySetting);

    private sealed record Compiled(Settings.SettingBook Book, ILookup<long, string> Collections)
    {
        public PolicyContent Of(long number, string deviceId) => new(Book.Resolve(deviceId, [.. Collections[number]]));
    }
}
