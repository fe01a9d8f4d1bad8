namespace Capstan.Client.Configuration;

/// <summary>Whether the loop moves: in a turn not for longer than one can last, or in a wait that is not long over. Thread-safe.</summary>
internal sealed class LoopWatch
{
    /// <summary>Longest turn: three components and the builds at their deadlines, one contact at its own, a waiting line at a server, and as much again for a machine that is busy.</summary>
    public static readonly TimeSpan LongestTurn = TimeSpan.FromMinutes(40);

    /// <summary>How much later than planned a wait may end: a machine that slept wakes all timers at once.</summary>
    public static readonly TimeSpan Late = TimeSpan.FromMinutes(5);

    private long _dueTicks = TimeSpan.MaxValue.Ticks;

    public void TurnBegins(TimeSpan now) => Expect(now + LongestTurn);

    public void WaitBegins(TimeSpan now, TimeSpan pause) => Expect(now + pause + Late);

    public bool IsSound(TimeSpan now) => now.Ticks <= Interlocked.Read(ref _dueTicks);

    private void Expect(TimeSpan due) => Interlocked.Exchange(ref _dueTicks, due.Ticks);
}
