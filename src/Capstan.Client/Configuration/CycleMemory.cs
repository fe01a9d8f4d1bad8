using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>What the loop remembers between cycles: monotonic moments here, hints for the next start in the database.</summary>
internal sealed class CycleMemory
{
    /// <summary>A component that failed is tried again after this.</summary>
    public static readonly TimeSpan ComponentRetry = TimeSpan.FromHours(1);

    /// <summary>How long a fleet that was off together is spread over when it comes back; the poll interval where that is shorter.</summary>
    /// <remarks>A machine that is on for a quarter of an hour only still gets through.</remarks>
    public static readonly TimeSpan ReturnWindow = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private readonly ClientCore _core;
    private readonly TimeSpan _phaseOrigin;
    private TimeSpan? _lastPoll, _lastComplete, _lastHeartbeat, _lastInventory, _nextApprovalPoll, _retryAt, _absentSince;
    private TimeSpan _pause;
    private int _approvalPolls;
    private bool _unreachable;

    public CycleMemory(ClientCore core)
    {
        _core = core;
        var intervals = Intervals();
        // Read once: a clock that is set later does not move the phase.
        _phaseOrigin = TimeSpan.FromTicks(core.Clock.Wall.UtcTicks) - core.Clock.Now;
        // A local folder costs nobody anything: look at once. Elsewhere a fleet that boots together keeps its phases.
        _lastPoll = CapExport.AllLocal(core) ? null : core.Clock.Remembered(core.State.Moment(MomentName.Poll), intervals.Poll);
        _lastComplete = core.Clock.Remembered(core.State.Moment(MomentName.Complete), intervals.Complete);
        _lastHeartbeat = core.Clock.Remembered(core.State.Moment(MomentName.Heartbeat), intervals.Heartbeat);
        _lastInventory = core.Clock.Remembered(core.State.Moment(MomentName.Inventory), intervals.Inventory);
        _retryAt = ReturnsAt(intervals.Poll);
    }

    /// <summary>When files of a build are wanted from a CAP; null for none.</summary>
    public TimeSpan? FetchAt { get; set; }

    /// <summary>The complete workflow is due now: a build on trial shows that it can do it, or the one before it that there is a CAP.</summary>
    public void CompleteNow() => _lastComplete = null;

    public CycleFacts Facts() => new()
    {
        FetchAt = FetchAt,
        Lifecycle = _core.Lifecycle,
        Intervals = Intervals(),
        Ordinal = _core.Policy?.Certificate.Ordinal,
        PhaseOrigin = _phaseOrigin,
        LastPoll = _lastPoll,
        LastComplete = _lastComplete,
        LastHeartbeat = _core.State.Moment(MomentName.Heartbeat) is null ? null : _lastHeartbeat,
        LastInventory = _core.State.Moment(MomentName.Inventory) is null ? null : _lastInventory,
        NextApprovalPoll = _nextApprovalPoll,
        RetryAt = _retryAt,
        NewsUnconfirmed = _core.State.Get(StateKey.AccountsRevision) != _core.State.Get(StateKey.AccountsConfirmed)
            || _core.State.Get(StateKey.PolicyPrint) != _core.State.Get(StateKey.PolicyConfirmed),
        UploadWaits = _core.Spool.UrgentItems() && _core.Spool.HasRoom(_core.Settings.SpoolBytes),
        Unacknowledged = _core.Spool.HasUnacknowledged(),
    };

    /// <summary>Everything is due now, except that a pause after a refusal or a failure is kept.</summary>
    public void MakeDue() => _lastPoll = _lastComplete = _lastHeartbeat = _lastInventory = _nextApprovalPoll = null;

    /// <summary>There was a complete contact since everything was made due, or since the start.</summary>
    public bool IsComplete => _lastComplete is not null;

    public void HeartbeatDone(bool failed)
    {
        _lastHeartbeat = Done(MomentName.Heartbeat, Intervals().Heartbeat, failed);
        if (!failed)
            _core.State.Set((StateKey.AccountsConfirmed, _core.State.Get(StateKey.AccountsRevision)), (StateKey.PolicyConfirmed, _core.State.Get(StateKey.PolicyPrint)));
    }

    public void InventoryDone(bool failed) => _lastInventory = Done(MomentName.Inventory, Intervals().Inventory, failed);

    /// <summary>A CAP was reached; true when that is news.</summary>
    public bool Reached()
    {
        var news = _unreachable;
        _unreachable = false;
        _absentSince = null;
        if (_core.State.Get(StateKey.AbsentSeconds) is not null)
            _core.State.Set((StateKey.AbsentSeconds, null));
        if (news)
        {
            _core.Spool.Over(ClientCore.Component, StatusCode.CapUnreachable);
            _core.Spool.Over(ClientCore.Component, StatusCode.CapFull);
        }
        return news;
    }

    /// <param name="chance">0 to 1.</param>
    public void ContactDone(bool complete, NalPath cap, double chance)
    {
        _retryAt = null;
        _pause = TimeSpan.Zero;
        _lastPoll = _core.Clock.Now;
        complete |= _lastComplete is null;
        if (complete)
            _lastComplete = _lastPoll;
        _core.State.SetMoments(_core.Clock.Wall, complete ? [MomentName.Poll, MomentName.Complete] : [MomentName.Poll]);
        if (_core.Lifecycle == ClientLifecycle.Installed)
            _nextApprovalPoll = _core.Clock.Now + Backoff.Approval(_approvalPolls++, CapExport.IsLocal(cap), chance);
        var list = _core.CapList;
        var published = CapTerms.Entry(list, cap.ToString()) ?? list?.Caps.MaxBy(entry => entry.PollIntervalSeconds);
        if (published is not null && published.PollIntervalSeconds != _core.State.GetNumber(StateKey.PollSeconds))
            _core.State.Set((StateKey.PollSeconds, published.PollIntervalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture)));
    }

    /// <summary>Nothing touches a CAP for the pause that is returned.</summary>
    public TimeSpan ContactFailed(bool localStorage, Random random)
    {
        _pause = Backoff.Retry(_pause, localStorage, random.NextDouble());
        _retryAt = _core.Clock.Now + _pause;
        return _pause;
    }

    /// <summary>As <see cref="ContactFailed"/>, whatever failed: the state, too, may be what cannot be read, and then no server is asked more often than need be.</summary>
    public TimeSpan CycleFailed(Random random)
    {
        bool local;
        try
        {
            local = CapExport.AllLocal(_core);
        }
        catch (ClientException)
        {
            local = false;
        }
        return ContactFailed(local, random);
    }

    /// <param name="hint">What the arbiter says; null for nothing.</param>
    public TimeSpan CapUnreachable(bool localStorage, TimeSpan? hint, Random random)
    {
        _unreachable = true;
        var pause = ContactFailed(localStorage, random);
        if (hint is not { } told || told <= TimeSpan.Zero)
            return pause;
        _retryAt = _core.Clock.Now + told;
        return told;
    }

    /// <summary>Counts how long this client has run without finding a CAP, by the time between two tries: not by the clock, and not while it was off.</summary>
    /// <returns>True when its site's <c>leaveAfter</c> has passed.</returns>
    public bool IsAbsentTooLong()
    {
        var now = _core.Clock.Now;
        var known = TimeSpan.FromSeconds(_core.State.GetNumber(StateKey.AbsentSeconds));
        // A wait is a day at most; what is longer was a machine that slept.
        var total = known + Backoff.Min(now - (_absentSince ?? now), LongestWait);
        _absentSince = now;
        _core.State.Set((StateKey.AbsentSeconds, ((long)total.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture)));
        return _core.Settings.LeaveAfter is { } limit && total >= limit;
    }

    /// <summary>Of a client that has left: it looks whether its site is back, once a day.</summary>
    public TimeSpan StayAway(Random random)
    {
        var pause = LongestWait * (0.5 + random.NextDouble() / 2);
        _retryAt = _core.Clock.Now + pause;
        return pause;
    }

    /// <summary>When a client whose last poll is longer ago than the interval begins again: at its place in the window. Null for at once.</summary>
    private TimeSpan? ReturnsAt(TimeSpan poll)
    {
        if (_lastPoll is not null || _core.State.Moment(MomentName.Poll) is null || CapExport.AllLocal(_core) || _core.Policy is not { } policy)
            return null;
        var window = Backoff.Min(poll, ReturnWindow);
        return EvenPhase.Next(_core.Clock.Now - window / 2, window, policy.Certificate.Ordinal, _phaseOrigin);
    }

    private TimeSpan Done(string moment, TimeSpan interval, bool failed)
    {
        var early = failed && interval > ComponentRetry ? interval - ComponentRetry : TimeSpan.Zero;
        _core.State.SetMoments(_core.Clock.Wall - early, moment);
        return _core.Clock.Now - early;
    }

    private CycleIntervals Intervals()
    {
        var poll = _core.State.GetNumber(StateKey.PollSeconds);
        var site = _core.Site;
        var set = _core.Settings;
        return new CycleIntervals(
            Backoff.Min(_core.LongestPoll, Backoff.Max(poll > 0 ? AtLeast(poll) : CycleIntervals.Default.Poll, set.Poll ?? TimeSpan.Zero)),
            set.Cycle ?? (site is null ? CycleIntervals.Default.Complete : AtLeast(site.CycleSeconds)),
            set.Heartbeat ?? (site is null ? CycleIntervals.Default.Heartbeat : AtLeast(site.HeartbeatSeconds)),
            set.Inventory ?? (site is null ? CycleIntervals.Default.Inventory : AtLeast(site.InventorySeconds)));
    }

    /// <summary>Whatever the site publishes, a client does not hurry more than this.</summary>
    private static TimeSpan AtLeast(long seconds) => Backoff.Max(Least, TimeSpan.FromSeconds(seconds));
}
