namespace Capstan.Smb.Connection;

/// <summary>How much is written with one request, and how many are under way, by what the writes of this connection took: on a thin line an answer comes often enough that nobody takes it for a dead one. Thread-safe.</summary>
internal sealed class WritePace(TimeProvider time)
{
    /// <summary>Bytes of the first write; of the smallest; of the largest, which is that of a transfer. The first is answered within twice the <see cref="SmbOptions.KeepAlive"/> of 10 s on a line of 26 kbit/s.</summary>
    public const int First = 64 << 10, Least = 16 << 10, Most = 15 << 16;

    /// <summary>A request should be answered within this time, and all that are under way within four times that.</summary>
    private const double SecondsOfOne = 2;

    private readonly Lock _gate = new();
    private double? _rate;
    private long _answered = long.MinValue;

    /// <summary>Bytes of one request now.</summary>
    public int Bytes
    {
        get
        {
            lock (_gate)
                return _rate is { } rate ? (int)Math.Clamp(rate * SecondsOfOne, Least, Most) : First;
        }
    }

    /// <summary>Requests under way at once, from 1 to <paramref name="most"/>.</summary>
    public int Window(int most)
    {
        lock (_gate)
            return _rate is { } rate ? (int)Math.Clamp(rate * SecondsOfOne * most / Math.Clamp(rate * SecondsOfOne, Least, Most), 1, most) : 1;
    }

    /// <summary>A write is sent.</summary>
    public long Begin() => time.GetTimestamp();

    /// <summary>It was answered. Those that were under way together took the time of all only once.</summary>
    /// <param name="began">From <see cref="Begin"/>.</param>
    public void Note(int bytes, long began)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            var took = time.GetElapsedTime(Math.Max(began, _answered), now).TotalSeconds;
            _answered = now;
            // A short one says more about the round trip than about the line.
            if (bytes < Least)
                return;
            var seen = took > 0 ? bytes / took : Most * 1_000.0;
            _rate = _rate is { } rate ? rate + (seen - rate) / 4 : seen;
        }
    }
}
