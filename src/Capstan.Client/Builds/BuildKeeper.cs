using System.Globalization;
using Capstan.Client.Configuration;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>Which build this process is, as its launcher says.</summary>
/// <param name="Id">The package's, or a folder below <c>builds</c>.</param>
/// <param name="PackageFolder">Where the package put its own build.</param>
public sealed record BuildIdentity(string Id, string PackageFolder);

/// <summary>Carries the plan of the builds out: the shell around <see cref="BuildPlanner"/>. A component of its own: what it meets stops nothing else. One caller at a time.</summary>
internal sealed class BuildKeeper(ClientCore core, BuildFolder folder, BuildIdentity self, Func<bool> programRuns, Deadlines deadlines)
{
    /// <summary>Name in status messages and heartbeats.</summary>
    public const string Component = "client-builds";

    /// <summary>More steps than any order has: a plan that does not end is a defect, and shows.</summary>
    private const int MaxSteps = 1_000;

    private static readonly TimeSpan ActDeadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan FetchDeadline = TimeSpan.FromMinutes(4);

    /// <summary>Least pause between two contacts that read a build, and how many times a contact's own time it is: others want the server, too.</summary>
    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(1);
    private const int PausePerTime = 4;

    /// <summary>Pause after content that was not the signed one; it doubles, to an hour.</summary>
    private static readonly TimeSpan BadPause = TimeSpan.FromSeconds(10);

    private readonly PartOrigin _origin = new();
    private ClientBuild? _inspected;
    private HashSet<string> _whole = [];
    private IReadOnlyDictionary<string, string> _atHand = new Dictionary<string, string>(StringComparer.Ordinal);
    private bool _isPackageWanted, _contactWasWhole, _hadTurn, _toldDamage;
    private TimeSpan? _goOnAt;
    private int _badTries;
    private bool _failedInTurn;

    /// <summary>Another build is to be started: the process ends itself now.</summary>
    public bool MustRestart { get; private set; }

    /// <summary>A trial goes on with a contact that shows all: this process is the trial, or runs in its place until there was one.</summary>
    public bool NeedsWholeContact => folder.ReadState().Trial is not null;

    /// <summary>When a contact is wanted to read files of a build; null for none.</summary>
    public TimeSpan? FetchAt { get; private set; }

    /// <summary>Before the first turn of the loop: what the launcher did is written down, and what lies on the disk is compared with the order.</summary>
    public Task BeginAsync(CancellationToken cancellationToken) => GuardedAsync(async token =>
    {
        _inspected = null;
        _goOnAt = core.Clock.Now;
        await ActAsync(token);
    }, ActDeadline, cancellationToken);

    /// <summary>After a turn of the loop, without a lease.</summary>
    /// <param name="contactWasWhole">The turn had a contact that verified the metadata and left nothing undone.</param>
    public Task AfterTurnAsync(bool contactWasWhole, CancellationToken cancellationToken) => GuardedAsync(async token =>
    {
        _contactWasWhole |= contactWasWhole;
        if (!_hadTurn && Directory.Exists(folder.Root))
            folder.GotUp();
        _hadTurn = true;
        await ActAsync(token);
        // For this turn alone: a contact that read nothing is no reason for another one before its time.
        _goOnAt = null;
        // Not what failed a moment ago in the same turn: it would be news again each time, and news is urgent.
        if (!_failedInTurn)
            core.Spool.Over(Component, StatusCode.ComponentFailed);
        _failedInTurn = false;
    }, ActDeadline, cancellationToken);

    /// <summary>Within a contact: reads what the plan lacks, as far as one contact may.</summary>
    /// <param name="verify">Compare what lies on the disk with the order again.</param>
    /// <param name="problems">Takes one line for each thing that went wrong.</param>
    /// <returns>True when the CAP gave something that was not signed: another one may have better.</returns>
    /// <exception cref="NalException">The storage failed; what was read stays.</exception>
    public async Task<bool> FetchAsync(TufClient metadata, IStore store, NalPath cap, bool verify, List<string> problems, TimeProvider time, CancellationToken cancellationToken)
    {
        NalException? storage = null;
        var isDoubtful = false;
        var began = time.GetTimestamp();
        var fetcher = new BuildFetcher(folder, store, cap, _origin, time);
        await GuardedAsync(async token =>
        {
            if (verify)
                _inspected = null;
            try
            {
                await FetchMissingAsync(fetcher, metadata, cap, token);
                _badTries = 0;
                core.Spool.Over(Component, StatusCode.BuildInvalid);
            }
            catch (ProtocolException e)
            {
                isDoubtful = true;
                _goOnAt = core.Clock.Now + Backoff.Min(TimeSpan.FromHours(1), BadPause * Math.Pow(2, Math.Min(_badTries++, 20)));
                problems.Add(e.Message);
                ClientLog.BuildInvalid(core.Log, e.Message);
                core.Report("error", StatusCode.BuildInvalid, e.Message, Component);
            }
            catch (NalException e)
            {
                storage = e;
            }
            if (!isDoubtful && fetcher.IsSpent)
                _goOnAt = core.Clock.Now + Backoff.Max(LeastPause, time.GetElapsedTime(began) * PausePerTime);
        }, FetchDeadline, cancellationToken);
        return storage is null ? isDoubtful : throw storage;
    }

    /// <summary>The process was told to stop: a trial that is not over gives way and gets its start back, since nobody knows yet what it is worth. A stop in order is no start that failed.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (!Directory.Exists(folder.Root))
                return;
            folder.GotUp();
            if (BuildPlanner.Stopped(folder.ReadState(), self.Id, _contactWasWhole) is not { } state)
                return;
            await folder.WriteStateAsync(state, cancellationToken);
            // Before the start is given back: the number is the same again, and this process was started all the same.
            core.State.Set((StateKey.BuildAsked, null));
            await folder.GiveBackAsync(state.Trial!, cancellationToken);
            ClientLog.BuildWaits(core.Log, $"build {self.Id} on trial was stopped before its whole contact; {state.Current} looks for a CAP first, and then the trial goes on");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ClientException)
        {
            // It was told to stop, and does; at worst the start counts.
            ClientLog.ComponentFailed(core.Log, Component, e.Message, e);
        }
    }

    private async Task FetchMissingAsync(BuildFetcher fetcher, TufClient metadata, NalPath cap, CancellationToken cancellationToken)
    {
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            var facts = Facts(cancellationToken);
            if (BuildPlanner.Plan(facts).Steps.OfType<BuildStep.Fetch>().FirstOrDefault() is not { } fetch)
                return;
            TellDamage(facts);
            var location = await metadata.LocateTargetAsync(fetch.File.Target, cancellationToken)
                ?? throw new ProtocolException(ProtocolError.Missing, $"{fetch.File.Target} of build {facts.Wanted!.Id()} is not listed by the site's metadata", fetch.File.Target);
            folder.DropPartsExcept(new HashSet<string>(StringComparer.Ordinal) { location.Sha256 });
            var before = fetcher.BytesRead;
            var isWhole = await fetcher.FetchAsync(facts.Wanted!.Id(), fetch.File, location, cancellationToken);
            if (fetcher.Mended is { } mended)
                ClientLog.BuildPartMixed(core.Log, mended);
            if (!isWhole)
                return;
            _whole.Add(fetch.File.Name);
            ClientLog.BuildFileFetched(core.Log, fetch.File.Name, facts.Wanted!.Id(), cap.ToString(), fetcher.BytesRead - before);
        }
    }

    private async Task ActAsync(CancellationToken cancellationToken)
    {
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            var facts = Facts(cancellationToken);
            if (facts.LeftOut.Count > 0 && facts.Running == facts.State.Current)
                // What the launcher left out has been written down as bad; it may be ordered anew.
                folder.ForgetLeftOut();
            var plan = BuildPlanner.Plan(facts);
            if (plan.Steps.FirstOrDefault(step => step is not BuildStep.Fetch) is not { } step)
            {
                FetchAt = plan.Steps.Count > 0 ? _goOnAt : facts.Wanted is { } wanted && !facts.IsItsTurn ? Turn(wanted) : null;
                Tell(plan);
                return;
            }
            if (step is BuildStep.Restart)
            {
                if (Asked(facts) is { } asked)
                    core.State.Set((StateKey.BuildAsked, asked));
                MustRestart = true;
                FetchAt = null;
                Tell(plan);
                return;
            }
            await StepAsync(step, facts, cancellationToken);
        }
        throw new InvalidOperationException($"the plan of the builds did not end after {MaxSteps} steps");
    }

    private async Task StepAsync(BuildStep step, BuildFacts facts, CancellationToken cancellationToken)
    {
        switch (step)
        {
            case BuildStep.Copy copy:
                var content = new FileStream(_atHand[copy.File.Sha256], FileMode.Open, FileAccess.Read, FileShare.Read);
                await using (content.ConfigureAwait(false))
                {
                    if (await folder.PutAsync(facts.Wanted!.Id(), copy.File, content, cancellationToken))
                        _whole.Add(copy.File.Name);
                    else
                        // It changed since it was looked at.
                        _inspected = null;
                }
                break;
            case BuildStep.Seal:
                await folder.SealAsync(facts.Wanted!, cancellationToken);
                break;
            case BuildStep.Drop drop:
                folder.Drop(drop.Id);
                break;
            case BuildStep.Become become:
                // Reported first: repeated after a crash it only counts, and is never lost.
                Report(become);
                await folder.WriteStateAsync(become.State, cancellationToken);
                if (become.Change is BuildChange.Failed or BuildChange.Tried or BuildChange.Confirmed)
                    folder.ForgetEnds();
                break;
            default:
                throw new InvalidOperationException($"{step.GetType().Name} is no step for here");
        }
    }

    private BuildFacts Facts(CancellationToken cancellationToken)
    {
        var state = folder.ReadState();
        var wanted = core.Lifecycle == ClientLifecycle.Approved && !core.Settings.HoldsBuilds ? core.State.Document(DocumentName.Builds, Documents.ClientBuilds)?.For(ClientParts.Platform) : null;
        if (wanted is not null && (_inspected is null || _inspected.Order != wanted.Order || _inspected.Id() != wanted.Id()))
            Inspect(wanted, cancellationToken);
        var facts = new BuildFacts
        {
            Running = self.Id,
            RunningVersion = ClientParts.Version,
            State = state,
            Wanted = wanted,
            Whole = _whole,
            IsSealed = wanted is not null && wanted.Files.Count > 0 && folder.IsSealed(wanted),
            AtHand = _atHand.Keys.ToHashSet(StringComparer.Ordinal),
            IsPackageWanted = _isPackageWanted,
            Folders = folder.Folders(),
            LeftOut = folder.LeftOut(),
            StartsUsed = state.Trial is { } trial ? folder.StartsOf(trial) : 0,
            LastEnd = state.Trial is { } tried ? folder.LastEnd(tried.Id) : null,
            ProgramRuns = programRuns(),
            IsItsTurn = wanted is null || Turn(wanted) <= core.Clock.Now,
            FreeBytes = folder.FreeBytes(),
            ContactWasWhole = _contactWasWhole,
            IsPatienceOver = core.Clock.Now >= BuildPlanner.TrialPatience,
            HadTurn = _hadTurn,
        };
        return facts with { IsAskedInVain = Asked(facts) is { } asked && core.State.Get(StateKey.BuildAsked) == asked };
    }

    /// <summary>What is noted before this process ends itself for a trial: when the next one finds the same, the launcher has not started it. Null where this is the trial.</summary>
    private static string? Asked(BuildFacts facts) => facts.State.Trial is { } trial && trial.Id != facts.Running
        ? string.Create(CultureInfo.InvariantCulture, $"{trial.Id} {trial.Order} {facts.StartsUsed}")
        : null;

    private void Inspect(ClientBuild wanted, CancellationToken cancellationToken)
    {
        if (core.State.GetNumber(StateKey.BuildOrder) != wanted.Order)
        {
            core.State.Set((StateKey.BuildOrder, wanted.Order.ToString(CultureInfo.InvariantCulture)));
            core.State.SetMoments(core.Clock.Wall, StateKey.BuildOrder);
            ClientLog.BuildOrdered(core.Log, wanted.Id(), wanted.Order);
        }
        _whole = [.. folder.Whole(wanted, cancellationToken)];
        _isPackageWanted = folder.IsPackage(wanted, cancellationToken);
        _atHand = folder.AtHand([.. wanted.Files.Where(file => !_whole.Contains(file.Name))], cancellationToken);
        _toldDamage = false;
        _inspected = wanted;
    }

    /// <summary>The monotonic moment of this device's place in the time over which the fleet begins, counted from when it saw the order.</summary>
    private TimeSpan Turn(ClientBuild wanted)
    {
        var spread = TimeSpan.FromSeconds(wanted.SpreadSeconds);
        return core.Clock.Remembered(core.State.Moment(StateKey.BuildOrder), spread) is { } seen
            ? seen + spread * EvenPhase.Fraction(core.Policy?.Certificate.Ordinal ?? 0)
            : TimeSpan.Zero;
    }

    /// <summary>Files of the build that runs are not as they were signed: worth a word, since something damages this disk, or somebody.</summary>
    private void TellDamage(BuildFacts facts)
    {
        if (_toldDamage || facts.Wanted!.Id() != facts.State.Current)
            return;
        _toldDamage = true;
        var text = $"files of build {facts.State.Current} are damaged or gone, and are fetched again: {string.Join(", ", facts.Wanted.Files.Select(file => file.Name).Where(name => !facts.Whole.Contains(name)))}";
        ClientLog.BuildDamaged(core.Log, text);
        core.Report("warning", StatusCode.BuildDamaged, text, Component);
    }

    private void Tell(BuildPlan plan)
    {
        var waiting = plan.Waiting is { } text ? ClientCore.Clip(text) : null;
        if (core.State.Get(StateKey.BuildWaiting) != waiting)
        {
            core.State.Set((StateKey.BuildWaiting, waiting));
            if (waiting is not null)
                ClientLog.BuildWaits(core.Log, waiting);
        }
        core.State.SetComponent(new ComponentState(Component, plan.IsTrouble ? "failed" : "ok", waiting));
        if (plan.IsTrouble)
            core.Report("warning", StatusCode.BuildWaits, waiting!, Component);
        else
            core.Spool.Over(Component, StatusCode.BuildWaits);
    }

    private void Report(BuildStep.Become become)
    {
        switch (become.Change)
        {
            case BuildChange.Failed:
                ClientLog.BuildFailed(core.Log, become.Text);
                core.Report("error", StatusCode.BuildFailed, become.Text, Component);
                break;
            case BuildChange.Confirmed:
                ClientLog.BuildChanged(core.Log, become.Text);
                core.Report("information", StatusCode.BuildChanged, become.Text, Component);
                // The site shows which version runs; it need not wait a week for that.
                core.State.ClearMoments(MomentName.Heartbeat);
                break;
            case BuildChange.Returned:
                ClientLog.BuildDamaged(core.Log, become.Text);
                core.Report("warning", StatusCode.BuildDamaged, become.Text, Component);
                break;
            default:
                ClientLog.BuildWaits(core.Log, become.Text);
                break;
        }
    }

    /// <summary>A component that fails, or hangs, is reported and stops no other.</summary>
    private async Task GuardedAsync(Func<CancellationToken, Task> work, TimeSpan deadline, CancellationToken cancellationToken)
    {
        try
        {
            await deadlines.RunAsync(Component, deadline, async token =>
            {
                await work(token);
                return true;
            }, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // Whatever the builds meet, the loop goes on with the one that runs, and says so.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var cause = e.Message.ReplaceLineEndings(" ");
            _failedInTurn = true;
            _inspected = null;
            FetchAt = null;
            ClientLog.ComponentFailed(core.Log, Component, cause, e);
            core.State.SetComponent(new ComponentState(Component, "failed", ClientCore.Clip(cause)));
            core.Report("error", StatusCode.ComponentFailed, $"{Component} failed: {cause}; the build that runs goes on, next try with the next contact", Component);
        }
    }
}
