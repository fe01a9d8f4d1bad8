using Capstan.Client.Builds;
using Capstan.Client.Identity;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>The client's loop (client component installation manager): plan, act through one lease, report, wait. One cycle at a time.</summary>
internal sealed partial class Ccim : IDisposable
{
    /// <summary>How long one contact may hold its lease. A mount that hangs answers nothing, not even an error.</summary>
    public static readonly TimeSpan ContactDeadline = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly ClientCore _core;
    private readonly ConnectionArbiter _arbiter;
    private readonly CapOrder _order;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Components _components;
    private readonly MachineCheck _machine;
    private readonly SelfReport _self;
    private readonly CycleMemory _memory;
    private readonly BuildKeeper? _builds;
    private readonly SemaphoreSlim _one = new(1, 1);

    private readonly LoopWatch _watch = new();
    private readonly Signal _wake;
    private bool _contactWasWhole, _isMachineSeen;
    private NalTrace? _lastTrace;

    /// <param name="build">Which build this is; null where builds are not managed.</param>
    public Ccim(ClientCore core, ClientParts parts, ConnectionArbiter arbiter, CapOrder order, BuildIdentity? build, TimeProvider time, Random random)
    {
        _core = core;
        _arbiter = arbiter;
        _order = order;
        _time = time;
        _random = random;
        var deadlines = new Deadlines(time);
        _components = new Components(core, parts, deadlines, time);
        _builds = build is null ? null : new BuildKeeper(core, new BuildFolder(core.Directory, build.PackageFolder), build, parts.ProgramRuns, deadlines);
        _wake = new Signal(time);
        core.ReportsWait += Woken;
        _machine = new MachineCheck(core);
        _self = new SelfReport(core, parts);
        _memory = new CycleMemory(core);
        Export = $"CAP List for site {core.SiteCode}";
    }

    /// <summary>Name of the abstract export.</summary>
    public string Export { get; }

    /// <summary>Runs until cancelled, or until another build is to be started: then it returns. A cycle that fails is logged, counted and tried again; it does not end the loop.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await BeginAsync(cancellationToken);
            while (!MustRestart)
            {
                _watch.TurnBegins(_core.Clock.Now);
                var pause = await StepAsync(cancellationToken);
                if (pause <= TimeSpan.Zero || MustRestart)
                    continue;
                if (pause >= ClientOptions.IdleFrom)
                    _core.Idle();
                _watch.WaitBegins(_core.Clock.Now, pause);
                await _wake.WaitAsync(pause, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && _builds is not null)
        {
            await _builds.StoppedAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Before the first step.</summary>
    internal async Task BeginAsync(CancellationToken cancellationToken)
    {
        if (_builds is null)
            return;
        await _builds.BeginAsync(cancellationToken);
        _memory.FetchAt = _builds.FetchAt;
        if (_builds.NeedsWholeContact)
            _memory.CompleteNow();
    }

    /// <summary>The loop moves; true before it began.</summary>
    public bool IsSound => _watch.IsSound(_core.Clock.Now);

    /// <summary>Another build is to be started.</summary>
    internal bool MustRestart => _builds is { MustRestart: true };

    /// <summary>Does what is due and says how long nothing will be; zero when there may be more at once.</summary>
    internal async Task<TimeSpan> StepAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var now = _core.Clock.Now;
            CyclePlan plan;
            try
            {
                plan = CyclePlanner.Plan(_memory.Facts(), now);
            }
            catch (ClientException e)
            {
                return Failed(e);
            }
            if (!plan.Contact)
                // Longer waits are cut, so that a laptop's sleep or a lost timer costs a day at most.
                return Backoff.Min(plan.Wake - now, Day);
            await CycleAsync(plan, cancellationToken);
            await AfterTurnAsync(cancellationToken);
            return TimeSpan.Zero;
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task AfterTurnAsync(CancellationToken cancellationToken)
    {
        if (_builds is null)
            return;
        await _builds.AfterTurnAsync(_contactWasWhole, cancellationToken);
        _contactWasWhole = false;
        _memory.FetchAt = _builds.FetchAt;
    }

    /// <summary>Makes a complete cycle due now, as if every interval had passed; what a refusal or a failure lets wait goes on waiting.</summary>
    /// <remarks>For programs that drive many clients. Between two steps only.</remarks>
    internal void BeginCycle() => _memory.MakeDue();

    /// <summary>A CAP has served, to its end, the cycle that was begun.</summary>
    internal bool IsCycleDone => _memory.IsComplete;

    /// <summary>One complete cycle now, and its continuation when the site has just approved. Waits for nothing but its own work.</summary>
    public async Task<CycleReport> RunNowAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var first = await ForcedAsync(cancellationToken);
            if (first.LifecycleBefore == _core.Lifecycle || _core.Lifecycle != ClientLifecycle.Approved)
                return first.Report;
            var second = await ForcedAsync(cancellationToken);
            return new CycleReport(second.Report.Contacted, first.Report.Uploaded + second.Report.Uploaded, second.Report.Problems);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>One contact that collects nothing: what waits is written where <paramref name="complete"/>, and receipts are read. Builds stay as they are.</summary>
    internal async Task<CycleReport> ContactNowAsync(bool complete, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            return await CycleAsync(new CyclePlan(Contact: true, complete, Heartbeat: false, Inventory: false, ReadReceipts: true, _core.Clock.Now), cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose()
    {
        _core.ReportsWait -= Woken;
        _wake.Dispose();
        _one.Dispose();
    }

    private void Woken(object? sender, EventArgs e) => _wake.Set();

    private async Task<(CycleReport Report, ClientLifecycle LifecycleBefore)> ForcedAsync(CancellationToken cancellationToken)
    {
        var before = _core.Lifecycle;
        var reports = before == ClientLifecycle.Approved;
        var plan = new CyclePlan(Contact: true, Complete: true, Heartbeat: reports, Inventory: reports, ReadReceipts: true, _core.Clock.Now);
        var report = await CycleAsync(plan, cancellationToken);
        await AfterTurnAsync(cancellationToken);
        return (report, before);
    }

    private async Task<CycleReport> CycleAsync(CyclePlan plan, CancellationToken cancellationToken)
    {
        try
        {
            var problems = new List<string>();
            await _machine.SettleAsync(cancellationToken);
            // Interrupted by the end of the process, perhaps.
            await SealingRotation.SettleAsync(_core, cancellationToken);
            // Collected before the lease: no connection is held while nothing is transferred.
            if (plan.Inventory)
            {
                var failures = await _components.CollectAsync(cancellationToken);
                problems.AddRange(failures);
                _memory.InventoryDone(failed: failures.Count > 0);
            }
            else if (!_isMachineSeen && _core.Lifecycle == ClientLifecycle.Approved)
                // Before it says a word: a copy that speaks under the original's name looks like the original's restart.
                await _components.CheckMachineAsync(cancellationToken);
            _isMachineSeen = true;
            if (plan.Heartbeat)
            {
                var failure = await _components.HeartbeatAsync(cancellationToken);
                if (failure is not null)
                    problems.Add(failure);
                _memory.HeartbeatDone(failed: failure is not null);
            }
            if (plan.Complete || plan.Heartbeat || plan.Inventory)
                _core.CapUse.Report();
            var host = await RequestFactsAsync(cancellationToken);
            var report = await ContactAsync(plan, host, problems, cancellationToken);
            // The policy that was just taken may have asked for it.
            await _machine.SettleAsync(cancellationToken);
            await SealingRotation.SettleAsync(_core, cancellationToken);
            _self.Settle(_lastTrace);
            return report;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // The loop must survive whatever a cycle meets; the failure is logged, counted, shown and tried again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _ = Failed(e);
            return new CycleReport(Contacted: false, 0, [e.Message]);
        }
    }

    /// <summary>Finished, well or not: whether the request is still needed shows in the contact. Null when none is wanted.</summary>
    private async Task<Task<HostFacts>?> RequestFactsAsync(CancellationToken cancellationToken)
    {
        if (_core.Lifecycle != ClientLifecycle.Installed || _core.State.Get(StateKey.RequestWanted) is null)
            return null;
        await _components.CheckMachineAsync(cancellationToken);
        await _machine.SettleAsync(cancellationToken);
        var reading = _components.RequestFactsAsync(cancellationToken);
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return reading;
    }

    private TimeSpan Failed(Exception e)
    {
        var pause = _memory.CycleFailed(_random);
        ClientLog.CycleFailed(_core.Log, e.Message, At(pause), e);
        try
        {
            _core.State.Set((StateKey.Waiting, WaitingText(e.Message.ReplaceLineEndings(" "), pause)), (StateKey.NextContact, Stamp(pause)));
        }
        catch (ClientException unwritable)
        {
            // Where the state cannot be written, the log is the only place to say so.
            ClientLog.CycleFailed(_core.Log, unwritable.Message, At(pause), unwritable);
        }
        return pause;
    }

    private TimeSpan NextContact()
    {
        var now = _core.Clock.Now;
        var plan = CyclePlanner.Plan(_memory.Facts(), now);
        return plan.Contact ? TimeSpan.Zero : plan.Wake - now;
    }

    private void Waiting(string cause, TimeSpan pause, bool reached, char separator = ';') => _core.State.Set(
        (StateKey.Waiting, WaitingText(cause, pause, separator)),
        (StateKey.NextContact, Stamp(pause)),
        (StateKey.LastContact, reached ? Stamp(TimeSpan.Zero) : _core.State.Get(StateKey.LastContact)));

    private string WaitingText(string cause, TimeSpan pause, char separator = ';') => $"{cause}{separator} next try {At(pause):HH:mm:ss}";

    /// <summary>The local time of a moment from now, for people.</summary>
    private DateTimeOffset At(TimeSpan pause) => TimeZoneInfo.ConvertTime(_core.Clock.Wall + pause, _time.LocalTimeZone);

    private string Stamp(TimeSpan pause) => (_core.Clock.Wall + pause).ToUnixTimeMilliseconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
}
