namespace Capstan.Client.Configuration;

/// <summary>Monotonic time since the client was opened; the wall clock only gives hints over a restart.</summary>
internal sealed class Clock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    public TimeSpan Now => time.GetElapsedTime(_start);

    public DateTimeOffset Wall => time.GetUtcNow();

    /// <summary>The monotonic moment of something remembered by wall clock; null when the hint cannot be true, so that the work is due now.</summary>
    /// <param name="interval">How far back a hint is believed. Hence a wrong wall clock makes work early, or late by one interval, never lost.</param>
    public TimeSpan? Remembered(DateTimeOffset? at, TimeSpan interval)
    {
        if (at is not { } moment)
            return null;
        var ago = Wall - moment;
        return ago >= TimeSpan.Zero && ago <= interval ? Now - ago : null;
    }
}
