using System.Collections.Concurrent;
using Capstan.Nal.Providers;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Load;

/// <summary>One pass over one inbox through one lease. Passes over different CAPs may run at once.</summary>
internal sealed class InboxPass(SiteContext site, UploadReader reader, IngestWriter writer, InboxAftermath aftermath, WaitingStore waiting, ILogger<InboxPass> logger)
{
    /// <summary>Records of one transaction.</summary>
    private const int GroupFiles = 256;
    /// <summary>Bytes read ahead for one transaction: 32 MiB.</summary>
    private const long GroupBytes = 32L << 20;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, InboxMemory> _memory = new(StringComparer.Ordinal);

    /// <returns>True when more remains than one pass takes.</returns>
    public async Task<bool> RunAsync(IStore store, string cap, CancellationToken cancellationToken)
    {
        if (!_memory.TryGetValue(cap, out var memory))
            _memory[cap] = memory = new InboxMemory((await waiting.ListAsync(cap, cancellationToken)).Select(row => (row.FileName, Times.At(row.Since))));

        var files = await InboxListing.ListAsync(store, cancellationToken);
        memory.Keep(files.Select(file => file.FileName));
        var now = site.Time.GetUtcNow();
        var (work, more) = InboxListing.Choose([.. files.Where(file => memory.IsDue(file.FileName, now))]);

        int applied = 0, quarantined = 0;
        var groups = Groups(work).ToList();
        var reading = groups.Count > 0 ? ReadAsync(store, groups[0], cancellationToken) : null;
        for (var i = 0; i < groups.Count; i++)
        {
            // The next group is read and verified while this one is stored.
            var candidates = await reading!;
            reading = i + 1 < groups.Count ? ReadAsync(store, groups[i + 1], cancellationToken) : null;
            var results = await writer.CommitAsync(candidates, name => memory.Waited(name, now), cancellationToken);
            applied += results.Count(result => result.Applied is not null && result.Disposition == Disposition.Delete);
            quarantined += results.Count(result => result.Disposition == Disposition.Quarantine);
            await aftermath.SettleAsync(store, cap, memory, results, now, LookAgain, cancellationToken);
        }
        await aftermath.FinishAsync(store, cap, memory, files.Count - applied - quarantined, cancellationToken);
        if (applied + quarantined > 0)
            LoadLog.Ingested(logger, cap, applied, quarantined, memory.WaitingCount);
        return more && applied + quarantined > 0;
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

/// <summary>What is remembered of one inbox between passes. Used by one pass at a time.</summary>
internal sealed class InboxMemory(IEnumerable<(string FileName, DateTimeOffset Since)> waiting)
{
    private readonly Dictionary<string, (DateTimeOffset Since, DateTimeOffset NextLook, string? Device)> _waiting =
        waiting.ToDictionary(row => row.FileName, row => (row.Since, DateTimeOffset.MinValue, (string?)null), StringComparer.Ordinal);
    private HashSet<string> _undeletable = new(StringComparer.Ordinal);

    public int WaitingCount => _waiting.Count;
    public int UndeletableCount => _undeletable.Count;
    public DateTimeOffset? OldestWaiting => _waiting.Count == 0 ? null : _waiting.Values.Min(entry => entry.Since);

    /// <summary>Forgets undeletable files that are gone.</summary>
    public void Keep(IEnumerable<string> present)
    {
        if (_undeletable.Count > 0)
            _undeletable = present.Where(_undeletable.Contains).ToHashSet(StringComparer.Ordinal);
    }

    public bool IsDue(string fileName, DateTimeOffset now) =>
        !_undeletable.Contains(fileName) && (!_waiting.TryGetValue(fileName, out var entry) || entry.NextLook <= now || entry.NextLook - now > TimeSpan.FromHours(1));

    public TimeSpan Waited(string fileName, DateTimeOffset now) => _waiting.TryGetValue(fileName, out var entry) ? now - entry.Since : TimeSpan.Zero;

    /// <returns>True when it was not waiting before.</returns>
    public bool Wait(string fileName, string? device, DateTimeOffset now, DateTimeOffset nextLook)
    {
        var known = _waiting.TryGetValue(fileName, out var entry);
        _waiting[fileName] = (known ? entry.Since : now, nextLook, device);
        return !known;
    }

    /// <summary>The device advanced: what waited for that is due.</summary>
    public void Advanced(IReadOnlySet<string> devices)
    {
        foreach (var (name, entry) in _waiting.Where(pair => pair.Value.Device is { } device && devices.Contains(device)).ToList())
            _waiting[name] = entry with { NextLook = DateTimeOffset.MinValue };
    }

    public bool Settled(string fileName) => _waiting.Remove(fileName);

    public void CannotDelete(string fileName) => _undeletable.Add(fileName);
}
