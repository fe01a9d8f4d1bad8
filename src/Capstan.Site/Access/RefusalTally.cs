namespace Capstan.Site.Access;

/// <summary>Counts refusals, and decides which of them are written down: of each key the first in a minute, and at most <see cref="MostAMinute"/> of all. Thread-safe.</summary>
/// <remarks>So refusals, which cost whoever is refused nothing, cost the site a bounded number of writes.</remarks>
internal sealed class RefusalTally(TimeProvider time)
{
    public const int MostAMinute = 60;

    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private long _since = time.GetTimestamp();
    private long _total;

    /// <summary>All since the start, written down or not.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>Counts one that is not to be written down.</summary>
    public void Count() => Interlocked.Increment(ref _total);

    /// <summary>Counts one.</summary>
    /// <returns>Whether it is to be written down.</returns>
    public bool Count(string key)
    {
        Count();
        lock (_gate)
        {
            if (time.GetElapsedTime(_since) >= s_minute)
            {
                _written.Clear();
                _since = time.GetTimestamp();
            }
            return _written.Count < MostAMinute && _written.Add(key);
        }
    }
}
