namespace Capstan.Testing.Arbiter;

/// <summary>Virtual time: what is to happen, in order of time, and of being asked for.</summary>
public sealed class WorldClock
{
    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> _queue = new();
    private long _order;

    public TimeSpan Now { get; private set; }

    /// <summary>Things that have happened.</summary>
    public long Steps { get; private set; }

    public void After(TimeSpan delay, Action happen) => _queue.Enqueue(happen, (Now + delay, _order++));

    /// <returns>False when nothing is left to happen.</returns>
    public bool Step()
    {
        if (!_queue.TryDequeue(out var happen, out var when))
            return false;
        Now = when.At;
        Steps++;
        happen();
        return true;
    }
}
