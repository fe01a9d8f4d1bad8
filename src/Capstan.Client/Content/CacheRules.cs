namespace Capstan.Client.Content;

/// <summary>One version in the cache.</summary>
/// <param name="Bytes">That it takes on the disk, as far as it is here.</param>
/// <param name="LastUse">Rises with each use; a number and no time, since clocks are set back.</param>
internal sealed record CachedVersion(PackageKey Package, long Bytes, long LastUse);

/// <param name="Remove">In this order.</param>
/// <param name="LackingBytes">That would still be too much after that; 0 when there is room.</param>
internal sealed record CachePlan(IReadOnlyList<PackageKey> Remove, long LackingBytes);

/// <summary>What goes from the cache so that something else has room. Pure.</summary>
internal static class CacheRules
{
    /// <summary>Room on the disk that content leaves to others: 64 MB.</summary>
    public const long SpareBytes = 64_000_000;

    /// <param name="wanted">Never goes, nor does what is pinned or in use.</param>
    /// <param name="moreBytes">That <paramref name="wanted"/> will take beside what it has.</param>
    /// <param name="limitBytes">Of the whole cache.</param>
    /// <param name="freeBytes">On its disk.</param>
    public static CachePlan MakeRoom(IReadOnlyList<CachedVersion> versions, PackageKey wanted, long moreBytes, IReadOnlySet<PackageKey> kept, long limitBytes, long freeBytes)
    {
        var remove = new List<PackageKey>();
        var used = versions.Sum(version => version.Bytes);
        var lacking = Lacking();
        foreach (var version in versions.Where(version => version.Package != wanted && !kept.Contains(version.Package)).OrderBy(version => version.LastUse))
        {
            if (lacking <= 0)
                break;
            remove.Add(version.Package);
            used -= version.Bytes;
            freeBytes += version.Bytes;
            lacking = Lacking();
        }
        // What cannot be enough takes nothing away.
        return lacking > 0 ? new CachePlan([], lacking) : new CachePlan(remove, 0);

        long Lacking() => moreBytes == 0 ? 0 : Math.Max(0, Math.Max(used + moreBytes - limitBytes, moreBytes + SpareBytes - freeBytes));
    }
}
