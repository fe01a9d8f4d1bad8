using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>How devices stand with advertisements: what they reported, and what of it is counted.</summary>
internal sealed class OfferStates(SiteDatabase database)
{
    private const string ReadColumns =
        """
        s.state, s.cause, s.reason, s.since, s.next_try, s.here_bytes, s.total_bytes, s.source, s.run_number, s.outcome, s.exit_code, s.output, s.started_at, s.ended_at, s.reported_at
        """;

    /// <summary>A device of an advertisement's collection whose signed policy lists it, and which has said that it has that policy.</summary>
    private const string Has = "(d.policy_version >= d.policy_signed_version and d.advertisements like '%\"' || a.advertisement_id || '\"%')";

    private static readonly HashSet<string> s_ended = new(StringComparer.Ordinal) { ProgramState.Succeeded, ProgramState.PendingReboot, ProgramState.Failed, ProgramState.Unknown };

    /// <summary>Takes in the whole state of one device. What it tells no more of an advertisement that is still offered is forgotten; of one that was removed it is kept.</summary>
    public static async Task SaveAsync(DbTransaction transaction, long number, ProgramsReport report, DateTimeOffset now)
    {
        var received = Times.Of(now);
        var listed = PolicyContents.ReadAdvertisements(await transaction.Connection!.ExecuteScalarAsync<string>("select advertisements from device where number = @number", new { number }, transaction) ?? "[]").ToHashSet(StringComparer.Ordinal);
        var known = (await transaction.Connection!.QueryAsync<KnownState>(
            "select advertisement_id, state, run_number, at_received, at_content, at_run, at_end, heard_end from advertisement_state where device_number = @number", new { number }, transaction))
            .ToDictionary(row => row.AdvertisementId, StringComparer.Ordinal);
        foreach (var state in report.Advertisements)
        {
            // Ids can be read by every client: what its signed policy never listed is none of a device's business.
            if (!known.Remove(state.AdvertisementId, out var before) && !listed.Contains(state.AdvertisementId))
                continue;
            await SaveAsync(transaction, number, state, OfferTimes.Of(state, before, received), received);
        }
        foreach (var gone in known.Keys)
            await transaction.RunAsync(
                "delete from advertisement_state where advertisement_id = @id and device_number = @number and exists (select 1 from advertisement a where a.advertisement_id = @id and a.ended_at is null)", ("@id", gone), ("@number", number));
    }

    /// <summary>Approved members of its collection that have ended since a time, and those of them that did not end well.</summary>
    public static async Task<(int Finished, int Failed)> EndedAsync(DbConnection connection, string id, long since)
    {
        var (finished, failed) = await connection.QuerySingleAsync<(long, long)>(
            """
            select count(*), coalesce(sum(case when s.state in ('failed', 'unknown') then 1 else 0 end), 0)
            from advertisement a
            join advertisement_state s on s.advertisement_id = a.advertisement_id
            join collection_member m on m.collection_id = a.collection_id and m.device_number = s.device_number
            where a.advertisement_id = @id and s.heard_end >= @since
            """, new { id, since });
        return ((int)finished, (int)failed);
    }

    /// <summary>Figures of one advertisement, or of all; one that reaches nobody is not listed.</summary>
    public Task<IReadOnlyDictionary<string, AdvertisementFunnel>> FunnelsAsync(string? id, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyDictionary<string, AdvertisementFunnel>>(
        async connection => (await connection.QueryAsync<FunnelRow>(
            $"""
            select a.advertisement_id, count(*) as targeted, sum(case when s.state is not null or {Has} then 1 else 0 end) as has_policy,
                   count(s.at_content) as has_content, count(s.at_run) as ran, coalesce(sum(case when s.state in ('succeeded', 'pending-reboot') then 1 else 0 end), 0) as succeeded,
                   coalesce(sum(case when s.state in ('failed', 'unknown') then 1 else 0 end), 0) as failed, coalesce(sum(case when s.state = 'running' then 1 else 0 end), 0) as running,
                   coalesce(sum(case when s.state in ('received', 'waiting', 'downloading', 'ready') then 1 else 0 end), 0) as waiting
            from advertisement a
            join collection_member m on m.collection_id = a.collection_id
            join device d on d.number = m.device_number
            left join advertisement_state s on s.advertisement_id = a.advertisement_id and s.device_number = d.number
            where a.ended_at is null and (@id is null or a.advertisement_id = @id)
            group by a.advertisement_id
            """, new { id })).ToDictionary(row => row.AdvertisementId, row => row.ToFunnel(), StringComparer.Ordinal),
        cancellationToken);

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

    private static Task<int> SaveAsync(DbTransaction transaction, long number, AdvertisementState state, OfferTimes times, long received) => transaction.RunAsync(
        """
        insert into advertisement_state (advertisement_id, device_number, revision, state, cause, reason, since, next_try, here_bytes, total_bytes, source, run_number, run_version, started_at, ended_at, outcome, exit_code, output,
                                         reported_at, at_received, at_content, at_run, at_end, heard_end)
        select @id, @number, @revision, @state, @cause, @reason, @since, @next, @here, @total, @source, @run, @version, @started, @ended, @outcome, @code, @output, @reported, @atReceived, @atContent, @atRun, @atEnd, @heardEnd
        where exists (select 1 from advertisement where advertisement_id = @id)
        on conflict (advertisement_id, device_number) do update set revision = excluded.revision, state = excluded.state, cause = excluded.cause, reason = excluded.reason, since = excluded.since, next_try = excluded.next_try,
            here_bytes = excluded.here_bytes, total_bytes = excluded.total_bytes, source = excluded.source, run_number = excluded.run_number, run_version = excluded.run_version, started_at = excluded.started_at,
            ended_at = excluded.ended_at, outcome = excluded.outcome, exit_code = excluded.exit_code, output = excluded.output, reported_at = excluded.reported_at, at_received = excluded.at_received,
            at_content = excluded.at_content, at_run = excluded.at_run, at_end = excluded.at_end, heard_end = excluded.heard_end
        """,
        ("@id", state.AdvertisementId), ("@number", number), ("@revision", state.Revision), ("@state", state.State), ("@cause", state.Cause), ("@reason", state.Reason), ("@since", state.Since), ("@next", state.NextTry),
        ("@here", state.HereBytes), ("@total", state.TotalBytes), ("@source", state.Source), ("@run", state.LastRun?.Number), ("@version", state.LastRun?.PackageVersion), ("@started", state.LastRun?.StartedAt),
        ("@ended", state.LastRun?.EndedAt), ("@outcome", state.LastRun?.Outcome), ("@code", state.LastRun?.ExitCode), ("@output", state.LastRun?.Output), ("@reported", received), ("@atReceived", times.Received),
        ("@atContent", times.Content), ("@atRun", times.Run), ("@atEnd", times.End), ("@heardEnd", times.HeardEnd));

    /// <summary>Whether a state is the end of a run.</summary>
    public static bool IsEnded(string state) => s_ended.Contains(state);

    private sealed class FunnelRow
    {
        public string AdvertisementId { get; set; } = "";
        public int Targeted { get; set; }
        public int HasPolicy { get; set; }
        public int HasContent { get; set; }
        public int Ran { get; set; }
        public int Succeeded { get; set; }
        public int Failed { get; set; }
        public int Running { get; set; }
        public int Waiting { get; set; }

        public AdvertisementFunnel ToFunnel() => new(Targeted, HasPolicy, HasContent, Ran, Succeeded, Failed, Running, Waiting);
    }

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

/// <summary>What is known of a device and an advertisement from before.</summary>
internal sealed record KnownState(string AdvertisementId, string State, long? RunNumber, long AtReceived, long? AtContent, long? AtRun, long? AtEnd, long? HeardEnd);

/// <summary>When a device came how far, out of one report and what was known before. Pure.</summary>
/// <remarks>By the device's clock, but never after the report came: a clock that is ahead leaves no point in the future. What was once reached stays where it was, until the device begins anew.</remarks>
internal sealed record OfferTimes(long Received, long? Content, long? Run, long? End, long? HeardEnd)
{
    public static OfferTimes Of(AdvertisementState state, KnownState? known, long received)
    {
        var isSameRun = known?.RunNumber == state.LastRun?.Number;
        var isEnded = OfferStates.IsEnded(state.State);
        var hasContent = isEnded || state.LastRun is not null || state.State is ProgramState.Ready or ProgramState.Running || (state.TotalBytes is { } total && state.HereBytes >= total);
        var run = state.LastRun is null ? null : isSameRun && known?.AtRun is { } begun ? begun : (long?)Clamp(state.LastRun.StartedAt);
        var end = !isEnded ? null : isSameRun && known?.AtEnd is { } ended ? ended : (long?)Clamp(state.LastRun?.EndedAt ?? state.Since);
        var heard = !isEnded ? null : isSameRun && known?.HeardEnd is { } earlier && known.State == state.State ? earlier : (long?)received;
        return new OfferTimes(known?.AtReceived ?? Clamp(state.Since), hasContent ? known?.AtContent ?? run ?? Clamp(state.Since) : null, run, end, heard);

        long Clamp(long time) => Math.Min(time, received);
    }
}
