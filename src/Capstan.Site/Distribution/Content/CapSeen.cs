using System.Collections.Concurrent;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>What lies on one CAP, as it was seen last. Written by the one work on that CAP, read by everybody.</summary>
/// <param name="names">With lengths.</param>
/// <param name="checkedAt">When they were looked at; monotonic.</param>
internal sealed class CapSeen(Dictionary<ContentHash, long> names, TimeSpan checkedAt)
{
    /// <summary>How long nobody looks at packs that were written: one that somebody deleted or cut is found then, or by <c>cap publish</c>.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromDays(1);

    /// <summary>How long nothing is asked at all where nothing was changed; garbage comes of age meanwhile.</summary>
    private static readonly TimeSpan SettledFor = TimeSpan.FromHours(1);

    private volatile bool _isDoubted;
    private (long Changes, TimeSpan At)? _settled;

    /// <summary>Names and lengths.</summary>
    public ConcurrentDictionary<ContentHash, long> Packs { get; } = new(names);

    /// <summary>Those whose content is not what their names say; the value means nothing.</summary>
    public ConcurrentDictionary<ContentHash, bool> Bad { get; } = new();

    /// <summary>How many packs the CAP's row says that it should have; null before that was written.</summary>
    public int? Told { get; private set; }

    public bool Has(PackRow pack) => Packs.TryGetValue(pack.Name, out var length) && length == pack.LengthBytes;

    /// <summary>It lies there, and was not found bad.</summary>
    public bool IsGood(ContentHash pack) => Packs.ContainsKey(pack) && !Bad.ContainsKey(pack);

    /// <summary>Something failed there, or somebody asks: the next work looks again.</summary>
    public void Doubt() => _isDoubted = true;

    public bool IsDoubtful(TimeSpan now) => _isDoubted || now - checkedAt >= CheckInterval;

    public void Settle(int wanted, long changes, TimeSpan now) => (Told, _settled) = (wanted, (changes, now));

    /// <summary>Nothing was left to do, and nothing was changed since.</summary>
    public bool IsSettled(long changes, TimeSpan now) => !IsDoubtful(now) && _settled is { } settled && settled.Changes == changes && now - settled.At < SettledFor;
}
