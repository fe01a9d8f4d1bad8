using System.Collections.Concurrent;
using Capstan.Nal.Providers;
using Capstan.Site.Store;
using Capstan.Site.Telemetry;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Load;

/// <summary>One pass over one inbox through one lease. Passes over different CAPs may run at once.</summary>
internal sealed class InboxPass(SiteContext site, UploadReader reader, IngestWriter writer, InboxAftermath aftermath, WaitingStore waiting, ILogger<InboxPass> logger)
{
    /// <summary>Records of one transaction.</summary>
    private const int GroupFiles = 256;
    /// <summary>Bytes read ahead for one transaction: 32 MiB.</summary>
    private const long GroupBytes = 32L << 20;

    private readonly ConcurrentDictionary<string, InboxMemory> _memory = new(StringComparer.Ordinal);

    /// <returns>True when more remains than one pass takes.</returns>
    public async Task<bool> RunAsync(IStore store, string cap, CancellationToken cancellationToken)
    {
        if (!_memory.TryGetValue(cap, out var memory))
            _memory[cap] = memory = new InboxMemory((await waiting.ListAsync(cap, cancellationToken)).Select(row => (row.FileName, Times.At(row.Since))));

        memory.Bins.BeginPass(site.Time.GetElapsedTime(0));
        var list = await InboxListing.ListAsync(store, memory.ListFrom, memory.Bins, cancellationToken);
        var now = site.Time.GetUtcNow();
        await aftermath.TidyAsync(store, cap, memory, list, now, cancellationToken);
        var elapsed = site.Time.GetElapsedTime(0);
        var work = InboxListing.Choose([.. list.Files.Where(file => memory.IsDue(file, elapsed))], memory.IsWaiting, memory.LastDevice);
        memory.LastDevice = work.Last;

        using var span = SiteTracing.Source.StartActivity("ingest");
        int applied = 0, quarantined = 0;
        var groups = Groups(work.Files).ToList();
        var reading = groups.Count > 0 ? ReadAsync(store, groups[0], cancellationToken) : null;
        Task<Deletions>? deleting = null;
        try
        {
            for (var i = 0; i < groups.Count; i++)
            {
                // While this group is stored, the next one is read and verified, and the one before it leaves the storage.
                var candidates = await reading!;
                reading = i + 1 < groups.Count ? ReadAsync(store, groups[i + 1], cancellationToken) : null;
                var results = await writer.CommitAsync(candidates, name => memory.Waited(name, now), cancellationToken);
                applied += results.Count(result => result.Applied is not null && result.Disposition == Disposition.Delete);
                quarantined += results.Count(result => result.Disposition == Disposition.Quarantine);
                var done = await aftermath.SettleAsync(cap, memory, results, now, cancellationToken);
                if (deleting is not null)
                    aftermath.Deleted(cap, memory, await deleting);
                deleting = InboxAftermath.DeleteAsync(store, done, cancellationToken);
            }
            if (deleting is not null)
                aftermath.Deleted(cap, memory, await deleting);
        }
        finally
        {
            // Nothing uses a lease that was given back.
            foreach (var rest in new Task?[] { reading, deleting }.OfType<Task>())
                await rest.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await aftermath.FinishAsync(store, cap, memory, list.Files.Count - applied - quarantined, cancellationToken);
        span?.SetTag("capstan.cap", cap).SetTag("capstan.applied", applied).SetTag("capstan.quarantined", quarantined);
        SiteTracing.Ingested(applied, quarantined);
        if (applied + quarantined > 0)
            LoadLog.Ingested(logger, cap, applied, quarantined, memory.WaitingCount);
        return (work.More || !list.IsComplete) && work.Files.Count > 0;
    }

    private async Task<Candidate[]> ReadAsync(IStore store, IReadOnlyList<InboxFile> group, CancellationToken cancellationToken)
    {
        var candidates = new Candidate[group.Count];
        await Parallel.ForAsync(0, group.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken },
            async (index, token) => candidates[index] = await reader.ReadAsync(store, group[index], token));
        return candidates;
    }

    private static IEnumerable<IReadOnlyList<InboxFile>> Groups(IReadOnlyList<InboxFile> work)
    {
        var group = new List<InboxFile>(GroupFiles);
        long bytes = 0;
        foreach (var file in work)
        {
            if (group.Count == GroupFiles || (bytes + file.LengthBytes > GroupBytes && group.Count > 0))
            {
                yield return group;
                group = new List<InboxFile>(GroupFiles);
                bytes = 0;
            }
            group.Add(file);
            bytes += file.LengthBytes;
        }
        if (group.Count > 0)
            yield return group;
    }
}
