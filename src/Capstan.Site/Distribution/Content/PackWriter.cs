using System.Collections.Concurrent;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Puts chunks into packs, those that are not in one already. Packs that were completed stay, whatever becomes of the publication: the next one finds their chunks.</summary>
/// <remarks><see cref="PrepareAsync"/> may run on several threads at once, and names of complete packs may be asked for beside it; everything else is for one thread. While a pack goes to the disk, the next one is filled.</remarks>
/// <param name="onUnsound">Told of each pack that was there before and is not whole any more; null for nobody.</param>
internal sealed class PackWriter(PackFolder folder, ContentStore store, PlaceSpool places, Action<PackRow, PackCondition>? onUnsound) : IBatchStore, IAsyncDisposable
{
    /// <summary>Complete packs of this publication by their number in it. Whoever writes the tree reads it while packs are added.</summary>
    private readonly ConcurrentDictionary<int, ContentHash> _names = [];
    private readonly Dictionary<long, int> _known = [];
    /// <summary>Packs that hold a chunk of this publication; and those that did at the last mark.</summary>
    private HashSet<int> _used = [], _usedAtMark = [];
    /// <summary>The one that is filled, the one that goes to the disk, and the one before it: batches that were prepared meanwhile do not know of their chunks.</summary>
    private OpenPack? _open, _closing, _former;
    private Task<ContentHash>? _completion;
    private bool _isAfresh;
    /// <summary>Packs of this publication so far, complete or not.</summary>
    private int _count;

    /// <summary>Stored bytes that were not there before.</summary>
    public long NewBytes { get; private set; }

    /// <summary>The name of a pack of this publication that is complete.</summary>
    public ContentHash NameOf(int pack) => _names.TryGetValue(pack, out var name) ? name : throw new InvalidOperationException("The pack is not complete yet.");

    /// <summary>All packs that hold a chunk of this publication.</summary>
    public IReadOnlyList<ContentHash> Packs => [.. _used.Select(NameOf).Distinct()];

    /// <summary>Hashes a batch, and compresses what is new.</summary>
    public async Task PrepareAsync(ChunkBatch batch, CancellationToken cancellationToken)
    {
        batch.Hash();
        batch.Known = _isAfresh ? new KnownChunk?[batch.Count] : await store.FindAsync(batch.Hashes, cancellationToken);
        for (var i = 0; i < batch.Count; i++)
        {
            if (batch.Known[i] is null)
                batch.Encode(i);
        }
    }

    public async Task StoreAsync(ChunkBatch batch, CancellationToken cancellationToken)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            var place = await PlaceAsync(batch, i, cancellationToken);
            _used.Add(place.Pack);
            places.Add(place);
        }
        // The batch is filled with other chunks after this.
        if (_open is not null)
            Write(_open);
    }

    /// <summary>Everything that was stored lies in complete packs, and its places can be read.</summary>
    public async Task FlushAsync()
    {
        await CloseAsync();
        await CompletedAsync();
        places.Flush();
    }

    /// <summary>What is stored from here on may be stored again by <see cref="StoreAfresh"/>. After a flush.</summary>
    public void Mark() => _usedAtMark = [.. _used];

    /// <summary>Forgets what was stored since the mark, and stores what follows in packs of its own, be it known or not. After a flush.</summary>
    public void StoreAfresh()
    {
        (_used, _isAfresh) = (_usedAtMark, true);
        (_closing, _former) = (null, null);
    }

    public async ValueTask DisposeAsync()
    {
        if (_completion is { } running)
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _open?.Dispose();
    }

    private async ValueTask<ChunkPlace> PlaceAsync(ChunkBatch batch, int index, CancellationToken cancellationToken)
    {
        var hash = batch.Chunk(index).Hash;
        ChunkPlace place = default;
        if (_open?.TryFind(hash, out place) == true || _closing?.TryFind(hash, out place) == true || _former?.TryFind(hash, out place) == true)
            return place;
        if (batch.Known[index] is { } known && await OrdinalAsync(known, cancellationToken) is { } ordinal)
            return new ChunkPlace(ordinal, known.Offset, known.Chunk);
        if (!batch.IsEncoded(index))
            batch.Encode(index);
        _open ??= new OpenPack(folder, _count++);
        place = _open.Add(batch.Chunk(index), batch.Stored(index));
        if (_open.IsFull)
            await CloseAsync();
        return place;
    }

    /// <exception cref="SiteException"><c>disk_full</c></exception>
    private void Write(OpenPack pack)
    {
        folder.NeedRoom(pack.NewBytes);
        pack.Write();
    }

    /// <summary>The open pack goes to the disk while the next one is filled; one at a time.</summary>
    private async Task CloseAsync()
    {
        if (_open is not { } pack)
            return;
        Write(pack);
        await CompletedAsync();
        (_open, _closing, _former) = (null, pack, _closing);
        _completion = Task.Run(() => CompleteAsync(pack));
    }

    /// <summary>Waits for the pack that goes to the disk.</summary>
    private async Task CompletedAsync()
    {
        if (_completion is not { } running)
            return;
        var name = await running;
        _completion = null;
        _names[_closing!.Number] = name;
        NewBytes += _closing.LengthBytes;
    }

    /// <summary>Durable under its name, then known. What lies there is known from then on, whoever gives up meanwhile.</summary>
    private async Task<ContentHash> CompleteAsync(OpenPack pack)
    {
        using (pack)
        {
            var name = pack.Keep();
            await store.AddPackAsync(name, pack.LengthBytes, pack.Places, CancellationToken.None);
            return name;
        }
    }

    /// <summary>The number here of a pack that was there before; null when its file is gone, cut or no longer what its name says, so that its chunks are stored anew.</summary>
    /// <remarks>Read once by each publication: whatever is built on a pack is as good as it is.</remarks>
    private async ValueTask<int?> OrdinalAsync(KnownChunk known, CancellationToken cancellationToken)
    {
        if (!_known.TryGetValue(known.Pack, out var ordinal))
        {
            var pack = await store.PackAsync(known.Pack, cancellationToken);
            var condition = await folder.CheckAsync(pack.Name, cancellationToken);
            ordinal = condition.State == PackState.Whole ? _count++ : -1;
            if (ordinal >= 0)
                _names[ordinal] = pack.Name;
            else
                onUnsound?.Invoke(pack, condition);
            _known.Add(known.Pack, ordinal);
        }
        return ordinal < 0 ? null : ordinal;
    }
}
