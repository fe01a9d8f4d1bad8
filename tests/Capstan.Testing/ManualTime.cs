namespace Capstan.Testing;

/// <summary>A clock that one driver moves. Timers fire inside <see cref="Advance"/>, in order of their due time.</summary>
public sealed class ManualTime(DateTimeOffset start) : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly List<(long Due, TaskCompletionSource Armed)> _awaited = [];
    private DateTimeOffset _now = start;
    private long _monotonicTicks;

    public ManualTime() : this(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero)) { }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() { lock (_gate) return _now; }

    public override long GetTimestamp() { lock (_gate) return _monotonicTicks; }

    /// <summary>Sets the wall clock without moving monotonic time: what an administrator or a dead battery does.</summary>
    public void Jump(DateTimeOffset wall) { lock (_gate) _now = wall; }

    /// <summary>Completes when there is a timer that is due after this time from now: what must be armed before time passes.</summary>
    public Task ArmedAsync(TimeSpan dueTime)
    {
        lock (_gate)
        {
            var due = _monotonicTicks + dueTime.Ticks;
            if (_timers.Exists(timer => timer.Due == due))
                return Task.CompletedTask;
            var armed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _awaited.Add((due, armed));
            return armed.Task;
        }
    }

    /// <summary>Lets time pass; due timers fire on the caller's thread.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        long target;
        lock (_gate)
            target = _monotonicTicks + by.Ticks;
        while (true)
        {
            ManualTimer? next;
            lock (_gate)
            {
                next = _timers.Where(timer => timer.Due <= target).MinBy(timer => timer.Due);
                var stop = next?.Due ?? target;
                if (stop > _monotonicTicks)
                {
                    _now = _now.AddTicks(stop - _monotonicTicks);
                    _monotonicTicks = stop;
                }
                if (next is null)
                    return;
                next.Rearm();
            }
            next.Fire();
        }
    }

    /// <summary>The task; when that has not ended after 5 s of real time, it waits for this clock, and time passes until it has. For cleaning up after a test that failed: a test waits for nothing this way.</summary>
    public async Task RescueAsync(Task task)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (await Task.WhenAny(task, Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System)) != task)
        {
            while (await Task.WhenAny(task, Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System)) != task)
                Advance(TimeSpan.FromSeconds(1));
        }
        await task;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private long _period;

        public long Due { get; private set; }

        public void Rearm()
        {
            if (_period > 0)
                Due += _period;
            else
                time._timers.Remove(this);
        }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan)
                    return true;
                _period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
                Due = time._monotonicTicks + dueTime.Ticks;
                time._timers.Add(this);
                foreach (var (_, armed) in time._awaited.Where(awaited => awaited.Due == Due))
                    armed.TrySetResult();
                time._awaited.RemoveAll(awaited => awaited.Due == Due);
            }
            return true;
        }

        public void Dispose()
        {
            lock (time._gate)
                time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
