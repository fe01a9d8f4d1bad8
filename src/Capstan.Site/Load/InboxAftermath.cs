using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Load;

/// <summary>What follows the storing of a group: copies to quarantine, deletions, receipts, news for the publisher.</summary>
internal sealed class InboxAftermath(SiteContext site, QuarantineFolder folder, ReceiptWriter receipts, CapStore caps, InboxHealth health, Publisher publisher, CollectionEvaluator collections, OfferKeeper offers,
    ILogger<InboxAftermath> logger) : IDisposable
{
    private readonly SemaphoreSlim _quarantine = new(1, 1);

    /// <returns>What is to be deleted now.</returns>
    public async Task<IReadOnlyList<InboxFile>> SettleAsync(string cap, InboxMemory memory, IReadOnlyList<IngestResult> results, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await QuarantineAsync(cap, results, now, cancellationToken);
        await RememberAsync(cap, memory, results, now, cancellationToken);
        var devices = results.Where(result => result.Applied is not null).Select(result => result.Applied!.Value).ToHashSet();
        memory.Advanced(devices.Select(device => device.Value).ToHashSet(StringComparer.Ordinal));
        await receipts.MarkAsync(devices.Select(device => device.Bin).Distinct(StringComparer.Ordinal), cancellationToken);
        if (results.Any(result => result.PolicyChanged))
            publisher.Changed(PublishUrgency.Enrolment);
        if (devices.Count > 0)
            collections.Changed();
        if (results.Any(result => result.Candidate is Candidate.Verified { Documents: var documents } && documents.Items.Any(item => item.Document is ProgramsReport)))
            offers.Changed();
        return [.. results.Where(result => result.Disposition != Disposition.Wait && result.Candidate is not Candidate.Gone).Select(result => result.Candidate.File)];
    }

    /// <summary>The start of a pass: forgets what is gone, and tries again to delete what could not be deleted.</summary>
    public async Task TidyAsync(IStore store, string cap, InboxMemory memory, InboxList list, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var gone = list.IsComplete ? memory.Keep(list.Files.Select(file => file.FileName).ToHashSet(StringComparer.Ordinal)) : [];
        var clamped = memory.Clamp(now);
        if (clamped || gone.Count > 0)
        {
            await site.Database.WriteAsync(async transaction =>
            {
                foreach (var name in gone)
                    await WaitingStore.RemoveAsync(transaction, cap, name);
                await WaitingStore.ClampAsync(transaction, cap, now);
            }, cancellationToken);
        }
        var elapsed = site.Time.GetElapsedTime(0);
        Deleted(cap, memory, await DeleteAsync(store, [.. list.Files.Where(file => memory.IsDeletionDue(file, elapsed))], cancellationToken));
    }

    /// <summary>The end of a pass: receipts on this CAP, and its row.</summary>
    public async Task FinishAsync(IStore store, string cap, InboxMemory memory, int inboxCount, CancellationToken cancellationToken)
    {
        var full = await receipts.WriteAsync(store, cap, cancellationToken);
        health.Set(cap, new InboxFacts(memory.OldestWaiting, memory.UndeletableCount, memory.UnreadableCount, full));
        await caps.DrainedAsync(cap, Math.Max(0, inboxCount), site.Time.GetUtcNow(), cancellationToken);
    }

    public void Dispose() => _quarantine.Dispose();

    /// <summary>Copy first, row second, deletion on the CAP last: interrupted between, the same file comes again to the same row.</summary>
    private async Task QuarantineAsync(string cap, IReadOnlyList<IngestResult> results, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var refused = results.Where(result => result.Disposition == Disposition.Quarantine).ToList();
        if (refused.Count == 0)
            return;
        await _quarantine.WaitAsync(cancellationToken);
        try
        {
            var kept = refused.Select(result => (Result: result, Copy: result.Candidate.Content is { } content ? folder.Keep(content) : ((string KeptAs, IReadOnlyList<string> Dropped)?)null)).ToList();
            var dropped = kept.SelectMany(entry => entry.Copy?.Dropped ?? []).ToList();
            await site.Database.WriteAsync(async transaction =>
            {
                foreach (var (result, copy) in kept)
                    await QuarantineStore.AddAsync(transaction, cap, result.Candidate.File.FileName, result.Reason!, result.Detail, result.Candidate.File.LengthBytes, copy?.KeptAs, now);
                foreach (var name in dropped)
                    await QuarantineStore.DroppedAsync(transaction, name);
                await QuarantineStore.PruneAsync(transaction);
                if (dropped.Count > 0)
                    await SettingStore.AddAsync(transaction, SettingStore.QuarantineDropped, dropped.Count);
            }, cancellationToken);
            foreach (var result in refused)
                LoadLog.Quarantined(logger, result.Candidate.File.FileName, cap, result.Reason!, result.Detail);
            if (dropped.Count > 0)
                LoadLog.QuarantineDropped(logger, dropped.Count);
        }
        finally
        {
            _quarantine.Release();
        }
    }

    private async Task RememberAsync(string cap, InboxMemory memory, IReadOnlyList<IngestResult> results, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var elapsed = site.Time.GetElapsedTime(0);
        var added = new List<string>();
        var settled = new List<string>();
        foreach (var result in results)
        {
            var name = result.Candidate.File.FileName;
            var device = (result.Candidate as Candidate.Verified)?.Upload.DeviceId;
            if (result.Disposition != Disposition.Wait)
            {
                if (memory.Settled(name))
                    settled.Add(name);
            }
            else if (memory.Wait(result.Candidate.File, device, result.Candidate is Candidate.Unreadable, now, elapsed))
                added.Add(name);
        }
        if (added.Count + settled.Count == 0)
            return;
        await site.Database.WriteAsync(async transaction =>
        {
            foreach (var name in added)
                await WaitingStore.AddAsync(transaction, cap, name, now);
            foreach (var name in settled)
                await WaitingStore.RemoveAsync(transaction, cap, name);
        }, cancellationToken);
    }

    /// <summary>Deletes what is done with. Touches nothing but the storage, so that it may run beside the storing of the next group.</summary>
    public static async Task<Deletions> DeleteAsync(IStore store, IReadOnlyList<InboxFile> done, CancellationToken cancellationToken)
    {
        var failed = new ConcurrentDictionary<InboxFile, NalException>();
        await Parallel.ForEachAsync(done, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken }, async (file, token) =>
        {
            try
            {
                await store.DeleteAsync(file.Path, token);
            }
            catch (NalException cause)
            {
                failed[file] = cause;
            }
        });
        return new Deletions(done, failed);
    }

    /// <summary>A file that cannot be deleted blocks nothing: the ledger knows that it is done with.</summary>
    public void Deleted(string cap, InboxMemory memory, Deletions deletions)
    {
        var elapsed = site.Time.GetElapsedTime(0);
        foreach (var file in deletions.Files)
        {
            if (!deletions.Failed.TryGetValue(file, out var cause))
            {
                memory.Deleted(file.FileName);
                continue;
            }
            memory.CannotDelete(file, elapsed);
            LoadLog.DeleteFailed(logger, file.FileName, cap, cause.Message, cause);
        }
    }
}

/// <summary>What became of the deletion of a group.</summary>
internal sealed record Deletions(IReadOnlyList<InboxFile> Files, IReadOnlyDictionary<InboxFile, NalException> Failed);
