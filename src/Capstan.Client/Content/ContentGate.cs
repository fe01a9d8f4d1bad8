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

    public ContentSettings Settings => settings();

    /// <summary>How long the hours keep it closed; zero while they do not.</summary>
    public TimeSpan Closed(ContentNeed need) => need.IsDue ? TimeSpan.Zero : settings().Hours.Until(TimeOnly.FromDateTime(time.GetLocalNow().DateTime));

    /// <summary>Null while a CAP may be read; else why its way is not for this.</summary>
    public string? TooSlow(ContentNeed need, NalPath cap)
    {
        var slowBelow = settings().SlowBelowBytesPerSecond;
        return need.Avoid is { } avoid && links.Of(cap, slowBelow) is not LinkSpeed.Unknown and var speed && speed <= avoid
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
        var most = links.BytesPerSecond(cap) is not { } speed ? FirstReadBytes : (int)Math.Clamp(speed * s_longRead.TotalSeconds, LeastBytes, RangePlanner.MostBytes);
        return RateLimiter.MostBytes(settings().BytesPerSecond, most);
    }

    /// <summary>So much was read in this time.</summary>
    public void Note(NalPath cap, long bytes, TimeSpan took)
    {
        limiter.Spend(bytes);
        links.Note(cap, bytes, took);
    }
}
