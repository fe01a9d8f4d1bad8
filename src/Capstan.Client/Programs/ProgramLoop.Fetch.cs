using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>How the loop brings content here, keeps what is needed, and tries again what waited.</summary>
internal sealed partial class ProgramLoop
{
    /// <summary>Brings content here, until it is here, cannot be had, or something else is due: what was read stays.</summary>
    private async Task<bool> FetchAsync(ProgramStep.Fetch step, ProgramPlan plan, CancellationToken cancellationToken)
    {
        var id = step.For.Document.AdvertisementId;
        var package = AdvertisementPlanner.Package(step.Offer);
        if (_ledger.Manifest(package) is not { } manifest)
        {
            _ledger.TellContent(id, new ContentWait($"the manifest of {package} is not here; it comes with the next complete cycle", _core.Clock.Wall + s_longest));
            return true;
        }
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var need = new ContentNeed(step.IsDue, step.For.Document.OverSlowLinks ? null : LinkSpeed.Slow, !step.For.Document.OverUnknownLinks);
        var note = new ContentNote(id, _ledger, _time);
        var fetching = _content.EnsureAsync(package, manifest, need, note, cut.Token);
        try
        {
            await UntilOtherwiseAsync(fetching, id, package, plan, cancellationToken);
        }
        finally
        {
            // It may have ended by itself; otherwise something else is due, and it goes on after that.
            await cut.CancelAsync();
            await ((Task)fetching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        cancellationToken.ThrowIfCancellationRequested();
        note.Flush();
        if (fetching.IsCanceled)
            return true;
        var outcome = await fetching;
        _ledger.TellContent(id, outcome switch
        {
            ContentOutcome.Waits waits => new ContentWait(waits.Cause, _core.Clock.Wall + Backoff.Min(waits.Pause, ProgramLedger.LongestContentWait)),
            // What it needs may come without another order, and without another setting.
            ContentOutcome.Impossible impossible => new ContentWait($"it cannot be brought here: {impossible.Cause}", _core.Clock.Wall + ProgramLedger.LongestContentWait),
            _ => null,
        });
        if (outcome is ContentOutcome.Ready && !_content.Look(package).IsComplete)
            throw new InvalidOperationException($"{package} was brought here, and is not here");
        return true;
    }

    /// <summary>Returns when content is here or cannot be had, or when something else than this is next: a signal alone does not cut a long transfer, which would begin with looking through all that is here.</summary>
    private async Task UntilOtherwiseAsync(Task fetching, string id, PackageKey package, ProgramPlan plan, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var pause = Pause(plan);
            var waiting = _wake.WaitAsync(pause < s_shortestLook ? s_shortestLook : pause, done.Token);
            await Task.WhenAny(fetching, waiting);
            await done.CancelAsync();
            await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (fetching.IsCompleted || cancellationToken.IsCancellationRequested || _core.Lifecycle != ClientLifecycle.Approved || _core.Policy is not { } policy)
                return;
            TakeRequests();
            // Content is read beside a program that runs.
            await SettleAsync(cancellationToken);
            var facts = Facts(policy);
            plan = AdvertisementPlanner.Plan(facts);
            _reporter.Tell(plan.Decisions, facts.Advertisements);
            TellNews();
            if (plan.Step is not ProgramStep.Fetch next || next.For.Document.AdvertisementId != id || AdvertisementPlanner.Package(next.Offer) != package)
                return;
        }
    }

    /// <summary>What is wrong with the content of a run that has not begun; null for nothing.</summary>
    private async Task<string?> DamageAsync(LedgerRun run, CancellationToken cancellationToken)
    {
        var rules = _ledger.RulesOf(run.Id);
        if (run.IsRemoval ? rules.Removal?.Command is null : rules.Native is { Action: NativePackage.Remove })
            return null;
        var package = new PackageKey(run.Program.PackageId, run.PackageVersion);
        return _ledger.Manifest(package) is not { } manifest ? $"the manifest of {package} is not here any more"
            : _content.Look(package).IsComplete ? await _content.VerifyAsync(package, manifest, cancellationToken) : $"the content of {package} is not here any more";
    }

    /// <summary>What content waits for may be a setting: it is not left to wait when that is another one.</summary>
    private void TakeSettings()
    {
        if (_contentSettings is { } before && before != _core.Settings.Content)
        {
            _ledger.RetryContent();
            ProgramLog.ContentRetried(_core.Log);
        }
        _contentSettings = _core.Settings.Content;
    }

    /// <summary>What runs or is to be run; first what is needed first. What is done with may go, and comes again when it is asked for.</summary>
    private void Pin(ProgramPlan plan, ProgramFacts facts)
    {
        var needed = plan.Decisions
            .Where(decision => decision.State is ProgramState.Received or ProgramState.Waiting or ProgramState.Downloading or ProgramState.Ready or ProgramState.Running)
            .Select(decision => decision.AdvertisementId)
            .ToHashSet(StringComparer.Ordinal);
        _content.Pin([.. facts.Runs
            // It may be of a version that is offered no more.
            .Where(run => run.Outcome is null)
            .Select(PackageOf)
            .Concat(facts.Advertisements
                .Where(known => known.Document.Recurrence is not null || needed.Contains(known.Document.AdvertisementId))
                .OrderByDescending(known => known.Document.Priority)
                .SelectMany(known => Packages(known, facts.Runs)))
            .Distinct()]);
    }

    /// <summary>What was installed is removed by what was installed, which is not always what was offered last.</summary>
    private static IEnumerable<PackageKey> Packages(KnownAdvertisement known, IReadOnlyList<LedgerRun> runs)
    {
        var offered = known.Document.Offer.Chain().Select(AdvertisementPlanner.Package);
        return known.IsWithdrawn && runs.LastOrDefault(run => run.Program == ProgramKey.Of(known.Document.Offer) && run is { IsRemoval: false, IsSuccess: true }) is { } installed
            ? offered.Prepend(PackageOf(installed)) : offered;
    }

    private static PackageKey PackageOf(LedgerRun run) => new(run.Program.PackageId, run.PackageVersion);
}
