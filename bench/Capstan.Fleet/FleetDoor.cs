using Capstan.Nal;

namespace Capstan.Fleet;

/// <summary>What all clients of the process have at their servers' doors, together. Thread-safe.</summary>
internal sealed class FleetDoor(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly long _origin = time.GetTimestamp();
    private ConnectionHistory _history = new();

    /// <summary>Monotonic, since the door was made: the clock of all figures.</summary>
    public TimeSpan Now => time.GetElapsedTime(_origin);

    /// <summary>Begins a new history, with what is open now.</summary>
    /// <returns>The one before; nobody changes it any more.</returns>
    public ConnectionHistory Restart()
    {
        lock (_gate)
        {
            var before = _history;
            _history = new ConnectionHistory();
            if (before.Open > 0)
                _history.Note(Now, before.Open);
            return before;
        }
    }

    public void Opened()
    {
        lock (_gate)
            _history.Note(Now, 1);
    }

    public void Closed()
    {
        lock (_gate)
            _history.Note(Now, -1);
    }
}

/// <summary>One client's part of it: counts its present cycle, and says how long that holds its connection. Thread-safe.</summary>
internal sealed class ClientDoor(FleetDoor fleet, TimeProvider time)
{
    private readonly Lock _gate = new();
    private FleetCycle _cycle = new();
    private CancellationToken _stop;

    public void Begin(FleetCycle cycle, CancellationToken stop)
    {
        lock (_gate)
            (_cycle, _stop) = (cycle, stop);
    }

    /// <summary>As it is now.</summary>
    public FleetCycle Cycle
    {
        get
        {
            lock (_gate)
                return _cycle;
        }
    }

    public void Attempted() => Change(cycle => cycle with { Attempts = cycle.Attempts + 1 });

    public void Failed(NalException cause) => Change(cycle => cycle with
    {
        Refused = cycle.Refused + (cause.Error == NalError.ServerFull ? 1 : 0),
        Failure = cause,
    });

    /// <returns>When it opened.</returns>
    public TimeSpan Opened()
    {
        fleet.Opened();
        var now = fleet.Now;
        Change(cycle => cycle with { Connected = cycle.Connected ?? now, Failure = null });
        return now;
    }

    public void Closed() => fleet.Closed();

    /// <summary>Completes when a connection has lasted as long as the cycle wants, or at once when the run is stopped.</summary>
    public async Task HoldAsync(TimeSpan opened)
    {
        CancellationToken stop;
        TimeSpan left;
        lock (_gate)
        {
            left = opened + _cycle.Hold - fleet.Now;
            stop = _stop;
        }
        if (left > TimeSpan.Zero)
            await Task.Delay(left, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Change(Func<FleetCycle, FleetCycle> change)
    {
        lock (_gate)
            _cycle = change(_cycle);
    }
}
