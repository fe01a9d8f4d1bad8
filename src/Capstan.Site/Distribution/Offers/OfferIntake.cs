using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Takes in what devices report of advertisements. What says the same as before is not written.</summary>
internal static class OfferIntake
{
    /// <summary>Takes in the whole state of one device. What it tells no more of an advertisement that is still offered is forgotten; of one that was removed it is kept, as told no more.</summary>
    public static async Task SaveAsync(DbTransaction transaction, long number, ProgramsReport report, DateTimeOffset now)
    {
        var received = Times.Of(now);
        var connection = transaction.Connection!;
        var (policy, behind) = await connection.QuerySingleOrDefaultAsync<(string?, long)>("select advertisements, offers_behind from device where number = @number", new { number }, transaction);
        var listed = PolicyContents.ReadAdvertisements(policy ?? "[]").ToHashSet(StringComparer.Ordinal);
        var known = (await connection.QueryAsync<StateRow>($"select {StateRow.Columns} from advertisement_state where device_number = @number", new { number }, transaction)).ToDictionary(row => row.AdvertisementId, StringComparer.Ordinal);
        var counted = (await connection.QueryAsync<(string Id, long From)>(
            """
            select a.advertisement_id, a.counts_from from collection_member m join advertisement a on a.collection_id = m.collection_id
            where m.device_number = @number and a.ended_at is null
            """, new { number }, transaction)).ToDictionary(row => row.Id, row => row.From, StringComparer.Ordinal);
        foreach (var state in report.Advertisements)
        {
            // Ids can be read by every client: what its signed policy never listed is none of a device's business.
            if (!known.Remove(state.AdvertisementId, out var before) && !listed.Contains(state.AdvertisementId))
                continue;
            listed.Remove(state.AdvertisementId);
            var after = StateRow.Of(state, OfferTimes.Of(state, before, received, counted.GetValueOrDefault(state.AdvertisementId)), received);
            if (before is not null && after with { ReportedAt = before.ReportedAt } == before)
                continue;
            await SaveAsync(transaction, number, after);
            await CountAsync(before, after);
        }
        foreach (var gone in known.Values)
        {
            if (await transaction.RunAsync("delete from advertisement_state where advertisement_id = @id and device_number = @number and exists (select 1 from advertisement a where a.advertisement_id = @id and a.ended_at is null)",
                ("@id", gone.AdvertisementId), ("@number", number)) == 1)
                await CountAsync(gone, null);
            else if (gone.IsTold != 0)
                await transaction.RunAsync("update advertisement_state set is_told = 0 where advertisement_id = @id and device_number = @number", ("@id", gone.AdvertisementId), ("@number", number));
        }
        if (behind != (listed.Count > 0 ? 1 : 0))
            await transaction.RunAsync("update device set offers_behind = @behind where number = @number", ("@behind", listed.Count > 0 ? 1L : 0L), ("@number", number));

        Task CountAsync(StateRow? from, StateRow? to) => (from ?? to) is { AdvertisementId: var id } && counted.TryGetValue(id, out var since)
            ? OfferCounts.AddAsync(transaction, id, OfferTally.Of(to, since) - OfferTally.Of(from, since))
            : Task.CompletedTask;
    }

    private static Task<int> SaveAsync(DbTransaction transaction, long number, StateRow row) => transaction.RunAsync(
        """
        insert into advertisement_state (advertisement_id, device_number, revision, state, cause, reason, since, next_try, here_bytes, total_bytes, source, run_number, run_version, started_at, ended_at, outcome, exit_code, output,
                                         reported_at, at_received, at_content, at_run, at_end, heard_end, is_told)
        values (@id, @number, @revision, @state, @cause, @reason, @since, @next, @here, @total, @source, @run, @version, @started, @ended, @outcome, @code, @output, @reported, @atReceived, @atContent, @atRun, @atEnd, @heardEnd, @told)
        on conflict (advertisement_id, device_number) do update set revision = excluded.revision, state = excluded.state, cause = excluded.cause, reason = excluded.reason, since = excluded.since, next_try = excluded.next_try,
            here_bytes = excluded.here_bytes, total_bytes = excluded.total_bytes, source = excluded.source, run_number = excluded.run_number, run_version = excluded.run_version, started_at = excluded.started_at,
            ended_at = excluded.ended_at, outcome = excluded.outcome, exit_code = excluded.exit_code, output = excluded.output, reported_at = excluded.reported_at, at_received = excluded.at_received,
            at_content = excluded.at_content, at_run = excluded.at_run, at_end = excluded.at_end, heard_end = excluded.heard_end, is_told = excluded.is_told
        """,
        ("@id", row.AdvertisementId), ("@number", number), ("@revision", row.Revision), ("@state", row.State), ("@cause", row.Cause), ("@reason", row.Reason), ("@since", row.Since), ("@next", row.NextTry),
        ("@here", row.HereBytes), ("@total", row.TotalBytes), ("@source", row.Source), ("@run", row.RunNumber), ("@version", row.RunVersion), ("@started", row.StartedAt), ("@ended", row.EndedAt),
        ("@outcome", row.Outcome), ("@code", row.ExitCode), ("@output", row.Output), ("@reported", row.ReportedAt), ("@atReceived", row.AtReceived), ("@atContent", row.AtContent), ("@atRun", row.AtRun),
        ("@atEnd", row.AtEnd), ("@heardEnd", row.HeardEnd), ("@told", row.IsTold));
}

/// <summary>How a device stands with an advertisement, as the store has it. Two of the same content are equal.</summary>
internal sealed record StateRow
{
    public const string Columns =
        """
        advertisement_id, revision, state, cause, reason, since, next_try, here_bytes, total_bytes, source, run_number, run_version, started_at, ended_at, outcome, exit_code, output,
        reported_at, at_received, at_content, at_run, at_end, heard_end, is_told
        """;

    public string AdvertisementId { get; init; } = "";
    public long Revision { get; init; }
    public string State { get; init; } = "";
    public string? Cause { get; init; }
    public string? Reason { get; init; }
    public long Since { get; init; }
    public long? NextTry { get; init; }
    public long? HereBytes { get; init; }
    public long? TotalBytes { get; init; }
    public string? Source { get; init; }
    public long? RunNumber { get; init; }
    public long? RunVersion { get; init; }
    public long? StartedAt { get; init; }
    public long? EndedAt { get; init; }
    public string? Outcome { get; init; }
    public long? ExitCode { get; init; }
    public string? Output { get; init; }
    /// <summary>When the site heard of it in this form; Unix milliseconds.</summary>
    public long ReportedAt { get; init; }
    public long AtReceived { get; init; }
    public long? AtContent { get; init; }
    public long? AtRun { get; init; }
    public long? AtEnd { get; init; }
    public long? HeardEnd { get; init; }
    public long IsTold { get; init; }

    public static StateRow Of(AdvertisementState state, OfferTimes times, long received) => new()
    {
        AdvertisementId = state.AdvertisementId,
        Revision = state.Revision,
        State = state.State,
        Cause = state.Cause,
        Reason = state.Reason,
        Since = state.Since,
        NextTry = state.NextTry,
        HereBytes = state.HereBytes,
        TotalBytes = state.TotalBytes,
        Source = state.Source,
        RunNumber = state.LastRun?.Number,
        RunVersion = state.LastRun?.PackageVersion,
        StartedAt = state.LastRun?.StartedAt,
        EndedAt = state.LastRun?.EndedAt,
        Outcome = state.LastRun?.Outcome,
        ExitCode = state.LastRun?.ExitCode,
        Output = state.LastRun?.Output,
        ReportedAt = received,
        AtReceived = times.Received,
        AtContent = times.Content,
        AtRun = times.Run,
        AtEnd = times.End,
        HeardEnd = times.HeardEnd,
        IsTold = 1,
    };
}

/// <summary>When a device came how far, out of one report and what was known before. Pure.</summary>
/// <remarks>By the device's clock, but never after the report came: a clock that is ahead leaves no point in the future. What was once reached stays where it was, until the device begins anew.</remarks>
internal sealed record OfferTimes(long Received, long? Content, long? Run, long? End, long? HeardEnd)
{
    /// <param name="countsFrom">See <see cref="AdvertisementRow.CountsFrom"/>; 0 for one whose collection the device is not in.</param>
    public static OfferTimes Of(AdvertisementState state, StateRow? known, long received, long countsFrom)
    {
        var isSameRun = known?.RunNumber == state.LastRun?.Number;
        var isEnded = IsEnded(state.State);
        var hasContent = isEnded || state.LastRun is not null || state.State is ProgramState.Ready or ProgramState.Running || (state.TotalBytes is { } total && state.HereBytes >= total);
        var run = state.LastRun is null ? null : isSameRun && known?.AtRun is { } begun ? begun : (long?)Clamp(state.LastRun.StartedAt);
        var end = !isEnded ? null : isSameRun && known?.AtEnd is { } ended ? ended : (long?)Clamp(state.LastRun?.EndedAt ?? state.Since);
        var heard = !isEnded ? null : isSameRun && known?.HeardEnd is { } earlier && known.State == state.State ? earlier : (long?)(IsOlder() ? Math.Min(received, countsFrom - 1) : received);
        return new OfferTimes(known?.AtReceived ?? Clamp(state.Since), hasContent ? known?.AtContent ?? run ?? Clamp(state.Since) : null, run, end, heard);

        long Clamp(long time) => Math.Min(time, received);

        // Revisions are never below the second in which they were made: a device with an older one speaks of what it was offered before, however late it is heard, and by whatever clock.
        bool IsOlder() => state.Revision < countsFrom / 1_000;
    }

    /// <summary>Whether a state is the end of a run.</summary>
    public static bool IsEnded(string state) => state is ProgramState.Succeeded or ProgramState.PendingReboot or ProgramState.Failed or ProgramState.Unknown;
}
