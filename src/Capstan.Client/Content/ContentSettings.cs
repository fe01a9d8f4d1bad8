using Capstan.Protocol.V1;

namespace Capstan.Client.Content;

/// <summary>What the policy in force sets about content. Read anew before each read of a CAP.</summary>
internal sealed record ContentSettings
{
    /// <summary>0: as fast as it goes.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>When content that no program waits for past its time may be read.</summary>
    public DailyHours Hours { get; init; } = DailyHours.Any;

    /// <summary>A way that is slower is slow.</summary>
    public long SlowBelowBytesPerSecond { get; init; } = 125_000;

    /// <summary>Of the whole cache.</summary>
    public long CacheBytes { get; init; } = 10_000_000_000;
}
