using System.Collections.Concurrent;
using System.Text.Json;
using Capstan.Client.Content;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.Programs;

/// <summary>What a decision was told as, for those who read beside the client.</summary>
internal sealed record ToldDecision(string State, string? Cause, string? Reason, DateTimeOffset Since, DateTimeOffset? Next, long? HereBytes, long? TotalBytes, string? Source);

/// <summary>Advertisements, package manifests and runs of one client. Runs are kept while anything can ask for them; each change is durable on return.</summary>
internal sealed class ProgramLedger(ClientDatabase database)
{
    /// <summary>Runs of one program that are remembered: rules count tries, and never so many.</summary>
    public const int MaxRunsOfOne = 500;

    /// <summary>What a program printed is told of its last run only, and may be long.</summary>
    private const string RunColumns = "id, package_id, program, number, package_version, advertisement_id, revision, occasion, is_removal, boot_id, started_at, ended_at, outcome, exit_code, case when number = max(number) over (partition by package_id, program) then output end";

    /// <summary>Longest postponement, and longest wait until content is tried again.</summary>
    public static readonly TimeSpan LongestPostponement = TimeSpan.FromDays(7), LongestContentWait = TimeSpan.FromDays(1);

    /// <summary>Advertisements are read for each plan, and seldom are others: by their hash.</summary>
    private readonly ConcurrentDictionary<string, (string Sha256, Advertisement Document)> _decoded = new(StringComparer.Ordinal);

    /// <summary>Hash of what was adopted of an advertisement; null for none.</summary>
    public string? PrintOf(string advertisementId) => database.Read(connection =>
        (string?)connection.Scalar("select sha256 from advertisement where id = $id and missing is null", ("$id", advertisementId)));

    /// <summary>Puts an advertisement in force. What a person asked of it, and when it came, stays.</summary>
    /// <param name="missing">What of its packages could not be had; null when all is here.</param>
    public void Adopt(string advertisementId, string sha256, ReadOnlySpan<byte> content, string? missing, DateTimeOffset now)
    {
        var document = content.ToArray();
        database.Write(connection => connection.Execute("""
            insert into advertisement (id, sha256, content, received_at, missing, state, since) values ($id, $sha256, $content, $now, $missing, $state, $now)
            on conflict (id) do update set sha256 = excluded.sha256, content = excluded.content, missing = excluded.missing,
                content_cause = null, content_retry_at = null,
                noticed_at = case when sha256 = excluded.sha256 then noticed_at end
            """, ("$id", advertisementId), ("$sha256", sha256), ("$content", document), ("$missing", missing), ("$state", ProgramState.Received), ("$now", Milliseconds(now))));
    }

    /// <summary>Notes which advertisements the policy in force lists, and since when the others are not listed any more.</summary>
    public void List(IReadOnlySet<string> listed, long epoch, DateTimeOffset now) => database.Write(connection =>
    {
        foreach (var id in connection.Query("select id from advertisement", row => row.GetString(0)).ToList())
        {
            if (listed.Contains(id))
                connection.Execute("update advertisement set listed_epoch = $epoch, withdrawn_at = null where id = $id and (listed_epoch <> $epoch or withdrawn_at is not null)", ("$id", id), ("$epoch", epoch));
            else
                connection.Execute("update advertisement set withdrawn_at = $now where id = $id and withdrawn_at is null", ("$id", id), ("$now", Milliseconds(now)));
        }
    });

    public void Forget(IEnumerable<string> advertisementIds) => database.Write(connection =>
    {
        foreach (var id in advertisementIds)
        {
            connection.Execute("delete from advertisement where id = $id", ("$id", id));
            _decoded.TryRemove(id, out _);
        }
    });

    /// <summary>Moments that lie ahead were noted by a clock that was wrong and has been set back: they count as now, or what waits for them would wait for as long as the clock was wrong.</summary>
    /// <returns>Whether there were any.</returns>
    public bool CorrectMoments(DateTimeOffset now)
    {
        var moments = new (string, object?)[]
        {
            ("$now", Milliseconds(now)), ("$postponed", Milliseconds(now + LongestPostponement)), ("$content", Milliseconds(now + LongestContentWait)),
        };
        const string Known = "received_at > $now or withdrawn_at > $now or noticed_at > $now or since > $now or postponed_until > $postponed or content_retry_at > $content";
        const string Runs = "started_at > $now or ended_at > $now";
        if (database.Read(connection => connection.Scalar($"select exists (select 1 from advertisement where {Known}) or exists (select 1 from program_run where {Runs})", moments)) is not 1L)
            return false;
        database.Write(connection =>
        {
            // Null stays null: min() of it is.
            connection.Execute($"""
                update advertisement set received_at = min(received_at, $now), withdrawn_at = min(withdrawn_at, $now), noticed_at = min(noticed_at, $now), since = min(since, $now),
                    postponed_until = min(postponed_until, $postponed), content_retry_at = min(content_retry_at, $content)
                where {Known}
                """, moments);
            connection.Execute($"update program_run set started_at = min(started_at, $now), ended_at = min(ended_at, $now) where {Runs}", moments.AsSpan(0, 1));
        });
        return true;
    }

    public bool HasManifest(PackageKey package) => Manifest(package) is not null;

    /// <summary>As it was verified; null for none.</summary>
    public byte[]? Manifest(PackageKey package) => database.Read(connection => (byte[]?)connection.Scalar(
        "select content from package_manifest where package_id = $id and package_version = $version", ("$id", package.PackageId), ("$version", package.Version)));

    public void AddManifest(PackageKey package, ReadOnlySpan<byte> content)
    {
        var document = content.ToArray();
        database.Write(connection => connection.Execute("insert into package_manifest (package_id, package_version, content) values ($id, $version, $content) on conflict do nothing",
            ("$id", package.PackageId), ("$version", package.Version), ("$content", document)));
    }

    /// <summary>Every advertisement that is known, in the order of ids. One that this program cannot read is left out: another one of ours stored it.</summary>
    /// <param name="listed">Ids of the policy in force.</param>
    /// <param name="epoch">Of the site now.</param>
    public IReadOnlyList<KnownAdvertisement> Advertisements(IReadOnlySet<string> listed, long epoch) => database.Read(connection => connection.Query(
        "select id, sha256, content, received_at, missing, is_asked, postponed_until, postponements, noticed_at, content_cause, content_retry_at, listed_epoch, withdrawn_at from advertisement order by id",
        row => Known(row, listed, epoch)).OfType<KnownAdvertisement>().ToList());

    public IReadOnlyDictionary<string, ToldDecision> Told() => database.Read(connection => connection.Query(
        "select id, state, cause, reason, since, next_try, here_bytes, total_bytes, source from advertisement",
        row => KeyValuePair.Create(row.GetString(0), new ToldDecision(row.GetString(1), Text(row, 2), Text(row, 3), Time(row.GetInt64(4)), Time(row, 5), Number(row, 6), Number(row, 7), Text(row, 8)))).ToDictionary(StringComparer.Ordinal));

    /// <summary>Content that waits is tried again now: what it waits for may be other than it was.</summary>
    public void RetryContent() => database.Write(connection =>
        connection.Execute("update advertisement set content_cause = null, content_retry_at = null where content_cause is not null"));

    /// <summary>Writes what was decided; the moment of a state stays while the state does.</summary>
    public void Tell(IReadOnlyList<ProgramDecision> decisions, DateTimeOffset now) => database.Write(connection =>
    {
        foreach (var decision in decisions)
            connection.Execute("""
                update advertisement set since = case when state = $state then since else $now end, state = $state, cause = $cause, reason = $reason, next_try = $next
                where id = $id and (state <> $state or cause is not $cause or reason is not $reason or next_try is not $next)
                """, ("$id", decision.AdvertisementId), ("$state", decision.State), ("$cause", decision.Cause), ("$reason", decision.Reason), ("$next", Milliseconds(decision.Next)), ("$now", Milliseconds(now)));
    });

    public void TellProgress(string advertisementId, ContentProgress progress) => database.Write(connection =>
        connection.Execute("update advertisement set here_bytes = $here, total_bytes = $total, source = coalesce($source, source) where id = $id",
            ("$id", advertisementId), ("$here", progress.HereBytes), ("$total", progress.TotalBytes), ("$source", progress.Source)));

    /// <param name="wait">Null: it is here.</param>
    public void TellContent(string advertisementId, ContentWait? wait) => database.Write(connection =>
        connection.Execute("update advertisement set content_cause = $cause, content_retry_at = $at where id = $id",
            ("$id", advertisementId), ("$cause", wait?.Cause), ("$at", Milliseconds(wait?.Until))));

    public void Notice(string advertisementId, DateTimeOffset now) => database.Write(connection =>
        connection.Execute("update advertisement set noticed_at = $now where id = $id", ("$id", advertisementId), ("$now", Milliseconds(now))));

    public void Ask(string advertisementId) => database.Write(connection =>
        connection.Execute("update advertisement set is_asked = 1, content_cause = null, content_retry_at = null where id = $id", ("$id", advertisementId)));

    public void Postpone(string advertisementId, DateTimeOffset until) => database.Write(connection =>
        connection.Execute("update advertisement set postponed_until = $until, postponements = postponements + 1, noticed_at = null where id = $id",
            ("$id", advertisementId), ("$until", Milliseconds(until))));

    /// <summary>Every run that is remembered, oldest first.</summary>
    public IReadOnlyList<LedgerRun> Runs() => database.Read(connection => connection.Query(
        $"select {RunColumns} from program_run order by package_id, program, number, id", Run));

    /// <summary>The rules that a run was begun under.</summary>
    public ProgramRules RulesOf(string runId) => database.Read(connection => JsonSerializer.Deserialize((byte[])connection.Scalar("select rules from program_run where id = $id", ("$id", runId))!, DocumentsJson.Default.ProgramRules)!);

    /// <summary>Notes a run, before its gate is started: from here on it is settled by its directory alone. What asked for it is answered.</summary>
    public void Begin(LedgerRun run, ProgramRules rules) => database.Write(connection =>
    {
        connection.Execute("""
            insert into program_run (id, package_id, program, number, package_version, advertisement_id, revision, occasion, is_removal, rules, boot_id, started_at)
            values ($id, $package, $program, $number, $version, $advertisement, $revision, $occasion, $removal, $rules, $boot, $started)
            """, ("$id", run.Id), ("$package", run.Program.PackageId), ("$program", run.Program.Name), ("$number", run.Number), ("$version", run.PackageVersion), ("$advertisement", run.AdvertisementId),
            ("$revision", run.Revision), ("$occasion", run.Occasion), ("$removal", run.IsRemoval ? 1 : 0), ("$rules", JsonSerializer.SerializeToUtf8Bytes(rules, DocumentsJson.Default.ProgramRules)), ("$boot", run.BootId), ("$started", Milliseconds(run.StartedAt)));
        connection.Execute("update advertisement set is_asked = 0, noticed_at = null, postponed_until = null, postponements = 0 where id = $id", ("$id", run.AdvertisementId));
        connection.Execute("delete from program_run where package_id = $package and program = $program and number <= $old",
            ("$package", run.Program.PackageId), ("$program", run.Program.Name), ("$old", run.Number - MaxRunsOfOne));
    });

    public void End(LedgerRun run) => database.Write(connection => connection.Execute(
        "update program_run set boot_id = $boot, started_at = $started, ended_at = $ended, outcome = $outcome, exit_code = $code, output = $output where id = $id and outcome is null",
        ("$id", run.Id), ("$boot", run.BootId), ("$started", Milliseconds(run.StartedAt)), ("$ended", Milliseconds(run.EndedAt)), ("$outcome", run.Outcome), ("$code", run.ExitCode), ("$output", run.Output)));

    public long NextNumber(ProgramKey program) => database.Read(connection => 1 + ((long?)connection.Scalar(
        "select max(number) from program_run where package_id = $package and program = $program", ("$package", program.PackageId), ("$program", program.Name)) ?? 0));

    private KnownAdvertisement? Known(SqliteDataReader row, IReadOnlySet<string> listed, long epoch)
    {
        try
        {
            return new KnownAdvertisement
            {
                Document = Decoded(row),
                ReceivedAt = Time(row.GetInt64(3)),
                Missing = Text(row, 4),
                IsWithdrawn = !listed.Contains(row.GetString(0)),
                IsOfEarlierEpoch = row.GetInt64(11) is > 0 and var seen && seen < epoch,
                WithdrawnAt = Time(row, 12),
                IsAsked = row.GetInt64(5) != 0,
                PostponedUntil = Time(row, 6),
                Postponements = row.GetInt32(7),
                NoticedAt = Time(row, 8),
                // Without a time: of a program of ours that waited for another order.
                Content = Text(row, 9) is { } cause ? new ContentWait(cause, Time(row, 10) ?? DateTimeOffset.UnixEpoch) : null,
            };
        }
        catch (ProtocolException)
        {
            // It comes again with the next complete cycle, and is refused by name there.
            return null;
        }
    }

    private Advertisement Decoded(SqliteDataReader row)
    {
        var (id, sha256) = (row.GetString(0), row.GetString(1));
        if (_decoded.TryGetValue(id, out var known) && known.Sha256 == sha256)
            return known.Document;
        var document = Documents.Advertisement.Decode((byte[])row[2]);
        _decoded[id] = (sha256, document);
        return document;
    }

    private static LedgerRun Run(SqliteDataReader row) => new()
    {
        Id = row.GetString(0),
        Program = new ProgramKey(row.GetString(1), row.GetString(2)),
        Number = row.GetInt64(3),
        PackageVersion = row.GetInt64(4),
        AdvertisementId = row.GetString(5),
        Revision = row.GetInt64(6),
        Occasion = row.GetInt64(7),
        IsRemoval = row.GetInt64(8) != 0,
        BootId = row.GetString(9),
        StartedAt = Time(row.GetInt64(10)),
        EndedAt = Time(row, 11),
        Outcome = Text(row, 12),
        ExitCode = row.IsDBNull(13) ? null : row.GetInt32(13),
        Output = Text(row, 14),
    };

    private static string? Text(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static long? Number(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    private static DateTimeOffset? Time(SqliteDataReader row, int column) => Number(row, column) is { } milliseconds ? Time(milliseconds) : null;

    private static long? Milliseconds(DateTimeOffset? time) => time?.ToUnixTimeMilliseconds();
}
