using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>How fast content may be read: a bucket that holds one second of the rate. What is read beyond it is a debt that is waited for. The rate may change between any two reads. Thread-safe.</summary>
internal sealed class RateLimiter(TimeProvider time)
{
    /// <summary>A read is at most as long as this much of the rate.</summary>
    public static readonly TimeSpan LongestRead = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private long _seen = time.GetTimestamp();
    private double _balance;

    /// <summary>How long nothing may be read.</summary>
    /// <param name="bytesPerSecond">0 for no limit, which forgives what was owed.</param>
    public TimeSpan Wait(long bytesPerSecond)
    {
        lock (_gate)
        {
            var elapsed = time.GetElapsedTime(_seen);
            _seen = time.GetTimestamp();
            if (bytesPerSecond == 0)
            {
                _balance = 0;
                return TimeSpan.Zero;
            }
            // A read that began under another rate, or none, owes no more than one of this rate would: nobody waits an hour with a lease for it.
            var owed = Math.Max(_balance, -Math.Max(bytesPerSecond * LongestRead.TotalSeconds, ContentFormat.MaxChunkBytes));
            _balance = Math.Min(bytesPerSecond, owed + elapsed.TotalSeconds * bytesPerSecond);
            // Rounded up, and less than a byte is no debt, so that a wait that is waited is over.
            return _balance > -1 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(-_balance / bytesPerSecond * 1_000));
        }
    }

    /// <summary>So much was read.</summary>
    public void Spend(long bytes)
    {
        lock (_gate)
            _balance -= bytes;
    }

    /// <summary>Most bytes of one read, so that a low rate is kept within seconds and not on average alone.</summary>
    /// <param name="most">Without a limit.</param>
    public static int MostBytes(long bytesPerSecond, int most) =>
        bytesPerSecond == 0 ? most : (int)Math.Clamp((long)(bytesPerSecond * LongestRead.TotalSeconds), 1, most);
}
