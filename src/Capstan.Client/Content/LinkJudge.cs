using System.Runtime.InteropServices;
using Capstan.Nal.Paths;

namespace Capstan.Client.Content;

/// <summary>How fast the way to each CAP is, by the reads of content themselves and nothing else: one CAP says nothing about another. Thread-safe.</summary>
internal sealed class LinkJudge(TimeProvider time)
{
    /// <summary>Reads say something once they brought so many bytes, or took so long: 256 KiB, 5 s.</summary>
    public const long EnoughBytes = 256 << 10;

    public static readonly TimeSpan EnoughTime = TimeSpan.FromSeconds(5);

    /// <summary>Evidence that is older is none: a laptop is elsewhere by then, and a way that was slow must have a chance to show that it is not.</summary>
    public static readonly TimeSpan Believed = TimeSpan.FromHours(1);

    /// <summary>Beyond it older reads count half, and half again: what the way is like now.</summary>
    private const long RecentBytes = 8 << 20;
    private static readonly TimeSpan s_recentTime = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Dictionary<NalPath, Evidence> _evidence = [];

    /// <summary>A read of so many bytes was answered after this time; waiting for a rate is no part of it.</summary>
    public void Note(NalPath cap, long bytes, TimeSpan took)
    {
        lock (_gate)
        {
            var known = _evidence.GetValueOrDefault(cap);
            if (time.GetElapsedTime(known.Seen) > Believed)
                known = default;
            var (sum, duration) = (known.Bytes + bytes, known.Took + took);
            if (sum > RecentBytes || duration > s_recentTime)
                (sum, duration) = (sum / 2, duration / 2);
            _evidence[cap] = new Evidence(sum, duration, time.GetTimestamp());
        }
    }

    /// <param name="slowBelow">Bytes per second.</param>
    public LinkSpeed Of(NalPath cap, long slowBelow) => BytesPerSecond(cap) is not { } rate ? LinkSpeed.Unknown : rate < slowBelow ? LinkSpeed.Slow : LinkSpeed.Fast;

    /// <summary>What the reads showed; null for too little, or too long ago.</summary>
    public double? BytesPerSecond(NalPath cap)
    {
        lock (_gate)
        {
            if (!_evidence.TryGetValue(cap, out var known) || time.GetElapsedTime(known.Seen) > Believed)
                return null;
            if (known.Bytes < EnoughBytes && known.Took < EnoughTime)
                return null;
            // So fast that the clock did not move.
            return known.Took > TimeSpan.Zero ? known.Bytes / known.Took.TotalSeconds : double.PositiveInfinity;
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Evidence(long Bytes, TimeSpan Took, long Seen);
}
