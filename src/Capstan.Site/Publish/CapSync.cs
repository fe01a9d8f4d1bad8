using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.Tuf;
using Capstan.Site.Load;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>Keeps one CAP after another at the published state; a failing one has its cause and next try in its row and stops no other.</summary>
internal sealed class CapSync(SiteContext site, CapAccess access, CapWriter writer, PublishStore published, CapStore caps, ReceiptWriter receipts, ILogger<CapSync> logger)
{
    /// <summary>Has its own failures and next try; all other work shares one.</summary>
    public const string Draining = "Draining the inbox";
    public const string Publishing = "Publishing";
    public const string Removing = "Removing superseded files";

    /// <summary>Code of the failure of a CAP that a later epoch of this site has taken.</summary>
    public const string Overtaken = "superseded";

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(10);

    /// <summary>How long nobody looks at files that were written: one that somebody deleted or cut is found then, or by <c>cap publish</c>.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromDays(1);

    private readonly ConcurrentDictionary<string, Superseded> _removed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CapLeft> _left = new(StringComparer.Ordinal);

    /// <summary>Looks at the CAP and writes what it lacks.</summary>
    /// <param name="repository">Only its roots are read, which publishing does not change: work on a slow CAP may outlast the pass.</param>
    /// <param name="complete">Compares every file, and does not wait for the next try.</param>
    /// <returns>The version that the CAP verifiably showed before, when it was not ours; null otherwise.</returns>
    public async Task<long?> RunAsync(CapState cap, TufRepository repository, bool complete, CancellationToken cancellationToken)
    {
        if (!complete && !cap.IsPublishingDue(site.NowMilliseconds))
            return null;
        try
        {
            return await access.UseOrMakeAsync(NalPath.Parse(cap.Path), "Publisher", async store =>
            {
                var now = site.Time.GetElapsedTime(0);
                var (ours, version) = await published.PointerAsync(cancellationToken) ?? throw new InvalidOperationException("Nothing was published yet.");
                var theirs = await CapWriter.PointerAsync(store, cancellationToken);
                var left = _left.GetValueOrDefault(cap.Path);
                var untouched = left is not null && theirs is not null && theirs.AsSpan().SequenceEqual(left.Pointer);
                var everything = complete || !untouched || now - left!.CheckedAt >= CheckInterval;
                if (!everything && left!.Version == version)
                {
                    if (cap.LastError is not null || cap.PublishedVersion != version)
                        await caps.PublishedAsync(cap.Path, version, site.Time.GetUtcNow(), cancellationToken);
                    return (long?)null;
                }
                if (everything)
                    await writer.RefuseForeignAsync(store, cap.Path, cancellationToken);
                var seen = untouched || theirs is null || theirs.AsSpan().SequenceEqual(ours) ? null : await SeenAsync(store, cap.Path, repository, cancellationToken);
                if (seen is not null)
                    await RefuseOvertakenAsync(store, cap.Path, repository, cancellationToken);
                if (seen >= version)
                    return seen;
                var (tree, files) = await writer.WriteAsync(store, everything ? null : left!.Version, complete, cancellationToken);
                if (!untouched)
                    await receipts.MarkAllAsync(cap.Path, cancellationToken);
                _left[cap.Path] = new CapLeft(tree.Version, tree.Pointer, everything ? now : left!.CheckedAt);
                await caps.PublishedAsync(cap.Path, tree.Version, site.Time.GetUtcNow(), cancellationToken);
                if (!untouched)
                    await caps.FoundAsync(cap.Path, cancellationToken);
                SiteLog.CapWritten(logger, cap.Path, tree.Version, files);
                return null;
            }, () => SiteLog.CapRootMade(logger, cap.Path), asked: complete, cancellationToken);
        }
        catch (Exception cause) when (cause is NalException or SiteException)
        {
            await FailedAsync(cap, Publishing, cause, cancellationToken);
            return null;
        }
    }

    /// <summary>Removes files superseded before a time, from where the last call on this CAP ended: at most 10,000 of them.</summary>
    public async Task RemoveSupersededAsync(CapState cap, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var superseded = await published.GarbageAsync(before, RemovedUntil(cap.Path), cancellationToken);
        if (superseded.Count == 0)
            return;
        try
        {
            await access.UseAsync(NalPath.Parse(cap.Path), "Publisher", async store =>
            {
                foreach (var file in superseded)
                    await store.DeleteAsync(StorePath.Parse(file.Path), cancellationToken);
                return true;
            }, cancellationToken);
            _removed[cap.Path] = superseded[^1];
        }
        catch (NalException cause)
        {
            await FailedAsync(cap, Removing, cause, cancellationToken);
        }
    }

    /// <summary>The pointer as this process has left it on a CAP, after it saw that nobody else's lies there; null while it has not.</summary>
    public byte[]? PointerLeft(string cap) => _left.GetValueOrDefault(cap)?.Pointer;

    /// <summary>The last superseded file that this process has removed from a CAP, and all before it.</summary>
    public Superseded RemovedUntil(string cap) => _removed.GetValueOrDefault(cap, Superseded.None);

    /// <summary>Records a failure with its cause in one line and the time of the next try.</summary>
    public async Task FailedAsync(CapState cap, string work, Exception cause, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        var draining = string.Equals(work, Draining, StringComparison.Ordinal);
        var next = now + Cycle.Backoff((draining ? cap.DrainFailures : cap.Failures) + 1, FirstRetry, LongestRetry, site.Random);
        var code = cause is NalException nal ? nal.Error.ToString() : ((SiteException)cause).Code;
        await (draining
            ? caps.DrainingFailedAsync(cap.Path, cap.LastPublished, code, cause.Message, now, next, cancellationToken)
            : caps.PublishingFailedAsync(cap.Path, code, cause.Message, now, next, cancellationToken));
        SiteLog.CapFailed(logger, work, cap.Path, cause.Message, next, cause);
    }

    /// <summary>A site with our keys, restored later, publishes here: whatever we wrote would be refused, and its uploads are not ours to take.</summary>
    private async Task RefuseOvertakenAsync(IStore store, string cap, TufRepository repository, CancellationToken cancellationToken)
    {
        var (epoch, _) = await CapTrust.EpochAsync(store, repository, site.Time, cancellationToken);
        if (epoch > site.Site.Epoch)
            throw new SiteException($"{cap} shows epoch {epoch} of this site, and this is epoch {site.Site.Epoch}: the site was restored from a backup, and runs elsewhere. Nothing is written or drained here.", Overtaken);
    }

    /// <summary>Clients remember a timestamp as soon as it verifies, whatever else lies there: it alone is looked at.</summary>
    private async Task<long?> SeenAsync(IStore store, string cap, TufRepository repository, CancellationToken cancellationToken)
    {
        var version = await repository.VerifiedVersionAsync(new StoreSource(store), cancellationToken);
        if (version > 0)
            return version;
        SiteLog.CapUnverified(logger, cap, "its timestamp does not verify from this site's root");
        return null;
    }

    /// <summary>How a CAP was left. While its pointer is the same, only what was published since need be written.</summary>
    /// <param name="CheckedAt">When every file was last looked at; monotonic.</param>
    private sealed record CapLeft(long Version, byte[] Pointer, TimeSpan CheckedAt);
}
