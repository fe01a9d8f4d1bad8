using System.Text.Json;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>Writes <c>receipts/&lt;bin&gt;</c> on every CAP for the bins in which something was taken in. Thread-safe.</summary>
internal sealed class ReceiptWriter(SiteContext site, DeviceStore devices, CapStore caps)
{
    private readonly Lock _gate = new();
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

    /// <summary>Every bin that has devices: after a start, and for a CAP that was filled again.</summary>
    public async Task MarkAllAsync(string cap, CancellationToken cancellationToken) => Add(cap, await devices.BinsInUseAsync(cancellationToken));

    /// <summary>Writes what waits for this CAP. What fails waits on.</summary>
    public async Task WriteAsync(IStore store, string cap, CancellationToken cancellationToken)
    {
        List<string> bins;
        lock (_gate)
            bins = [.. _dirty.GetValueOrDefault(cap) ?? []];
        foreach (var bin in bins)
        {
            // Unmarked before it is read, so that what changes meanwhile marks it again.
            lock (_gate)
                _dirty[cap].Remove(bin);
            try
            {
                await store.ReplaceAsync(StorePath.Parse(Layout.ReceiptsFile(bin)), await SignAsync(bin, cancellationToken), cancellationToken);
            }
            catch
            {
                Add(cap, [bin]);
                throw;
            }
        }
    }

    private Task<byte[]> SignAsync(string bin, CancellationToken cancellationToken) => site.Database.WriteAsync(async transaction =>
    {
        var rows = await DeviceStore.ReceiptsAsync(transaction, bin);
        return ReceiptsCodec.Sign(new Receipts
        {
            SiteCode = site.Site.SiteCode,
            Epoch = site.Site.Epoch,
            Revision = await PublishStore.NextReceiptRevisionAsync(transaction, bin),
            Bin = bin,
            Devices = [.. rows.Select(row => new Receipt(row.DeviceId, row.Sequence, row.RecordHash,
                JsonSerializer.Deserialize(row.Resync, StoreJson.Default.IReadOnlyListString) ?? []))],
        }, site.Keys.Receipts);
    }, cancellationToken);

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
