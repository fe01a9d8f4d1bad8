using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Keeps packs on every CAP, and takes away those that no version needs. Thread-safe: changes are told by <see cref="Changed"/>.</summary>
internal sealed class ContentKeeper(SiteContext site, CapStore caps, CapContentStore progress, ContentSync sync, ContentStore content, PackFolder folder, HomePacks home, ContentWay way, ContentTurn turn, CycleHealth health, ILogger<ContentKeeper> logger)
    : IAsyncDisposable
{
    /// <summary>How long a pack stays that no version names: clients may be reading it, and a publication that was cut finds its chunks again.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromDays(7);

    /// <summary>How long the row of a removed pack stays, so that a CAP that was away learns of it.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(120);

    private static readonly TimeSpan Calm = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Busy = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CollectInterval = TimeSpan.FromHours(1);

    /// <summary>A pack may cross a slow line for longer than other work may take: silence is its limit.</summary>
    private readonly CapWork<bool> _work = new(site, sync.FailedAsync, logger, Timeout.InfiniteTimeSpan);
    private readonly Signal _signal = new();
    private TimeSpan? _collected;

    /// <summary>Packs came, or versions went.</summary>
    public void Changed()
    {
        sync.Changed();
        _signal.Set();
    }

    /// <summary>Every CAP is looked at anew: one was added, or an administrator asks.</summary>
    public void LookAgain()
    {
        sync.LookAgain();
        _signal.Set();
    }

    /// <summary>Works until cancelled; returns when nothing of it uses the site any more.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await new Cycle("content", site, health, logger).RunAsync(async () =>
        {
            var wait = await PassAsync(cancellationToken);
            await _signal.WaitAsync(wait, site.Time, cancellationToken);
        }, cancellationToken);
        await _work.EndAsync();
    }

    /// <returns>How long nothing is to do.</returns>
    public async Task<TimeSpan> PassAsync(CancellationToken cancellationToken)
    {
        home.Settle(static _ => true);
        var rows = (await progress.ListAsync(cancellationToken)).ToDictionary(row => row.Cap, StringComparer.Ordinal);
        var all = await caps.ListAsync(cancellationToken);
        var due = all.Where(cap => rows.GetValueOrDefault(cap.Path)?.NextTry is not { } next || next <= site.NowMilliseconds || next - site.NowMilliseconds > (long)CapStore.LongestPause.TotalMilliseconds);
        var results = await _work.RunAsync(ContentSync.Writing, due, sync.RunAsync, cancellationToken);
        await way.ReleaseAsync(all, cancellationToken);
        if (rows.Keys.Except(all.Select(cap => cap.Path), StringComparer.Ordinal).Any())
            await progress.PruneAsync(cancellationToken);
        var now = site.Time.GetElapsedTime(0);
        if (_collected is not { } collected || now - collected >= CollectInterval)
        {
            await CollectAsync(cancellationToken);
            _collected = now;
        }
        if (_work.Unfinished.Count > 0 || results.Any(result => result.Result))
            return Busy;
        var next = (await progress.ListAsync(cancellationToken)).Min(row => row.NextTry) is { } at ? Times.At(at) - site.Time.GetUtcNow() : Calm;
        return next < Busy ? Busy : next < Calm ? next : Calm;
    }

    public async ValueTask DisposeAsync() => await _work.DisposeAsync();

    /// <summary>Not while a package is published: it may count on a pack that no version names yet.</summary>
    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        using var taken = turn.TryTake("tidying up what no package needs");
        if (taken is null)
            return;
        var now = site.Time.GetUtcNow();
        var unused = await content.ForgetChunksAsync(now - Grace, cancellationToken);
        var unnamed = unused.ToDictionary(pack => pack.Name, pack => pack.LengthBytes);
        var packs = await content.PacksAsync(cancellationToken);
        var known = packs.Select(pack => pack.Name).ToHashSet();
        // A process that was killed between naming a file and writing down that it is there leaves one that nobody knows.
        var gone = folder.Files().Where(file => unnamed.ContainsKey(file.Pack) || (!known.Contains(file.Pack) && file.WrittenAt < now - Grace)).Select(file => file.Pack).ToList();
        foreach (var pack in gone)
            folder.Delete(pack);
        var wanted = packs.Where(pack => pack.UnusedSince is null).Select(pack => pack.Name).ToHashSet();
        home.Settle(wanted.Contains);
        foreach (var pack in folder.Aside().Where(pack => !home.IsAny(lacking => lacking == pack)))
            folder.ForgetAside(pack);
        await content.ForgetPacksAsync(now - Remembered, cancellationToken);
        if (gone.Count > 0)
            ContentLog.PacksCollected(logger, gone.Count, gone.Sum(unnamed.GetValueOrDefault));
    }
}
