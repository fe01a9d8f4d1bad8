using System.Globalization;
using Capstan.Nal.Paths;

namespace Capstan.Client.Content;

/// <summary>Whether content may be read now, and how much at once: hours, rate and the speed of the way, by the settings of this very moment.</summary>
internal sealed class ContentGate(Func<ContentSettings> settings, RateLimiter limiter, LinkJudge links, TimeProvider time)
{
    /// <summary>A read is no longer than a slow way brings in this time.</summary>
    private static readonly TimeSpan s_longRead = TimeSpan.FromSeconds(10);

    /// <summary>The first reads from a CAP whose speed is not known.</summary>
    private const int FirstReadBytes = 256 << 10;

    /// <summary>A read of less costs more than it says.</summary>
    private const int LeastBytes = 64 << 10;

    /// <summary>CAPs whose last chunks were not what was published.</summary>
    private readonly HashSet<NalPath> _doubted = [];

    public ContentSettings Settings => settings();

    /// <summary>It gave something wrong: until something of it is right it is read in pieces that cost little. For as long as this process lives.</summary>
    public void Doubt(NalPath cap)
    {
        lock (_doubted)
            _doubted.Add(cap);
    }

    public void Trust(NalPath cap)
    {
        lock (_doubted)
            _doubted.Remove(cap);
    }

    /// <summary>How long the hours keep it closed; zero while they do not.</summary>
    public TimeSpan Closed(ContentNeed need) => need.IsDue ? TimeSpan.Zero : settings().Hours.Until(TimeOnly.FromDateTime(time.GetLocalNow().DateTime));

    /// <summary>Null while a CAP may be read; else why its way is not for this.</summary>
    public string? TooSlow(ContentNeed need, NalPath cap)
    {
        var slowBelow = settings().SlowBelowBytesPerSecond;
        var speed = links.Of(cap, slowBelow);
        if (speed == LinkSpeed.Unknown)
            return need.AvoidsUnknown ? $"the way to {cap} was not measured within the last hour, and this is not brought over such a way; what is read for another advertisement measures it" : null;
        return speed <= need.Avoid
            ? string.Create(CultureInfo.InvariantCulture,
                $"the way to {cap} is {(speed == LinkSpeed.Slow ? "slow" : "fast")} ({links.BytesPerSecond(cap) / 1_000:F0} KB/s; slow is below {slowBelow / 1_000.0:F0} KB/s), and this is not brought over such a way")
            : null;
    }

    /// <summary>Waits until the rate allows a read.</summary>
    /// <returns>Most bytes of it.</returns>
    public async Task<int> PassAsync(NalPath cap, CancellationToken cancellationToken)
    {
        // The rate may be changed while it is waited for: never longer than a read of it.
        while (limiter.Wait(settings().BytesPerSecond) is var wait && wait > TimeSpan.Zero)
            await Task.Delay(wait < RateLimiter.LongestRead ? wait : RateLimiter.LongestRead, time, cancellationToken);
        lock (_doubted)
        {
            if (_doubted.Contains(cap))
                return RateLimiter.MostBytes(settings().BytesPerSecond, LeastBytes);
        }
        var most = links.BytesPerSecond(cap) is not { } speed ? FirstReadBytes : (int)Math.Clamp(speed * s_longRead.TotalSeconds, LeastBytes, RangePlanner.MostBytes);
        return RateLimiter.MostBytes(settings().BytesPerSecond, most);
    }

    /// <summary>Whether two reads may be under way at once: full ones, and without a rate that they would have to share.</summary>
    public bool IsFast(NalPath cap) => settings().BytesPerSecond == 0 && links.BytesPerSecond(cap) * s_longRead.TotalSeconds >= RangePlanner.MostBytes;

    /// <summary>So much was read in this time.</summary>
    public void Note(NalPath cap, long bytes, TimeSpan took)
    {
        limiter.Spend(bytes);
        links.Note(cap, bytes, took);
    }
}
