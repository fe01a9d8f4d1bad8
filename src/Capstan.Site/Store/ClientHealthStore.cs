using System.Data.Common;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What is kept of one device and tells whether it is well.</summary>
internal sealed record HealthRow(long Number, string DeviceId, string HostName, string State, long RequestedAt, long? ApprovedAt, long? LastSeen, long? HeartbeatAt, long? HeartbeatMadeAt,
    long? PolicyVersion, long? PolicySignedAt, long? PolicySignedVersion, string? ClientVersion, string? Platform, string Components, string Newcomers, string Settings,
    long? ResyncOrder, long? RekeyOrder, long? RekeyedAt, long? DiagnoseOrder, string? MovedTo, long? MovedAt);

/// <summary>Files of one device in an inbox that wait, or that were refused.</summary>
internal sealed record DeviceFiles(string DeviceId, long Count, long At, string Reason);

/// <summary>Reads, for all devices at once or for one, what their health is judged by.</summary>
internal sealed class ClientHealthStore(SiteDatabase database)
{
    /// <summary>Why uploads are refused without anything being wrong: docs/events.md, quarantine.</summary>
    private const string Normal = "'wrong_epoch', 'fork', 'other_machine', 'replayed', 'refused_before', 'device_retired', 'unfinished'";

    /// <param name="deviceId">Null for all that are not retired.</param>
    public Task<IReadOnlyList<HealthRow>> DevicesAsync(string? deviceId, CancellationToken cancellationToken) => ListAsync<HealthRow>(
        """
        select number, device_id, host_name, state, requested_at, approved_at, last_seen, heartbeat_at, heartbeat_made_at, policy_version, policy_signed_at, policy_signed_version,
               client_version, platform, components, newcomers, settings, resync_order, rekey_order, rekeyed_at, diagnose_order, moved_to, moved_at
        from device where (@deviceId is null and state <> 'retired') or device_id = @deviceId
        """, deviceId, cancellationToken);

    /// <summary>Refused for a reason that somebody must look at: how many, when last, and why.</summary>
    public Task<IReadOnlyList<DeviceFiles>> RefusedAsync(string? deviceId, CancellationToken cancellationToken) => ListAsync<DeviceFiles>(
        $"""
        select f.device_id, f.files as count, q.at, q.reason
        from (select substr(file_name, 1, 32) as device_id, count(*) as files, max(id) as last from quarantine where reason not in ({Normal}) group by substr(file_name, 1, 32)) f
        join quarantine q on q.id = f.last
        where @deviceId is null or f.device_id = @deviceId
        """, deviceId, cancellationToken);

    /// <summary>Waiting in an inbox: how many, and since when.</summary>
    public Task<IReadOnlyList<DeviceFiles>> WaitingAsync(string? deviceId, CancellationToken cancellationToken) => ListAsync<DeviceFiles>(
        """
        select substr(file_name, 1, 32) as device_id, count(*) as count, min(since) as at, '' as reason from waiting
        where @deviceId is null or substr(file_name, 1, 32) = @deviceId
        group by substr(file_name, 1, 32)
        """, deviceId, cancellationToken);

    /// <summary>Files of one device in quarantine, the newest first.</summary>
    public Task<IReadOnlyList<QuarantineRow>> QuarantineAsync(string deviceId, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<QuarantineRow>>(
        async connection => [.. (await connection.QueryAsync<(long, string, string, string, string, long, long)>(
            "select id, cap, file_name, reason, detail, length_bytes, at from quarantine where substr(file_name, 1, 32) = @deviceId order by id desc limit @limit", new { deviceId, limit }))
            .Select(row => new QuarantineRow(row.Item1, row.Item2, row.Item3, row.Item4, row.Item5, row.Item6, Times.At(row.Item7)))], cancellationToken);

    private Task<IReadOnlyList<T>> ListAsync<T>(string query, string? deviceId, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<T>>(async connection => await RowsAsync<T>(connection, query, new { deviceId }), cancellationToken);

    /// <summary>Row by row: of a computed column SQLite tells no type while there is no row, and then a list of none could not be mapped.</summary>
    private static async Task<IReadOnlyList<T>> RowsAsync<T>(DbConnection connection, string query, object parameters)
    {
        var rows = new List<T>();
        await using var reader = await connection.ExecuteReaderAsync(query, parameters);
        if (!await reader.ReadAsync())
            return rows;
        var parse = reader.GetRowParser<T>();
        do
            rows.Add(parse(reader));
        while (await reader.ReadAsync());
        return rows;
    }
}
