using System.Security.Cryptography;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Puts chunks into packs, those that are not in one already. Packs that were completed stay, whatever becomes of the publication: the next one finds their chunks.</summary>
/// <remarks><see cref="PrepareAsync"/> may run on several threads at once; everything else on one.</remarks>
internal sealed class PackWriter(PackFolder folder, ContentStore store, TreeSpool spool) : IAsyncDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    /// <summary>Packs of this publication by their number in it; null for the open one.</summary>
    private readonly List<ContentHash?> _packs = [];
    private readonly Dictionary<long, int> _known = [];
    /// <summary>Chunks of the open pack and of the one before it: batches that were prepared meanwhile do not know of those.</summary>
    private Dictionary<ContentHash, ChunkPlace> _fresh = [], _former = [];
    private readonly List<(StoredChunk Chunk, int Offset)> _rows = [];
    private FileStream? _file;
    private int _open, _length;

    /// <summary>Stored bytes that were not there before.</summary>
    public long NewBytes { get; private set; }

    /// <summary>The name of a pack of this publication that is complete.</summary>
    public ContentHash NameOf(int pack) => _packs[pack] ?? throw new InvalidOperationException("The pack is not complete yet.");

    /// <summary>All packs that hold a chunk of this publication.</summary>
    public IReadOnlyList<ContentHash> Packs => [.. _packs.Select(pack => pack!.Value).Distinct()];

    /// <summary>Hashes a batch, and compresses what is new.</summary>
    public async Task PrepareAsync(ChunkBatch batch, CancellationToken cancellationToken)
    {
        batch.Hash();
        batch.Known = await store.FindAsync(batch.Hashes, cancellationToken);
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
            var hash = batch.Chunk(i).Hash;
            if (_fresh.TryGetValue(hash, out var place) || _former.TryGetValue(hash, out place))
                spool.AddPlace(place);
            else if (batch.Known[i] is { } known && await OrdinalAsync(known, cancellationToken) is { } ordinal)
                spool.AddPlace(new ChunkPlace(ordinal, known.Offset, known.Chunk));
            else
                spool.AddPlace(await AppendAsync(batch, i, cancellationToken));
        }
    }

    /// <summary>Everything that was stored lies in complete packs, and its places can be read.</summary>
    public async Task FlushAsync()
    {
        await ClosePackAsync();
        spool.FlushPlaces();
    }

    /// <summary>Completes the open pack: durable under its name, then known.</summary>
    private async Task ClosePackAsync()
    {
        if (_file is null)
            return;
        var name = new ContentHash(_hash.GetHashAndReset());
        folder.Keep(_file, name);
        _file = null;
        _packs[_open] = name;
        // What lies there is known from now on, whoever gives up meanwhile.
        await store.AddPackAsync(name, _length, _rows, CancellationToken.None);
        NewBytes += _length;
        _rows.Clear();
        (_former, _fresh) = (_fresh, []);
    }

    public async ValueTask DisposeAsync()
    {
        if (_file is { } unfinished)
        {
            await unfinished.DisposeAsync();
            File.Delete(unfinished.Name);
        }
        _hash.Dispose();
    }

    /// <summary>The number here of a pack that was there before; null when its file is gone or cut, so that its chunks are stored anew.</summary>
    private async Task<int?> OrdinalAsync(KnownChunk known, CancellationToken cancellationToken)
    {
        if (!_known.TryGetValue(known.Pack, out var ordinal))
        {
            var (name, length) = await store.PackAsync(known.Pack, cancellationToken);
            ordinal = folder.Length(name) == length ? _packs.Count : -1;
            if (ordinal >= 0)
                _packs.Add(name);
            _known.Add(known.Pack, ordinal);
        }
        return ordinal < 0 ? null : ordinal;
    }

    private async Task<ChunkPlace> AppendAsync(ChunkBatch batch, int index, CancellationToken cancellationToken)
    {
        if (!batch.IsEncoded(index))
            batch.Encode(index);
        var chunk = batch.Chunk(index);
        if (_file is null)
        {
            // The site's database lies on that disk, too, and has to go on.
            if (folder.FreeBytes() <= 0)
                throw new SiteException("The disk of the site is full but for what is left to its database. Nothing was published; make room and send it again: what is here already is not written twice.", "disk_full");
            _file = folder.CreateTemporary(deleteOnClose: false);
            (_open, _length) = (_packs.Count, 0);
            _packs.Add(null);
        }
        var stored = batch.Stored(index);
        await _file.WriteAsync(stored, cancellationToken);
        _hash.AppendData(stored.Span);
        var place = new ChunkPlace(_open, _length, chunk);
        _rows.Add((chunk, _length));
        _fresh.Add(chunk.Hash, place);
        _length += chunk.StoredBytes;
        if (_length >= ContentFormat.FullPackBytes)
            await ClosePackAsync();
        return place;
    }
}
