using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;

namespace Capstan.Site.Distribution.Content;

/// <summary>What lies where in a pack, for <see cref="PackRepair"/>: by the rows of its chunks, and by the lists of the versions that name it, which know also of those that a later publication has stored elsewhere. Thread-safe.</summary>
internal sealed class PackLayout(ContentStore content, PackFolder folder)
{
    /// <summary>The chunks of a pack that anybody knows, by their place in it. Lists that cannot be read are passed over.</summary>
    public async Task<IReadOnlyList<(int Offset, StoredChunk Chunk)>> ReadAsync(PackRow pack, CancellationToken cancellationToken)
    {
        var found = new SortedDictionary<int, StoredChunk>();
        foreach (var (offset, chunk) in await content.ChunksOfAsync(pack.Number, cancellationToken))
            found[offset] = chunk;
        foreach (var manifest in await content.ManifestsOfAsync(pack.Number, cancellationToken))
        {
            if (found.Values.Sum(chunk => (long)chunk.StoredBytes) >= pack.LengthBytes)
                break;
            try
            {
                await ReadAsync(pack.Name, Documents.PackageManifest.Decode(manifest).Tree, found, cancellationToken);
            }
            catch (Exception cause) when (cause is SiteException or ProtocolException or IOException or UnauthorizedAccessException)
            {
                // Its list is in a pack that is damaged, too; another version may know as much.
                continue;
            }
        }
        return [.. found.Select(place => (place.Key, place.Value))];
    }

    /// <summary>Which of some chunks of a pack lie in another one, too, in the same stored form.</summary>
    public async Task<OtherPlaces> ElsewhereAsync(PackRow pack, IReadOnlyList<(int Offset, StoredChunk Chunk)> chunks, CancellationToken cancellationToken)
    {
        var places = new OtherPlaces();
        var files = new Dictionary<long, FileStream?>();
        foreach (var (wanted, known) in chunks.Zip(await content.FindAsync([.. chunks.Select(place => place.Chunk.Hash)], cancellationToken)))
        {
            if (known is null || known.Pack == pack.Number || known.Chunk != wanted.Chunk)
                continue;
            if (!files.TryGetValue(known.Pack, out var file))
            {
                file = files[known.Pack] = Open((await content.PackAsync(known.Pack, cancellationToken)).Name);
                if (file is not null)
                    places.Files.Add(file);
            }
            if (file is not null)
                places.Places[known.Chunk.Hash] = (file, known.Offset);
        }
        return places;
    }

    private FileStream? Open(ContentHash pack)
    {
        try
        {
            return folder.Open(pack);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // Its own turn says what is wrong with it.
            return null;
        }
    }

    private async Task ReadAsync(ContentHash pack, PackageTree tree, SortedDictionary<int, StoredChunk> found, CancellationToken cancellationToken)
    {
        foreach (var extent in tree.ToExtents())
            Take(extent);
        await using var plain = folder.CreateTemporary(deleteOnClose: true);
        await ContentReader.CopyAsync(folder, tree.ToExtents(), plain, cancellationToken);
        plain.Position = 0;
        var reader = new TreeReader(plain);
        while (await reader.ReadAsync(cancellationToken) is { } line)
        {
            if (line is Extent extent)
                Take(extent);
        }

        void Take(Extent extent)
        {
            if (extent.Pack != pack)
                return;
            var offset = extent.OffsetBytes;
            foreach (var chunk in extent.Chunks)
            {
                found[(int)offset] = chunk;
                offset += chunk.StoredBytes;
            }
        }
    }

    /// <summary>Chunks in other packs, which are open until this is disposed.</summary>
    internal sealed class OtherPlaces : IAsyncDisposable
    {
        public Dictionary<ContentHash, (FileStream Pack, long Offset)> Places { get; } = [];

        public List<FileStream> Files { get; } = [];

        public async ValueTask DisposeAsync()
        {
            foreach (var file in Files)
                await file.DisposeAsync();
        }
    }
}
