using System.Buffers;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;

namespace Capstan.Testing.Content;

/// <summary>Makes package versions in memory, as a site publishes them: chunks that are known already are not packed again. Not thread-safe.</summary>
/// <param name="packBytes">A pack is closed once it is this long.</param>
public sealed class ContentMaker(string packageId, int packBytes = ContentFormat.FullPackBytes)
{
    private readonly Dictionary<ContentHash, (int Pack, long Offset, int Stored)> _known = [];
    private readonly List<MemoryStream> _packs = [new()];
    private readonly List<ContentHash?> _names = [null];

    public string PackageId => packageId;

    /// <summary>Packs that were made, by name.</summary>
    public IReadOnlyDictionary<ContentHash, byte[]> Packs => _packs.Index().Where(pack => _names[pack.Index] is not null).DistinctBy(pack => _names[pack.Index])
        .ToDictionary(pack => _names[pack.Index]!.Value, pack => pack.Item.ToArray());

    /// <summary>Makes a version of these entries.</summary>
    /// <param name="entries">In any order; directories above a file need not be named.</param>
    /// <returns>The manifest, as it lies on a CAP.</returns>
    public byte[] Make(int version, IEnumerable<MadeEntry> entries)
    {
        var all = Complete(entries);
        var chunks = all.Select(entry => Pack(entry.Content)).ToList();
        Close();
        var output = new ArrayBufferWriter<byte>();
        foreach (var (index, entry) in all.Index())
        {
            TreeLines.Write(output, entry.Line());
            foreach (var extent in Extents(chunks[index], ContentFormat.MaxChunksOfLine))
                TreeLines.Write(output, extent);
        }
        var tree = output.WrittenSpan.ToArray();
        var treeChunks = Pack(tree);
        Close();
        return Documents.PackageManifest.Encode(new PackageManifest
        {
            SiteCode = "ABC",
            PackageId = packageId,
            PackageVersion = version,
            Name = "Made",
            SizeBytes = all.Sum(entry => (long)entry.Content.Length),
            FileCount = all.Count(entry => entry.Kind == TreeKind.File),
            Tree = new PackageTree(ContentHash.Of(tree).ToString(), tree.Length,
                [.. Extents(treeChunks, ContentFormat.MaxTreeChunks).Select(extent => new PackageExtent(extent.Pack.ToString(), extent.OffsetBytes, extent.Chunks))]),
        });
    }

    /// <summary>Puts all packs on a CAP.</summary>
    public async Task StoreAsync(IStore cap, CancellationToken cancellationToken)
    {
        foreach (var (name, content) in Packs)
            await cap.ReplaceAsync(StorePath.Parse(Layout.Pack(name)), content, cancellationToken);
    }

    private static List<MadeEntry> Complete(IEnumerable<MadeEntry> entries)
    {
        var all = new Dictionary<string, MadeEntry>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            all[entry.Path] = entry;
            for (var cut = entry.Path.LastIndexOf('/'); cut > 0; cut = entry.Path.LastIndexOf('/', cut - 1))
                all.TryAdd(entry.Path[..cut], MadeEntry.Directory(entry.Path[..cut]));
        }
        return [.. all.Values.Order(Comparer<MadeEntry>.Create(static (left, right) => TreePath.Compare(left.Path, right.Path)))];
    }

    private List<(int Pack, long Offset, StoredChunk Chunk)> Pack(byte[] content)
    {
        var packed = new List<(int, long, StoredChunk)>();
        var stored = new byte[ContentFormat.MaxChunkBytes];
        for (var at = 0; at < content.Length;)
        {
            var plain = content.AsSpan(at, ContentChunker.Next(content.AsSpan(at), isLast: true));
            var hash = ContentHash.Of(plain);
            if (!_known.TryGetValue(hash, out var place))
            {
                if (_packs[^1].Length >= packBytes)
                    Close();
                var length = ChunkCodec.Encode(plain, stored);
                place = (_packs.Count - 1, _packs[^1].Length, length);
                _packs[^1].Write(stored.AsSpan(0, length));
                _known.Add(hash, place);
            }
            packed.Add((place.Pack, place.Offset, new StoredChunk(place.Stored, plain.Length, hash)));
            at += plain.Length;
        }
        return packed;
    }

    private void Close()
    {
        if (_packs[^1].Length == 0)
            return;
        _names[^1] = ContentHash.Of(_packs[^1].ToArray());
        _packs.Add(new MemoryStream());
        _names.Add(null);
    }

    private IEnumerable<Extent> Extents(List<(int Pack, long Offset, StoredChunk Chunk)> chunks, int most)
    {
        for (var i = 0; i < chunks.Count;)
        {
            var (pack, offset, _) = chunks[i];
            var end = offset;
            var run = new List<StoredChunk>();
            for (; i < chunks.Count && chunks[i].Pack == pack && chunks[i].Offset == end && run.Count < most; i++)
            {
                run.Add(chunks[i].Chunk);
                end += chunks[i].Chunk.StoredBytes;
            }
            yield return new Extent(_names[pack]!.Value, offset, run);
        }
    }
}

/// <summary>What a made version holds.</summary>
public sealed record MadeEntry(string Path, TreeKind Kind, byte[] Content, int Mode, string? Target)
{
    public static MadeEntry File(string path, byte[] content, int mode = 0b110_100_100) => new(path, TreeKind.File, content, mode, null);

    public static MadeEntry Directory(string path, int mode = 0b111_101_101) => new(path, TreeKind.Directory, [], mode, null);

    public static MadeEntry Link(string path, string target) => new(path, TreeKind.Link, [], 0, target);

    /// <summary>Bytes that compress badly.</summary>
    public static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        // Tests repeat.
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    internal TreeEntry Line() => Kind switch
    {
        TreeKind.Directory => TreeEntry.Directory(Path, Mode),
        TreeKind.Link => TreeEntry.Link(Path, Target!),
        _ => TreeEntry.File(Path, Mode, Content.Length, ContentHash.Of(Content)),
    };
}
