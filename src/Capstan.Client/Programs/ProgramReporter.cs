using Capstan.Client.Spool;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Programs;

/// <summary>Tells the site how this device stands with every advertisement: the whole of it, when anything but progress has changed.</summary>
internal sealed class ProgramReporter(ClientCore core, ProgramLedger ledger)
{
    /// <summary>Of the programs, in status messages and component states.</summary>
    public const string Component = "APM";

    private const string Fingerprint = ItemKind.Programs;

    /// <summary>A person waits for these.</summary>
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private bool _hasNews;

    /// <summary>A person asks for an advertisement: until it has its end, its site hears of it at once. What many devices do at one moment is told by each at its own time.</summary>
    public void Asked(string advertisementId) => _asked.Add(advertisementId);

    /// <summary>Writes down what was decided, and spools the report when it is another than the last.</summary>
    public void Tell(IReadOnlyList<ProgramDecision> decisions, IReadOnlyList<KnownAdvertisement> known)
    {
        var told = ledger.Told();
        var changed = decisions.Where(decision => told.TryGetValue(decision.AdvertisementId, out var before)
            && (before.State != decision.State || before.Cause != decision.Cause || before.Reason != decision.Reason || before.Next?.ToUnixTimeMilliseconds() != decision.Next?.ToUnixTimeMilliseconds())).ToList();
        var moved = changed.Where(decision => told[decision.AdvertisementId] is var before && (before.State != decision.State || before.Cause != decision.Cause)).ToList();
        if (changed.Count > 0)
        {
            ledger.Tell(changed, core.Clock.Wall);
            told = ledger.Told();
        }
        foreach (var decision in moved)
            ProgramLog.AdvertisementMoved(core.Log, decision.AdvertisementId, decision.State, decision.Reason ?? decision.Cause ?? decision.State);
        if (known.Count == 0 && core.State.Get(State.StateKey.Fingerprint(Fingerprint)) is null)
            return;
        // What a report says beside its own time and progress: the same is not sent twice.
        var report = Make(decisions, known, told, core.Clock.Wall.ToUnixTimeMilliseconds());
        var print = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Documents.ProgramsReport.Encode(report with
        {
            MadeAt = 0,
            Advertisements = [.. report.Advertisements.Select(state => state with { HereBytes = null, Source = null, NextTry = null, Since = 0, Reason = null })],
        })));
        if (core.State.Get(State.StateKey.Fingerprint(Fingerprint)) != print)
        {
            var urgency = moved.Any(decision => _asked.Contains(decision.AdvertisementId)) ? Urgency.AtOnce : core.OfMany;
            core.Spool.Put(ItemKind.Programs, Documents.ProgramsReport.Encode(report), print, urgency);
            _hasNews |= urgency == Urgency.AtOnce;
        }
        _asked.RemoveWhere(id => decisions.FirstOrDefault(decision => decision.AdvertisementId == id)?.State is not (ProgramState.Received or ProgramState.Shown or ProgramState.Waiting or ProgramState.Downloading or ProgramState.Ready or ProgramState.Running));
    }

    /// <summary>Whether a report was spooled that a contact is to be made for, and none was asked for yet; with the next call it is not.</summary>
    public bool TakeNews()
    {
        var had = _hasNews;
        _hasNews = false;
        return had;
    }

    /// <summary>Tells of the beginning of a run.</summary>
    public void Started(LedgerRun run, string advertisement) => Report("information", StatusCode.ProgramStarted, run, $"{What(run, advertisement)} was started");

    /// <summary>Tells of the end of a run.</summary>
    public void Ended(LedgerRun run, string advertisement, string rerun)
    {
        var what = What(run, advertisement);
        switch (run.Outcome)
        {
            case ProgramRun.Success:
                Report("information", StatusCode.ProgramSucceeded, run, $"{what} has succeeded");
                break;
            case ProgramRun.SuccessReboot:
                Report("information", StatusCode.ProgramSucceeded, run, $"{what} has succeeded, and needs this machine to be started anew (exit code {run.ExitCode})");
                break;
            case ProgramRun.Unknown:
                Report("warning", StatusCode.ProgramUnknown, run, $"{what} was begun, and nobody saw how it ended; its rule for runs again is {rerun}");
                break;
            default:
                Report("error", StatusCode.ProgramFailed, run, $"{what}: {run.Outcome}{(run.ExitCode is { } code ? $", exit code {code}" : "")}{(run.Output is { } output ? ": " + Line(output, 500) : "")}");
                break;
        }
    }

    private void Report(string severity, string code, LedgerRun run, string text) =>
        core.Report(severity, code, text, Component, _asked.Contains(run.AdvertisementId) ? Urgency.AtOnce : core.OfMany);

    private static string What(LedgerRun run, string advertisement) => $"{(run.IsRemoval ? "the removal of " : "")}{run.Program.Name} ({advertisement}, {run.AdvertisementId})";

    /// <summary>Pure.</summary>
    public static ProgramsReport Make(IReadOnlyList<ProgramDecision> decisions, IReadOnlyList<KnownAdvertisement> known, IReadOnlyDictionary<string, ToldDecision> told, long now)
    {
        var byId = known.ToDictionary(advertisement => advertisement.Document.AdvertisementId, StringComparer.Ordinal);
        return new ProgramsReport
        {
            MadeAt = now,
            Advertisements =
            [
                .. from decision in decisions.Take(ProgramsReport.MaxAdvertisements)
                   let advertisement = byId[decision.AdvertisementId]
                   let row = told.GetValueOrDefault(decision.AdvertisementId)
                   select new AdvertisementState
                   {
                       AdvertisementId = decision.AdvertisementId,
                       Revision = advertisement.Document.Revision,
                       State = decision.State,
                       Reason = decision.Reason is { } reason ? Line(reason, 500) : null,
                       Cause = decision.Cause,
                       Since = row?.Since.ToUnixTimeMilliseconds() ?? now,
                       NextTry = decision.Next?.ToUnixTimeSeconds(),
                       HereBytes = row?.HereBytes,
                       TotalBytes = row?.TotalBytes,
                       Source = row?.Source is { } source ? Line(source, 1_000) : null,
                       LastRun = decision.LastRun is { } run ? Of(run) : null,
                   },
            ],
        };
    }

    private static ProgramRun Of(LedgerRun run) => new()
    {
        Number = run.Number,
        PackageVersion = run.PackageVersion,
        StartedAt = run.StartedAt.ToUnixTimeMilliseconds(),
        EndedAt = run.EndedAt?.ToUnixTimeMilliseconds(),
        Outcome = run.Outcome,
        ExitCode = run.ExitCode,
        // Nobody reads what a program says that did what it should.
        Output = run.IsSuccess ? null : run.Output,
    };

    private static string Line(string text, int most)
    {
        var line = string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c)).Trim();
        return line.Length <= most ? line : line[..most];
    }
}
