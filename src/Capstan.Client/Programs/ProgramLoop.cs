using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Programs;

/// <summary>The available programs manager (APM): beside the client's loop it plans, brings content, runs programs, one thing at a time, and reports. Whatever fails here stops nothing else.</summary>
/// <remarks>It waits for a time that was planned, or for a signal: other orders, a person's request, the end of a run.</remarks>
internal sealed partial class ProgramLoop : IDisposable
{
    /// <summary>What it keeps below the client's directory.</summary>
    public const string FolderName = "programs";

    /// <summary>After a failure, and the longest wait at all: a lost signal costs no more.</summary>
    private static readonly TimeSpan s_retry = TimeSpan.FromMinutes(1), s_longest = TimeSpan.FromHours(1);

    private static readonly TimeSpan s_shortestLook = TimeSpan.FromSeconds(1);

    /// <summary>A plan that is carried out is empty soon; more steps at one look are a defect.</summary>
    private const int MaxSteps = 5_000;

    /// <summary>A restart that was asked for has come by then, or does not.</summary>
    private static readonly TimeSpan s_restartTakes = TimeSpan.FromMinutes(10);

    /// <summary>Over how long many devices that have the same time for a program spread what they read before it: so, or the CAP's own interval where that is longer.</summary>
    private static readonly TimeSpan s_contentSpread = TimeSpan.FromHours(1);

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
    private (string Run, long Since)? _restartAsked;
    private ContentSettings? _contentSettings;

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

    /// <summary>Runs until cancelled, whatever fails.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_machine.Gates.Caveat is { } caveat)
            ProgramLog.GatesAreInside(_core.Log, caveat);
        while (true)
        {
            try
            {
                using var requests = Requests();
                while (true)
                {
                    var pause = await TurnAsync(cancellationToken);
                    await _wake.WaitAsync(pause, cancellationToken);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw;
            }
#pragma warning disable CA1031 // Nobody waits for this loop but the end of the client: what it dies of would be seen by nobody.
            catch (Exception e)
#pragma warning restore CA1031
            {
                ProgramLog.TurnFailed(_core.Log, e.Message.ReplaceLineEndings(" "), TimeZoneInfo.ConvertTime(_core.Clock.Wall + s_retry, _time.LocalTimeZone), e);
                await Task.Delay(s_retry, _time, cancellationToken);
            }
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
        await _runner.TidyAsync(cancellationToken);
        if (_ledger.CorrectMoments(_core.Clock.Wall))
            ProgramLog.MomentsCorrected(_core.Log);
        TakeSettings();
        TakeRequests();
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            await SettleAsync(cancellationToken);
            if (_core.Lifecycle != ClientLifecycle.Approved || _core.Policy is not { } policy)
                return s_longest;
            var facts = Facts(policy);
            var plan = AdvertisementPlanner.Plan(facts);
            Pin(plan, facts);
            _reporter.Tell(plan.Decisions, facts.Advertisements);
            if (plan.Step is not { } step || !await TryAsync(step, plan, cancellationToken))
            {
                // How it ended is worth a contact of its own; that it runs is told with the next one.
                TellNews();
                return Pause(plan);
            }
        }
        throw new InvalidOperationException($"the plan of the programs did not end after {MaxSteps} steps");
    }

    private async Task SettleAsync(CancellationToken cancellationToken)
    {
        if (_runner.Open() is not { } open)
            return;
        if (await _runner.SettleAsync(open, () => DamageAsync(open, cancellationToken), cancellationToken) is { } ended)
            Tell(ended);
        else
            Watch(open, cancellationToken);
    }

    private void TellNews()
    {
        if (!ProgramRuns && _reporter.TakeNews())
            _core.TellReports();
    }

    /// <summary>One step. What fails is noted on its advertisement, which is left alone for a while: the others go on.</summary>
    private async Task<bool> TryAsync(ProgramStep step, ProgramPlan plan, CancellationToken cancellationToken)
    {
        var id = step.For.Document.AdvertisementId;
        try
        {
            var goesOn = await ActAsync(step, plan, cancellationToken);
            // A restart that was asked for has not come yet.
            if (step is not ProgramStep.Restart)
                _troubles.Remove(id);
            return goesOn;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // One advertisement must not stop the others, whatever is wrong with it.
        catch (Exception e) when (step is not ProgramStep.Forget)
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

    /// <returns>False when nothing more can be done now.</returns>
    private async Task<bool> ActAsync(ProgramStep step, ProgramPlan plan, CancellationToken cancellationToken)
    {
        switch (step)
        {
            case ProgramStep.Forget forget:
                _ledger.Forget(forget.All.Select(known => known.Document.AdvertisementId));
                foreach (var known in forget.All)
                    ProgramLog.AdvertisementOver(_core.Log, known.Document.AdvertisementId);
                return true;
            case ProgramStep.Notice notice:
                Notice(notice);
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

    private async Task<bool> RunAsync(ProgramStep.Run step, CancellationToken cancellationToken)
    {
        string? directory = null;
        if (CommandLine.NeedsContent(step))
        {
            var package = AdvertisementPlanner.Package(step.Offer);
            // It may have come for another one.
            var here = _content.Look(package);
            _ledger.TellProgress(step.For.Document.AdvertisementId, new ContentProgress(here.HereBytes, here.TotalBytes, Source: null));
            directory = here.Directory ?? throw new InvalidOperationException($"{package} is not here, though it was planned to be run");
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
        _reporter.Started(run, step.For.Document.Name);
        return true;
    }

    private async Task<bool> RestartAsync(ProgramStep.Restart step, CancellationToken cancellationToken)
    {
        if (_restartAsked is { } asked && asked.Run == step.After.Id)
        {
            // It takes a while, in which it is not asked again; others do not wait for what does not come.
            if (_time.GetElapsedTime(asked.Since) < s_restartTakes)
                return false;
            _restartAsked = null;
            throw new ClientException($"this machine was asked to start anew {s_restartTakes.TotalMinutes:F0} minutes ago, and has not", "restart_failed");
        }
        ProgramLog.MachineRestarts(_core.Log, step.After.Program.Name, step.After.AdvertisementId);
        if (await _machine.Restart(cancellationToken) is { } fault)
            throw new ClientException($"this machine cannot be started anew: {fault}", "restart_failed");
        _restartAsked = (step.After.Id, _time.GetTimestamp());
        return false;
    }

    private void Notice(ProgramStep.Notice notice)
    {
        var text = ProgramNotice.Of(notice, _core.Clock.Wall, _time.LocalTimeZone);
        // Told first: whoever is told twice has lost nothing.
        var told = _machine.Terminals?.Write(text) ?? [];
        _ledger.Notice(notice.For.Document.AdvertisementId, _core.Clock.Wall);
        ProgramLog.UsersTold(_core.Log, notice.For.Document.AdvertisementId, notice.Offer.Program.NoticeSeconds, text, Names(told.Where(one => one.Fault is null)), Names(told.Where(one => one.Fault is not null)));

        static string Names(IEnumerable<ToldSession> told) => string.Join(", ", told) is { Length: > 0 } names ? names : "nobody";
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
            if (ProgramRequests.Fault(known, what, minutes) is { } fault)
                ProgramLog.RequestRefused(_core.Log, what, id, fault);
            else
            {
                ProgramLog.RequestTaken(_core.Log, what, id);
                if (what == ProgramRequests.Run)
                {
                    _ledger.Ask(id);
                    _reporter.Asked(id);
                }
                else
                    _ledger.Postpone(id, _core.Clock.Wall.AddMinutes(minutes));
            }
            ProgramRequests.Taken(_folder, what, id);
        }
    }

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
        ContentSpread = CapExport.AllLocal(_core) ? TimeSpan.Zero : Backoff.Max(s_contentSpread, TimeSpan.FromSeconds(_core.State.GetNumber(State.StateKey.PollSeconds))),
        Phase = EvenPhase.Fraction(policy.Certificate.Ordinal),
    };

    private TimeSpan Pause(ProgramPlan plan)
    {
        var longest = _restartAsked is null ? s_longest : s_restartTakes;
        if (plan.Wake is not { } wake)
            return longest;
        var pause = wake - _core.Clock.Wall;
        return pause < TimeSpan.Zero ? TimeSpan.Zero : Backoff.Min(pause, longest);
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
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
            _core.Report("error", StatusCode.ComponentFailed, $"programs: {cause}; next look in a minute", ProgramReporter.Component, _core.OfMany);
        }
        catch (ClientException unwritable)
        {
            // Where the state cannot be written, the log is the only place to say so.
            ProgramLog.TurnFailed(_core.Log, unwritable.Message, TimeZoneInfo.ConvertTime(_core.Clock.Wall + s_retry, _time.LocalTimeZone), unwritable);
        }
    }
}
