using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Programs;

/// <summary>The available programs manager (APM): beside the client's loop it plans, brings content, runs programs, one thing at a time, and reports. Whatever fails here stops nothing else.</summary>
/// <remarks>It waits for a time that was planned, or for a signal: other orders, a person's request, the end of a run.</remarks>
internal sealed class ProgramLoop : IDisposable
{
    /// <summary>What it keeps below the client's directory.</summary>
    public const string FolderName = "programs";

    /// <summary>After a failure, and the longest wait at all: a lost signal costs no more.</summary>
    private static readonly TimeSpan s_retry = TimeSpan.FromMinutes(1), s_longest = TimeSpan.FromHours(1);

    private static readonly TimeSpan s_shortestLook = TimeSpan.FromSeconds(1);

    /// <summary>A plan that is carried out is empty soon; more steps at one look are a defect.</summary>
    private const int MaxSteps = 5_000;

    private static readonly TimeSpan s_longestPostponement = TimeSpan.FromDays(7);

    private readonly ClientCore _core;
    private readonly ProgramMachine _machine;
    private readonly IPackageContent _content;
    private readonly TimeProvider _time;
    private readonly ProgramLedger _ledger;
    private readonly ProgramRunner _runner;
    private readonly ProgramReporter _reporter;
    private readonly string _folder;
    private readonly Signal _wake;
    private readonly Dictionary<string, (ContentWait Wait, int Times)> _troubles = new(StringComparer.Ordinal);
    private (Task Task, string Run)? _watched;
    private string? _restartedFor;

    public ProgramLoop(ClientCore core, ProgramMachine machine, IPackageContent content, TimeProvider time, Action<string>? passing = null)
    {
        _core = core;
        _machine = machine;
        _content = content;
        _time = time;
        _wake = new Signal(time);
        _folder = Path.Combine(core.Directory, FolderName);
        _ledger = core.Programs;
        _runner = new ProgramRunner(_folder, _ledger, machine, core.Log, time, passing);
        _reporter = new ProgramReporter(core, _ledger);
        core.OrdersChanged += Woken;
    }

    /// <summary>A program runs, or has been begun and is not settled: the agent does not end itself meanwhile (ADR 11).</summary>
    public bool ProgramRuns => _runner.Open() is not null;

    /// <summary>Another look, soon.</summary>
    public void Wake() => _wake.Set();

    private void Woken(object? sender, EventArgs e) => Wake();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var requests = Requests();
        while (true)
        {
            var pause = await TurnAsync(cancellationToken);
            await _wake.WaitAsync(pause, cancellationToken);
        }
    }

    /// <summary>The end of the run that is watched; at once when there is none.</summary>
    internal Task RunEndsAsync() => _watched?.Task ?? Task.CompletedTask;

    /// <summary>Does what is due.</summary>
    /// <returns>How long nothing will be, unless a signal comes.</returns>
    internal async Task<TimeSpan> TurnAsync(CancellationToken cancellationToken)
    {
        try
        {
            var pause = await LookAsync(cancellationToken);
            _core.State.SetComponent(new ComponentState(ItemKind.Programs, "ok", null));
            _core.Spool.Over(ProgramReporter.Component, StatusCode.ComponentFailed);
            return pause;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // The loop must survive whatever a look meets; the failure is logged, counted, shown and tried again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Failed(e);
            return s_retry;
        }
    }

    public void Dispose()
    {
        _core.OrdersChanged -= Woken;
        _wake.Dispose();
    }

    private async Task<TimeSpan> LookAsync(CancellationToken cancellationToken)
    {
        _runner.Tidy();
        TakeRequests();
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            if (_runner.Open() is { } open)
            {
                if (await _runner.SettleAsync(open, () => DamageAsync(open, cancellationToken), cancellationToken) is { } ended)
                    Tell(ended);
                else
                    Watch(open, cancellationToken);
            }
            if (_core.Lifecycle != ClientLifecycle.Approved || _core.Policy is not { } policy)
                return s_longest;
            var facts = Facts(policy);
            var plan = AdvertisementPlanner.Plan(facts);
            Pin(plan, facts.Advertisements);
            _reporter.Tell(plan.Decisions, facts.Advertisements);
            if (plan.Step is not { } step || !await TryAsync(step, plan, cancellationToken))
            {
                // How it ended is worth a contact of its own; that it runs is told with the next one.
                if (!ProgramRuns && _reporter.TakeNews())
                    _core.TellReports();
                return Pause(plan);
            }
        }
        throw new InvalidOperationException($"the plan of the programs did not end after {MaxSteps} steps");
    }

    /// <summary>One step. What fails is noted on its advertisement, which is left alone for a while: the others go on.</summary>
    private async Task<bool> TryAsync(ProgramStep step, ProgramPlan plan, CancellationToken cancellationToken)
    {
        var id = step.For.Document.AdvertisementId;
        try
        {
            var goesOn = await ActAsync(step, plan, cancellationToken);
            _troubles.Remove(id);
            return goesOn;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // One advertisement must not stop the others, whatever is wrong with it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var times = _troubles.GetValueOrDefault(id).Times + 1;
            var until = _core.Clock.Wall + TimeSpan.FromMinutes(Math.Min(60, 1 << Math.Min(times, 6)));
            var cause = e.Message.ReplaceLineEndings(" ");
            _troubles[id] = (new ContentWait(ClientCore.Clip(cause), until), times);
            ProgramLog.TurnFailed(_core.Log, $"{step.For.Document.Name} ({id}): {cause}", TimeZoneInfo.ConvertTime(until, _time.LocalTimeZone), e);
            return true;
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

    /// <returns>False when nothing more can be done now.</returns>
    private async Task<bool> ActAsync(ProgramStep step, ProgramPlan plan, CancellationToken cancellationToken)
    {
        switch (step)
        {
            case ProgramStep.Forget forget:
                _ledger.Forget(forget.For.Document.AdvertisementId);
                ProgramLog.AdvertisementOver(_core.Log, forget.For.Document.AdvertisementId);
                return true;
            case ProgramStep.Notice notice:
                _ledger.Notice(notice.For.Document.AdvertisementId, _core.Clock.Wall);
                ProgramLog.UsersTold(_core.Log, string.Join(", ", _machine.Users()), notice.For.Document.AdvertisementId, notice.For.Document.Offer.Program.NoticeSeconds);
                return true;
            case ProgramStep.Fetch fetch:
                return await FetchAsync(fetch, plan, cancellationToken);
            case ProgramStep.Run run:
                return await RunAsync(run, cancellationToken);
            case ProgramStep.Restart restart:
                return await RestartAsync(restart, cancellationToken);
            default:
                throw new InvalidOperationException($"{step.GetType().Name} is no step for here");
        }
    }

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
        var need = new ContentNeed(step.IsDue, step.For.Document.OverSlowLinks ? null : LinkSpeed.Slow);
        var fetching = _content.EnsureAsync(package, manifest, need, new Progress(progress => _ledger.TellProgress(id, progress)), cut.Token);
        await UntilOtherwiseAsync(fetching, id, package, plan, cancellationToken);
        if (!fetching.IsCompleted)
            await cut.CancelAsync();
        ContentOutcome outcome;
        try
        {
            outcome = await fetching;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Something else is due; it goes on after that.
            return true;
        }
        _ledger.TellContent(id, outcome switch
        {
            ContentOutcome.Waits waits => new ContentWait(waits.Cause, _core.Clock.Wall + waits.Pause),
            ContentOutcome.Impossible impossible => new ContentWait(impossible.Cause, null),
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
            var facts = Facts(policy);
            plan = AdvertisementPlanner.Plan(facts);
            _reporter.Tell(plan.Decisions, facts.Advertisements);
            if (plan.Step is not ProgramStep.Fetch next || next.For.Document.AdvertisementId != id || AdvertisementPlanner.Package(next.Offer) != package)
                return;
        }
    }

    private async Task<bool> RunAsync(ProgramStep.Run step, CancellationToken cancellationToken)
    {
        string? directory = null;
        if (CommandLine.NeedsContent(step))
        {
            var package = AdvertisementPlanner.Package(step.Offer);
            directory = _content.Look(package).Directory ?? throw new InvalidOperationException($"{package} is not here, though it was planned to be run");
            if (_ledger.Manifest(package) is not { } manifest)
                throw new InvalidOperationException($"the manifest of {package} is not here, though its content is");
            if (await _content.VerifyAsync(package, manifest, cancellationToken) is { } fault)
            {
                ProgramLog.ContentRefused(_core.Log, package.ToString(), step.Offer.Program.Name, fault);
                // The next plan brings it here again.
                return !_content.Look(package).IsComplete;
            }
        }
        var run = await _runner.BeginAsync(step, directory, cancellationToken);
        _core.Report("information", StatusCode.ProgramStarted, $"{(step.IsRemoval ? "the removal of " : "")}{run.Program.Name} ({step.For.Document.Name}, {run.AdvertisementId}) was started", ProgramReporter.Component);
        return true;
    }

    private async Task<bool> RestartAsync(ProgramStep.Restart step, CancellationToken cancellationToken)
    {
        if (_restartedFor == step.After.Id)
            return false;
        ProgramLog.MachineRestarts(_core.Log, step.After.Program.Name, step.After.AdvertisementId);
        if (await _machine.Restart(cancellationToken) is { } fault)
            throw new ClientException($"this machine cannot be started anew: {fault}", "restart_failed");
        // It takes a while, in which it is not asked again.
        _restartedFor = step.After.Id;
        return false;
    }

    private void Tell(LedgerRun ended)
    {
        var name = _ledger.Advertisements(Listed(), _core.Site?.Epoch ?? 0).FirstOrDefault(known => known.Document.AdvertisementId == ended.AdvertisementId)?.Document.Name ?? ended.AdvertisementId;
        _reporter.Ended(ended, name, _ledger.RulesOf(ended.Id).Rerun);
    }

    /// <summary>Once for each run: its end is a signal.</summary>
    private void Watch(LedgerRun open, CancellationToken cancellationToken)
    {
        if (_watched is { } watched && watched.Run == open.Id && !watched.Task.IsCompleted)
            return;
        _watched = (WatchAsync(open, cancellationToken), open.Id);
    }

    private async Task WatchAsync(LedgerRun open, CancellationToken cancellationToken)
    {
        try
        {
            await _runner.WaitAsync(open, cancellationToken);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The next look finds out; the client may just be ending.
            return;
        }
        finally
        {
            if (!cancellationToken.IsCancellationRequested)
                Wake();
        }
    }

    private void TakeRequests()
    {
        foreach (var (what, id, minutes) in ProgramRequests.Waiting(_folder))
        {
            var known = _ledger.Advertisements(Listed(), _core.Site?.Epoch ?? 0).FirstOrDefault(known => known.Document.AdvertisementId == id);
            if (Fault(known, what, minutes) is { } fault)
                ProgramLog.RequestRefused(_core.Log, what, id, fault);
            else
            {
                ProgramLog.RequestTaken(_core.Log, what, id);
                if (what == ProgramRequests.Run)
                    _ledger.Ask(id);
                else
                    _ledger.Postpone(id, _core.Clock.Wall.AddMinutes(minutes));
            }
            ProgramRequests.Taken(_folder, what, id);
        }
    }

    /// <summary>Why a request is not followed; null when it is. The verb asks the same before.</summary>
    public static string? Fault(KnownAdvertisement? known, string what, int minutes) => known switch
    {
        null or { IsWithdrawn: true } => "this machine knows no such advertisement; capstan-client programs lists those that it does",
        { Document.State: Advertisement.Halted } => "the site has halted it",
        _ when what == ProgramRequests.Run => null,
        _ when minutes < 1 || TimeSpan.FromMinutes(minutes) > s_longestPostponement => "it can be postponed for 1 minute to 7 days",
        { Document.Purpose: not Advertisement.Required } => "it does not run by itself, so there is nothing to postpone",
        _ when known.Postponements >= known.Document.Offer.Program.MaxPostponements => $"it may be postponed {known.Document.Offer.Program.MaxPostponements} times, and was {known.Postponements} times",
        _ => null,
    };

    private HashSet<string> Listed() => _core.Policy is { } policy ? policy.Advertisements.ToHashSet(StringComparer.Ordinal) : [];

    private ProgramFacts Facts(Policy policy) => new()
    {
        Now = _core.Clock.Wall,
        DeviceId = _core.Keys.Id.Value,
        Advertisements = [.. _ledger.Advertisements(policy.Advertisements.ToHashSet(StringComparer.Ordinal), _core.Site?.Epoch ?? 0)
            .Select(known => _troubles.TryGetValue(known.Document.AdvertisementId, out var trouble) ? known with { Trouble = trouble.Wait } : known)],
        Runs = _ledger.Runs(),
        Content = _content.Look,
        BootId = _machine.Processes.BootId(),
        Platform = _machine.Platform,
        MemoryBytes = _machine.MemoryBytes,
        FreeBytes = _machine.FreeBytes(_core.Directory),
        Users = _machine.Users(),
        Window = _core.Settings.Window,
        RemovalPause = _core.Settings.RemovalPause,
        TimeZone = _time.LocalTimeZone,
    };

    /// <summary>What runs or is to be run; first what is needed first. What is done with may go, and comes again when it is asked for.</summary>
    private void Pin(ProgramPlan plan, IReadOnlyList<KnownAdvertisement> known) => _content.Pin([.. known
        .Where(advertisement => advertisement.Document.Recurrence is not null || plan.Decisions.FirstOrDefault(decision => decision.AdvertisementId == advertisement.Document.AdvertisementId)?.State
            is ProgramState.Received or ProgramState.Waiting or ProgramState.Downloading or ProgramState.Ready or ProgramState.Running)
        .OrderByDescending(advertisement => advertisement.Document.Priority)
        .SelectMany(advertisement => advertisement.Document.Offer.Chain())
        .Select(AdvertisementPlanner.Package)
        .Distinct()]);

    private TimeSpan Pause(ProgramPlan plan)
    {
        if (plan.Wake is not { } wake)
            return s_longest;
        var pause = wake - _core.Clock.Wall;
        return pause < TimeSpan.Zero ? TimeSpan.Zero : Backoff.Min(pause, s_longest);
    }

    private FileSystemWatcher? Requests()
    {
        try
        {
            // Each by itself: only the last one is made private.
            Identity.DurableFile.CreatePrivateDirectory(_folder);
            Identity.DurableFile.CreatePrivateDirectory(ProgramRequests.DirectoryIn(_folder));
            var watcher = new FileSystemWatcher(ProgramRequests.DirectoryIn(_folder)) { NotifyFilter = NotifyFilters.FileName };
            watcher.Renamed += (_, _) => Wake();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A request is then found at the next look.
            Failed(e);
            return null;
        }
    }

    private void Failed(Exception e)
    {
        var cause = e.Message.ReplaceLineEndings(" ");
        ProgramLog.TurnFailed(_core.Log, cause, TimeZoneInfo.ConvertTime(_core.Clock.Wall + s_retry, _time.LocalTimeZone), e);
        try
        {
            _core.State.SetComponent(new ComponentState(ItemKind.Programs, "failed", ClientCore.Clip(cause)));
            _core.Report("error", StatusCode.ComponentFailed, $"programs: {cause}; next look in a minute", ProgramReporter.Component);
        }
        catch (ClientException unwritable)
        {
            // Where the state cannot be written, the log is the only place to say so.
            ProgramLog.TurnFailed(_core.Log, unwritable.Message, TimeZoneInfo.ConvertTime(_core.Clock.Wall + s_retry, _time.LocalTimeZone), unwritable);
        }
    }

    private sealed class Progress(Action<ContentProgress> told) : IProgress<ContentProgress>
    {
        public void Report(ContentProgress value) => told(value);
    }
}
