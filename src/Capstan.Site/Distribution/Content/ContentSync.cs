using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.Content;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Brings the packs of one CAP up to date: what versions name is there, what none has named for a while is not. Its failures are its own and hold up no metadata.</summary>
internal sealed class ContentSync(SiteContext site, CapAccess access, PackFolder folder, ContentStore content, CapContentStore caps, ILogger<ContentSync> logger)
{
    /// <summary>The name of this work, for messages.</summary>
    public const string Writing = "Writing packs";

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(10);

    /// <summary>How long nobody looks at packs that were written: one that somebody deleted or cut is found then, or by <c>cap publish</c>.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromDays(1);

    /// <summary>Longest time on one lease: then the connection is given back, and the next goes on from there.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMinutes(2);

    /// <summary>What lies on each CAP, as far as this process knows; nothing is known of one that failed.</summary>
    private readonly ConcurrentDictionary<string, Seen> _seen = new(StringComparer.Ordinal);

    /// <summary>The next work on every CAP looks at everything again.</summary>
    public void LookAgain() => _seen.Clear();

    /// <returns>True when packs are left to write.</returns>
    public async Task<bool> RunAsync(CapState cap, CancellationToken cancellationToken)
    {
        // The metadata goes first: it makes the folders, and finds out whether the CAP is ours.
        if (cap.LastPublished is null || cap.ErrorCode is "foreign_cap" or CapSync.Overtaken)
            return false;
        var now = site.Time.GetElapsedTime(0);
        try
        {
            var known = await content.PacksAsync(cancellationToken);
            var garbageBefore = Times.Of(site.Time.GetUtcNow() - ContentKeeper.Grace);
            var wanted = known.Where(pack => pack.UnusedSince is null).ToList();
            var garbage = known.Where(pack => pack.UnusedSince < garbageBefore).Select(pack => pack.Name).ToList();
            var seen = _seen.GetValueOrDefault(cap.Path);
            if (seen is not null && now - seen.CheckedAt < CheckInterval && wanted.TrueForAll(pack => seen.Has(pack)) && !garbage.Exists(seen.Packs.ContainsKey))
                return false;
            return await access.UseAsync(NalPath.Parse(cap.Path), "Content", async store =>
            {
                if (seen is null || now - seen.CheckedAt >= CheckInterval)
                    seen = _seen[cap.Path] = new Seen(await CapPacks.ListAsync(store, cancellationToken), now);
                return await BringAsync(store, cap.Path, seen, wanted, garbage, now, cancellationToken);
            }, cancellationToken);
        }
        catch (Exception cause) when (cause is NalException or SiteException)
        {
            await FailedAsync(cap, Writing, cause, cancellationToken);
            return false;
        }
    }

    /// <summary>Writes a failure down with its cause in one line and the time of the next try.</summary>
    public async Task FailedAsync(CapState cap, string work, Exception cause, CancellationToken cancellationToken)
    {
        _seen.TryRemove(cap.Path, out _);
        var now = site.Time.GetUtcNow();
        var before = (await caps.ListAsync(cancellationToken)).FirstOrDefault(row => row.Cap == cap.Path);
        var next = now + Cycle.Backoff((before?.Failures ?? 0) + 1, FirstRetry, LongestRetry, site.Random);
        await caps.FailedAsync(cap.Path, cause is NalException nal ? nal.Error.ToString() : ((SiteException)cause).Code, cause.Message, now, next, cancellationToken);
        ContentLog.PacksFailed(logger, cap.Path, cause.Message, next, cause);
    }

    /// <summary>What content leaves free on any disk: a twentieth, at most 1 GiB.</summary>
    internal static long Spare(long totalBytes) => Math.Min(1L << 30, totalBytes / 20);

    private async Task<bool> BringAsync(IStore store, string cap, Seen seen, List<PackRow> wanted, List<ContentHash> garbage, TimeSpan begun, CancellationToken cancellationToken)
    {
        var missing = wanted.Where(pack => !seen.Has(pack)).ToList();
        foreach (var pack in garbage.Where(seen.Packs.ContainsKey))
        {
            await store.DeleteAsync(StorePath.Parse(Protocol.Layout.Pack(pack)), cancellationToken);
            seen.Packs.Remove(pack);
        }
        var bytes = missing.Sum(pack => pack.LengthBytes);
        var (written, left) = (0, bytes);
        var damaged = new List<PackRow>();
        foreach (var pack in missing)
        {
            if (written > 0 && site.Time.GetElapsedTime(0) - begun > Burst)
                break;
            // Uploads, metadata and everybody else who uses that storage need room, too.
            if (await store.GetSpaceAsync(cancellationToken) is { } space && space.FreeBytes - pack.LengthBytes < Spare(space.TotalBytes))
            {
                await caps.LookedAsync(cap, wanted.Count, missing.Count - written, left, site.Time.GetUtcNow(), cancellationToken);
                throw new SiteException($"{cap} has {space.FreeBytes} bytes free, of which {Spare(space.TotalBytes)} are left to others, and {left} bytes of packs are missing there. Make room; clients use other CAPs meanwhile.", "cap_full");
            }
            await using var source = folder.Open(pack.Name);
            if (source is null || !await CapPacks.WriteAsync(store, pack.Name, source, cancellationToken))
            {
                // One that is not whole here keeps no other from going there.
                damaged.Add(pack);
                continue;
            }
            seen.Packs[pack.Name] = pack.LengthBytes;
            left -= pack.LengthBytes;
            written++;
        }
        await caps.LookedAsync(cap, wanted.Count, missing.Count - written, left, site.Time.GetUtcNow(), cancellationToken);
        if (written > 0)
            ContentLog.PacksWritten(logger, cap, written, bytes - left, missing.Count - written);
        if (damaged.Count > 0)
            throw new SiteException($"{damaged.Count} of the site's own packs are gone or damaged, the first {damaged[0].Sha256}, so they are not copied. Run `capstan content verify`, which mends them from a client access point.", "content_damaged");
        return written < missing.Count;
    }

    /// <param name="CheckedAt">When every pack there was last looked at; monotonic.</param>
    private sealed record Seen(Dictionary<ContentHash, long> Packs, TimeSpan CheckedAt)
    {
        public bool Has(PackRow pack) => Packs.TryGetValue(pack.Name, out var length) && length == pack.LengthBytes;
    }
}
