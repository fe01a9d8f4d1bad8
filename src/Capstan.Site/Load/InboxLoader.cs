using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Load;

/// <summary>Drains the inboxes of all CAPs: read and verify on every core, store in groups, then delete.</summary>
/// <remarks>Killed anywhere, nothing is lost and nothing counts twice: a file is deleted only after its record, or its copy in quarantine, is durable.</remarks>
internal sealed class InboxLoader(SiteContext site, CapAccess access, CapStore caps, CapSync sync, InboxPass pass, CycleHealth health, ILogger<InboxLoader> logger) : IAsyncDisposable
{
    private static readonly TimeSpan RemoteInterval = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, TimeSpan> _due = new(StringComparer.Ordinal);
    private readonly CapWork<bool> _draining = new(site, sync.FailedAsync, logger);

    /// <param name="interval">Between two looks at an empty inbox; null for 2 s on LOCAL and 60 s elsewhere.</param>
    /// <remarks>Returns when no work on a CAP uses the site any more, of what hangs after a while.</remarks>
    public async Task RunAsync(TimeSpan? interval, CancellationToken cancellationToken)
    {
        var shortest = interval ?? TimeSpan.FromSeconds(2);
        await new Cycle("loader", site, health, logger).RunAsync(async () =>
        {
            var more = await RunOnceAsync(interval, cancellationToken);
            if (!more)
                await Task.Delay(shortest, site.Time, cancellationToken);
        }, cancellationToken);
        await _draining.EndAsync();
    }

    public ValueTask DisposeAsync() => _draining.DisposeAsync();

    /// <summary>One pass over every CAP that is due.</summary>
    /// <returns>True when some inbox holds more than one pass takes.</returns>
    public async Task<bool> RunOnceAsync(TimeSpan? interval, CancellationToken cancellationToken)
    {
        var now = site.Time.GetElapsedTime(0);
        var due = (await caps.ListAsync(cancellationToken))
            .Where(cap => cap.ErrorCode != CapSync.Overtaken && cap.IsDrainingDue(site.NowMilliseconds) && _due.GetValueOrDefault(cap.Path) <= now).ToList();
        var drained = await _draining.RunAsync(CapSync.Draining, due, DrainAsync, cancellationToken);
        foreach (var (cap, again) in drained)
            _due[cap.Path] = again ? now : now + (interval ?? (NalPath.Parse(cap.Path).LocalDirectory is null ? RemoteInterval : TimeSpan.Zero));
        return drained.Any(inbox => inbox.Result);
    }

    private async Task<bool> DrainAsync(CapState cap, CancellationToken cancellationToken)
    {
        try
        {
            return await access.UseAsync(NalPath.Parse(cap.Path), "Loader", store => pass.RunAsync(store, cap.Path, cancellationToken), cancellationToken);
        }
        catch (NalException cause)
        {
            await sync.FailedAsync(cap, CapSync.Draining, cause, cancellationToken);
            return false;
        }
    }
}
