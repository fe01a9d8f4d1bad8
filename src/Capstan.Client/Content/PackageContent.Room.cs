using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Content;

/// <summary>What goes from the cache, so that a version has room before anything of it is written.</summary>
internal sealed partial class PackageContent
{
    private ContentOutcome? MakeRoom(PackageKey package, PackageManifest manifest)
    {
        cache.Prepare();
        foreach (var (name, cause) in cache.Tidy())
            ContentLog.ContentStays(log, name, cause.ReplaceLineEndings(" "));
        var (limit, total) = (settings().CacheBytes, manifest.SizeBytes + manifest.Tree.LengthBytes);
        if (total > limit)
        {
            // Nothing in memory speaks of what lay there.
            Forget();
            cache.Drop(package);
            return new ContentOutcome.Impossible(string.Create(CultureInfo.InvariantCulture, $"{package} takes {total} bytes, and the cache may hold {limit} (cache.size)"));
        }
        IReadOnlySet<PackageKey> kept;
        lock (_state)
            kept = _pinned.Concat(_used).ToHashSet();
        var versions = cache.Measure();
        var present = versions.FirstOrDefault(version => version.Package == package)?.Bytes ?? 0;
        var plan = CacheRules.MakeRoom(versions, package, Math.Max(0, total - present), kept, limit, cache.FreeBytes());
        for (var removes = true; removes;)
        {
            removes = false;
            foreach (var old in plan.Remove)
            {
                try
                {
                    cache.Drop(old);
                    ContentLog.ContentRemoved(log, old.ToString(), package.ToString());
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // One that cannot be removed stays, and others go in its place.
                    ContentLog.ContentStays(log, old.ToString(), e.Message.ReplaceLineEndings(" "));
                    kept = kept.Append(old).ToHashSet();
                    plan = CacheRules.MakeRoom(cache.Measure(), package, Math.Max(0, total - present), kept, limit, cache.FreeBytes());
                    removes = true;
                    break;
                }
            }
        }
        return plan.LackingBytes == 0 ? null : Waits(package, string.Create(CultureInfo.InvariantCulture,
            $"{plan.LackingBytes} bytes of room are lacking for {package}, which takes {total} (the cache may hold {limit}, of which {versions.Sum(version => version.Bytes)} are used; the disk of {cache.Root} has {cache.FreeBytes()} left, and {CacheRules.SpareBytes} are left to others): what programs need next is kept; free some space, or raise cache.size"),
            // Each time all that lies there is measured.
            isLocal: false);
    }
}
