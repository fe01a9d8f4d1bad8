using System.Text;
using System.Text.Json;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>Writes <c>receipts/&lt;bin&gt;</c> on every CAP for the bins in which something was taken in. Thread-safe.</summary>
internal sealed class ReceiptWriter(SiteContext site, DeviceStore devices, CapStore caps)
{
    /// <summary>A write waits for the disk or the network most of its time.</summary>
    private const int WritesAtOnce = 8;

    private readonly Lock _gate = new();
    /// <summary>Bins that this process has signed. Used by the database's one writer alone.</summary>
    private readonly HashSet<string> _signed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _dirty = new(StringComparer.Ordinal);

    /// <summary>Bins that must be written on every CAP: a client may read its receipt from another than it wrote to.</summary>
    public async Task MarkAsync(IEnumerable<string> bins, CancellationToken cancellationToken)
    {
        var marked = bins.ToList();
        if (marked.Count == 0)
            return;
        foreach (var cap in await caps.ListAsync(cancellationToken))
            Add(cap.Path, marked);
    }

    /// <summary>Every bin that has devices: after a start, and for a CAP that was filled again. All bins of a site that was restored: a client that it does not know must see that.</summary>
    public async Task MarkAllAsync(string cap, CancellationToken cancellationToken) =>
        Add(cap, site.Site.Epoch > 1 ? Layout.Bins : await devices.BinsInUseAsync(cancellationToken));

    /// <summary>Writes what waits for this CAP: signed in one transaction, written several at once. When one write fails, all of them wait on.</summary>
    /// <returns>How many bins have more devices than receipts can name; they wait alone and hold up no other.</returns>
    public async Task<int> WriteAsync(IStore store, string cap, CancellationToken cancellationToken)
    {
        List<string> bins;
        lock (_gate)
        {
            // Unmarked before they are read, so that what changes meanwhile marks them again.
            if (!_dirty.Remove(cap, out var marked))
                return 0;
            bins = [.. marked];
        }
        try
        {
            var (signed, full) = await SignAsync(bins, cancellationToken);
            await Parallel.ForEachAsync(signed, new ParallelOptions { MaxDegreeOfParallelism = WritesAtOnce, CancellationToken = cancellationToken },
                async (file, token) => await store.ReplaceAsync(StorePath.Parse(Layout.ReceiptsFile(file.Bin)), file.Content, token));
            Add(cap, full);
            return full.Count;
        }
        catch
        {
            Add(cap, bins);
            throw;
        }
    }

    private Task<(List<(string Bin, byte[] Content)> Signed, List<string> Full)> SignAsync(List<string> bins, CancellationToken cancellationToken)
    {
        var first = new List<string>();
        return site.Database.WriteAsync(async transaction =>
        {
            var signed = new List<(string, byte[])>(bins.Count);
            var full = new List<string>();
            foreach (var bin in bins)
            {
                var rows = await DeviceStore.ReceiptsAsync(transaction, bin);
                // One content is one revision, whichever CAP it is signed for: a client that changes CAPs sees no roll-back.
                var content = SiteTargets.Sha256([.. rows.Select(row => Encoding.UTF8.GetBytes($"{row.DeviceId} {row.Sequence} {row.RecordHash} {row.Resync}"))]);
                var isFirst = _signed.Add(bin);
                if (isFirst)
                    first.Add(bin);
                var receipts = new Receipts
                {
                    SiteCode = site.Site.SiteCode,
                    Epoch = site.Site.Epoch,
                    Revision = await PublishStore.ReceiptRevisionAsync(transaction, bin, content, mayBeRestored: isFirst, site.Time.GetUtcNow()),
                    Bin = bin,
                    Devices = [.. rows.Select(row => new Receipt(row.DeviceId, row.Sequence, row.RecordHash,
                        JsonSerializer.Deserialize(row.Resync, StoreJson.Default.IReadOnlyListString) ?? []))],
                };
                try
                {
                    signed.Add((bin, ReceiptsCodec.Sign(receipts, site.Keys.Receipts)));
                }
                catch (ProtocolException cause) when (cause.Error == ProtocolError.TooLarge)
                {
                    full.Add(bin);
                }
            }
            return (signed, full);
        }, () => _signed.ExceptWith(first), cancellationToken);
    }

    private void Add(string cap, IEnumerable<string> bins)
    {
        lock (_gate)
        {
            if (!_dirty.TryGetValue(cap, out var set))
                _dirty[cap] = set = new HashSet<string>(StringComparer.Ordinal);
            set.UnionWith(bins);
        }
    }
}
