using Capstan.Site.Api;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>How devices stand with advertisements, one by one.</summary>
internal sealed class OfferStates(SiteDatabase database)
{
    private const string ReadColumns =
        """
        s.state, s.cause, s.reason, s.since, s.next_try, s.here_bytes, s.total_bytes, s.source, s.run_number, s.outcome, s.exit_code, s.output, s.started_at, s.ended_at, s.reported_at
        """;

    /// <summary>A device of an advertisement's collection whose signed policy lists it, and which has said that it has that policy.</summary>
    private const string Has = "(d.policy_version >= d.policy_signed_version and d.advertisements like '%\"' || a.advertisement_id || '\"%')";

    /// <summary>What keeps how many where, the most frequent first; at most 20.</summary>
    public Task<IReadOnlyList<AdvertisementCause>> CausesAsync(string id, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AdvertisementCause>>(
        async connection => [.. (await connection.QueryAsync<(string State, string? Cause, long Clients, string? Example)>(
            $"""
            select case when s.state is not null then s.state when {Has} then 'not-told' else 'no-policy' end as state, s.cause, count(*) as clients, min(s.reason)
            from advertisement a
            join collection_member m on m.collection_id = a.collection_id
            join device d on d.number = m.device_number
            left join advertisement_state s on s.advertisement_id = a.advertisement_id and s.device_number = d.number
            where a.advertisement_id = @id group by 1, s.cause order by clients desc, 1, s.cause limit 20
            """, new { id })).Select(row => new AdvertisementCause(row.State, row.Cause, (int)row.Clients, row.Example))], cancellationToken);

    /// <summary>When each client of the collection came how far; Unix milliseconds.</summary>
    public Task<IReadOnlyList<CurveRow>> TimesAsync(string id, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<CurveRow>>(
        async connection => [.. await connection.QueryAsync<CurveRow>(
            """
            select s.state, s.at_received, s.at_content, s.at_run, s.at_end
            from advertisement a
            join collection_member m on m.collection_id = a.collection_id
            join advertisement_state s on s.advertisement_id = a.advertisement_id and s.device_number = m.device_number
            where a.advertisement_id = @id
            """, new { id })], cancellationToken);

    /// <summary>One page of the clients of an advertisement by host name.</summary>
    /// <param name="state">One of those of <see cref="AdvertisementClient.State"/>; null for all.</param>
    public Task<IReadOnlyList<AdvertisementClient>> ClientsAsync(string id, string? state, int offset, int limit, CancellationToken cancellationToken) =>
        ListAsync("a.advertisement_id = @id", "where @state is null or state_now = @state order by lower(host_name), device_id limit @limit offset @offset", new { id, state, limit, offset }, cancellationToken);

    /// <summary>The advertisements of one client, the newest first.</summary>
    public Task<IReadOnlyList<AdvertisementClient>> OfDeviceAsync(string deviceId, CancellationToken cancellationToken) =>
        ListAsync("d.device_id = @deviceId and a.ended_at is null", "order by created_at desc, advertisement_id", new { deviceId }, cancellationToken);

    private Task<IReadOnlyList<AdvertisementClient>> ListAsync(string which, string rest, object parameters, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AdvertisementClient>>(
        async connection => [.. (await connection.QueryAsync<ClientRow>(
            $"""
            select * from (
            select a.advertisement_id, a.name, a.created_at, d.device_id, d.host_name, case when s.state is not null then s.state when {Has} then 'not-told' else 'no-policy' end as state_now, {ReadColumns}
            from advertisement a
            join collection_member m on m.collection_id = a.collection_id
            join device d on d.number = m.device_number
            left join advertisement_state s on s.advertisement_id = a.advertisement_id and s.device_number = d.number
            where {which}) client {rest}
            """, parameters)).Select(row => row.ToClient())], cancellationToken);

    private sealed class ClientRow
    {
        public string AdvertisementId { get; set; } = "";
        public string Name { get; set; } = "";
        public string DeviceId { get; set; } = "";
        public string HostName { get; set; } = "";
        public string StateNow { get; set; } = "";
        public string? Cause { get; set; }
        public string? Reason { get; set; }
        public long? Since { get; set; }
        public long? NextTry { get; set; }
        public long? HereBytes { get; set; }
        public long? TotalBytes { get; set; }
        public string? Source { get; set; }
        public long? RunNumber { get; set; }
        public string? Outcome { get; set; }
        public int? ExitCode { get; set; }
        public string? Output { get; set; }
        public long? StartedAt { get; set; }
        public long? EndedAt { get; set; }
        public long? ReportedAt { get; set; }

        public AdvertisementClient ToClient() => new(AdvertisementId, Name, DeviceId, HostName, StateNow, Cause, Reason, Times.At(Since), Console.Display.FromUnixSeconds(NextTry), HereBytes, TotalBytes, Source, RunNumber, Outcome, ExitCode,
            Output, Times.At(StartedAt), Times.At(EndedAt), Times.At(ReportedAt));
    }
}

/// <summary>A row for the curve. Unix milliseconds.</summary>
internal sealed record CurveRow(string State, long AtReceived, long? AtContent, long? AtRun, long? AtEnd);
