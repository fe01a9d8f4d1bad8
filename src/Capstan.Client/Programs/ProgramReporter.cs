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

    private bool _hasNews;

    /// <summary>Writes down what was decided, and spools the report when it is another than the last.</summary>
    public void Tell(IReadOnlyList<ProgramDecision> decisions, IReadOnlyList<KnownAdvertisement> known)
    {
        var before = ledger.Told();
        ledger.Tell(decisions, core.Clock.Wall);
        foreach (var decision in decisions.Where(decision => before.TryGetValue(decision.AdvertisementId, out var told) && (told.State != decision.State || told.Cause != decision.Cause)))
            ProgramLog.AdvertisementMoved(core.Log, decision.AdvertisementId, decision.State, decision.Reason ?? decision.Cause ?? decision.State);
        if (known.Count == 0 && core.State.Get(State.StateKey.Fingerprint(Fingerprint)) is null)
            return;
        // What a report says beside its own time and progress: the same is not sent twice.
        var report = Make(decisions, known, ledger.Told(), core.Clock.Wall.ToUnixTimeMilliseconds());
        var print = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Documents.ProgramsReport.Encode(report with
        {
            MadeAt = 0,
            Advertisements = [.. report.Advertisements.Select(state => state with { HereBytes = null, Source = null, NextTry = null, Since = 0, Reason = null })],
        })));
        if (core.State.Get(State.StateKey.Fingerprint(Fingerprint)) != print)
        {
            core.Spool.Put(ItemKind.Programs, Documents.ProgramsReport.Encode(report), print);
            _hasNews = true;
        }
    }

    /// <summary>Whether a report was spooled that no contact was asked for yet; with the next call it is not.</summary>
    public bool TakeNews()
    {
        var had = _hasNews;
        _hasNews = false;
        return had;
    }

    /// <summary>Tells of the end of a run.</summary>
    public void Ended(LedgerRun run, string advertisement, string rerun)
    {
        var what = $"{(run.IsRemoval ? "the removal of " : "")}{run.Program.Name} ({advertisement}, {run.AdvertisementId})";
        switch (run.Outcome)
        {
            case ProgramRun.Success:
                core.Report("information", StatusCode.ProgramSucceeded, $"{what} has succeeded", Component);
                break;
            case ProgramRun.SuccessReboot:
                core.Report("information", StatusCode.ProgramSucceeded, $"{what} has succeeded, and needs this machine to be started anew (exit code {run.ExitCode})", Component);
                break;
            case ProgramRun.Unknown:
                core.Report("warning", StatusCode.ProgramUnknown, $"{what} was begun, and nobody saw how it ended; its rule for runs again is {rerun}", Component);
                break;
            default:
                core.Report("error", StatusCode.ProgramFailed, $"{what}: {run.Outcome}{(run.ExitCode is { } code ? $", exit code {code}" : "")}{(run.Output is { } output ? ": " + Line(output, 500) : "")}", Component);
                break;
        }
    }

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
