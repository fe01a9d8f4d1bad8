using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Publish;

/// <summary>What a policy says beside its device's identity.</summary>
/// <param name="Advertisements">Ids, in their order.</param>
internal sealed record PolicyContent(IReadOnlyList<PolicySetting> Settings, IReadOnlyList<string> Advertisements);

/// <summary>Compiles settings and advertisements into the policies of devices, and knows whose policy that changes.</summary>
internal static class PolicyContents
{
    /// <summary>Of more devices, all are looked at: one statement over everybody is then cheaper than a long list of numbers.</summary>
    private const int Few = 500;

    /// <summary>Puts the policies of approved devices on the list to publish for which something else holds than what was signed.</summary>
    /// <param name="devices">Numbers of those that may be concerned; null for all.</param>
    /// <returns>How many.</returns>
    public static async Task<int> SettleAsync(DbTransaction transaction, IReadOnlyCollection<long>? devices = null)
    {
        var signed = await transaction.Connection!.QueryAsync<(long Number, string DeviceId, string Settings, string Advertisements)>(
            $"select number, device_id, settings, advertisements from device where state = 'approved'{Only(devices, "number")}", new { devices }, transaction);
        var contents = await CompileAsync(transaction.Connection!, transaction, devices);
        var changed = 0;
        foreach (var (number, deviceId, settings, advertisements) in signed.ToList())
        {
            if (contents.Settings(number, deviceId) != settings || contents.Advertisements(number) != advertisements)
                changed += await transaction.RunAsync("update device set policy_pending = 1 where number = @number", ("@number", number));
        }
        return changed;
    }

    /// <summary>Puts the policies of devices on the list to publish that say something else for certain: nothing is compared. One that says the same in the end is not signed again.</summary>
    /// <returns>How many of them are approved.</returns>
    public static async Task<int> ChangedAsync(DbTransaction transaction, IEnumerable<long> devices)
    {
        var connection = transaction.Connection!;
        var asked = devices.ToHashSet();
        // Of many, two indexes say all: rows are long, and a list of numbers costs more than they do.
        var approved = (await connection.QueryAsync<long>($"select number from device where state = 'approved'{Only(asked, "number")}", new { devices = asked }, transaction)).Where(asked.Contains).ToList();
        var pending = (await connection.QueryAsync<long>($"select number from device where policy_pending = 1{Only(asked, "number")}", new { devices = asked }, transaction)).ToHashSet();
        // One that waits already is not written again: whoever makes 50 advertisements for 10,000 clients before the next pass would write each 50 times.
        foreach (var idle in approved.Where(number => !pending.Contains(number)).Order().Chunk(Few))
            await connection.ExecuteAsync("update device set policy_pending = 1 where number in @idle", new { idle }, transaction);
        return approved.Count;
    }

    /// <summary>What the policies that wait to be signed say, by device number; notes it with each device.</summary>
    public static async Task<IReadOnlyDictionary<long, PolicyContent>> ForPendingAsync(DbTransaction transaction, IReadOnlyList<DeviceRow> pending, DateTimeOffset now)
    {
        var result = new Dictionary<long, PolicyContent>();
        if (pending.Count == 0)
            return result;
        // Those that were approved this moment are in their collections from their first policy on.
        foreach (var some in pending.Select(device => device.Number).Chunk(DeviceFacts.Page))
            await Newcomers.JoinAsync(transaction, now, some);
        var contents = await CompileAsync(transaction.Connection!, transaction, [.. pending.Select(device => device.Number)]);
        foreach (var device in pending)
        {
            var (settings, advertisements) = (contents.Settings(device.Number, device.DeviceId), contents.Advertisements(device.Number));
            result[device.Number] = new PolicyContent(ReadSettings(settings), ReadAdvertisements(advertisements));
            await transaction.RunAsync("""
                update device set settings = @settings, advertisements = @advertisements, offers_behind = case when advertisements = @advertisements then offers_behind when @advertisements = '[]' then 0 else 1 end
                where number = @number and (settings <> @settings or advertisements <> @advertisements)
                """,
                ("@settings", settings), ("@advertisements", advertisements), ("@number", device.Number));
        }
        return result;
    }

    /// <summary>What holds for one device now, be it signed or not.</summary>
    public static async Task<PolicyContent> OfAsync(DbConnection connection, long number, string deviceId)
    {
        var contents = await CompileAsync(connection, null, [number]);
        return new PolicyContent(ReadSettings(contents.Settings(number, deviceId)), ReadAdvertisements(contents.Advertisements(number)));
    }

    public static IReadOnlyList<PolicySetting> ReadSettings(string json) => json == None ? [] : JsonSerializer.Deserialize(json, StoreJson.Default.IReadOnlyListPolicySetting) ?? [];

    public static IReadOnlyList<string> ReadAdvertisements(string json) => json == None ? [] : JsonSerializer.Deserialize(json, StoreJson.Default.IReadOnlyListString) ?? [];

    private const string None = "[]";

    private static async Task<Compiled> CompileAsync(DbConnection connection, DbTransaction? transaction, IReadOnlyCollection<long>? devices)
    {
        var book = await ClientSettingStore.BookAsync(connection, transaction);
        // Of membership only what something is set for.
        var collections = (await connection.QueryAsync<(long Number, string Name)>(
            $"""
            select m.device_number, c.name from collection c join collection_member m on m.collection_id = c.collection_id
            where 'collection:' || c.name in (select scope from client_setting){Only(devices, "m.device_number")}
            """, new { devices }, transaction)).ToLookup(row => row.Number, row => row.Name);
        // Devices by the collections that something is offered to: many devices share one list, and it is written once.
        // One whose content is on no CAP yet is signed when it is, and then listed.
        var held = await HeldOffers.OfAsync(connection, transaction);
        var offered = (await connection.QueryAsync<(long Collection, string Id, string? Signed)>("select a.collection_id, a.advertisement_id, s.advertisement_id from advertisement a left join advertisement_signed s on s.advertisement_id = a.advertisement_id where a.ended_at is null", null, transaction))
            .Where(row => row.Signed is not null || !held.Contains(row.Id)).ToLookup(row => row.Collection, row => row.Id);
        var members = (await connection.QueryAsync<(long Number, long Collection)>(
            $"select device_number, collection_id from collection_member where collection_id in (select collection_id from advertisement where ended_at is null){Only(devices, "device_number")} order by device_number, collection_id",
            new { devices }, transaction)).ToLookup(row => row.Number, row => row.Collection);
        return new Compiled(book, collections, offered, members);
    }

    private static string Only(IReadOnlyCollection<long>? devices, string column) => devices is { Count: <= Few } ? $" and {column} in @devices" : "";

    private sealed class Compiled(SettingBook book, ILookup<long, string> collections, ILookup<long, string> offered, ILookup<long, long> members)
    {
        private readonly Dictionary<string, string> _lists = new(StringComparer.Ordinal);

        /// <summary>As JSON.</summary>
        public string Settings(long number, string deviceId) => JsonSerializer.Serialize(book.Resolve(deviceId, [.. collections[number]]), StoreJson.Default.IReadOnlyListPolicySetting);

        /// <summary>As JSON, each id once.</summary>
        public string Advertisements(long number)
        {
            var key = string.Join(',', members[number]);
            if (key.Length == 0)
                return None;
            if (!_lists.TryGetValue(key, out var list))
                _lists.Add(key, list = JsonSerializer.Serialize<IReadOnlyList<string>>([.. members[number].SelectMany(collection => offered[collection]).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)], StoreJson.Default.IReadOnlyListString));
            return list;
        }
    }
}
