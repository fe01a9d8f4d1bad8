using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>Whether a program is to be run for an advertisement, by what it did before: table E1 and the rules for runs again. Pure.</summary>
internal abstract record Standing
{
    private Standing()
    {
    }

    public sealed record MustRun : Standing;

    public sealed record Running(LedgerRun Run) : Standing;

    /// <summary>Tried, and to be tried again.</summary>
    public sealed record Again(LedgerRun Last, DateTimeOffset At) : Standing;

    public sealed record Succeeded(LedgerRun Last) : Standing;

    /// <summary>It succeeded, and the machine has to be started anew for it.</summary>
    public sealed record PendingReboot(LedgerRun Last) : Standing;

    public sealed record Failed(LedgerRun Last) : Standing;

    /// <summary>Begun, and nobody saw the end.</summary>
    public sealed record Unknown(LedgerRun Last) : Standing;

    /// <param name="runs">Of this program, oldest first; whatever offered them.</param>
    /// <param name="occasion">See <see cref="Schedule.Occasion"/>.</param>
    /// <param name="begins">When this occasion may begin.</param>
    /// <param name="isFirst">It has to have succeeded for another one: any success will do, of this version or a later one.</param>
    public static Standing Of(ProgramOffer offer, IReadOnlyList<LedgerRun> runs, KnownAdvertisement known, long occasion, DateTimeOffset begins, bool isFirst, string bootId)
    {
        var rules = offer.Program;
        // What was taken away again is as if it had never been.
        var removal = runs.Select((run, index) => (run, index)).LastOrDefault(pair => pair.run is { IsRemoval: true, IsSuccess: true });
        var present = removal.run is null ? runs : [.. runs.Skip(removal.index + 1)];
        if (present.LastOrDefault(run => !run.IsRemoval) is not { } last)
            return new MustRun();
        if (last.Outcome is null)
            return new Running(last);
        var here = present.Where(run => !run.IsRemoval && run.AdvertisementId == known.Document.AdvertisementId && run.Occasion == occasion).ToList();
        if (known.IsAsked && !isFirst)
            return new MustRun();
        if (here.Count > 0 && here[^1] == last)
            return OfThis(offer, here, bootId);
        if (isFirst)
            return last.IsSuccess && last.PackageVersion >= offer.PackageVersion ? Done(last, bootId) : new MustRun();
        var isNewer = offer.PackageVersion > last.PackageVersion;
        if (known.Document.Recurrence is not null)
            return here.Count > 0 ? Done(last, bootId) : new MustRun();
        // The same advertisement for the same time was run, though not last: it is not run for it again.
        var isOfferedAgain = here.Count == 0 && begins > last.StartedAt;
        var runsAgain = rules.Rerun switch
        {
            ProgramRules.Always => here.Count == 0,
            ProgramRules.IfFailed => !last.IsSuccess && isOfferedAgain,
            ProgramRules.OnNewVersion => isNewer || (!last.IsSuccess && isOfferedAgain),
            _ => false,
        };
        return runsAgain ? new MustRun() : Done(last, bootId);
    }

    /// <summary>It was run for this very occasion: again only when its end says so, or another version has come.</summary>
    private static Standing OfThis(ProgramOffer offer, List<LedgerRun> here, string bootId)
    {
        var last = here[^1];
        var rules = offer.Program;
        if (rules.Rerun == ProgramRules.OnNewVersion && offer.PackageVersion > last.PackageVersion)
            return new MustRun();
        var tries = here.Count(run => run.PackageVersion == last.PackageVersion);
        return last.Outcome switch
        {
            ProgramRun.Retry when tries < rules.MaxTries => new Again(last, (last.EndedAt ?? last.StartedAt).AddSeconds(rules.RetrySeconds)),
            // Nothing has run: that is always safe to repeat.
            ProgramRun.NotStarted when tries < Math.Max(3, rules.MaxTries) => new Again(last, (last.EndedAt ?? last.StartedAt).AddSeconds(rules.RetrySeconds)),
            // What ends a machine each time must not do so for ever: one more try, or what its rules allow.
            ProgramRun.Unknown when rules.Rerun != ProgramRules.Never && tries < Math.Max(2, rules.MaxTries) => new Again(last, (last.EndedAt ?? last.StartedAt).AddSeconds(rules.RetrySeconds)),
            _ => Done(last, bootId),
        };
    }

    /// <summary>Where a start of the machine has no name, a run is taken for one of a start before: a restart too few is better than one after the other.</summary>
    private static Standing Done(LedgerRun last, string bootId) => last.Outcome switch
    {
        ProgramRun.Success => new Succeeded(last),
        ProgramRun.SuccessReboot => last.BootId == bootId && bootId.Length > 0 ? new PendingReboot(last) : new Succeeded(last),
        ProgramRun.Unknown => new Unknown(last),
        _ => new Failed(last),
    };
}
