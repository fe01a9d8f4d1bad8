using System.Buffers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Content;

/// <summary>What a publication has put into packs, all of it durable.</summary>
/// <param name="NewBytes">Of the packs that were written for it.</param>
/// <param name="SingleFile">The one file at the top, when there is no other entry of its kind beside it: what a native package is looked for in.</param>
internal sealed record PublishedContent(PackageTree Tree, long SizeBytes, int FileCount, IReadOnlyList<ContentHash> Packs, long NewBytes, TopFile? SingleFile);

/// <summary>A file at the top of a package.</summary>
internal sealed record TopFile(string Name, long SizeBytes, IReadOnlyList<Extent> Extents);

/// <summary>Takes one archive in: its files, then the tree that lists them, both chunked and packed. Killed anywhere, what is in complete packs is found by the next one.</summary>
/// <param name="onUnsound">Told of each pack that should be on the disk, was to be built upon, and is missing or damaged there; null for nobody. Its chunks are stored anew.</param>
/// <param name="mostTreeExtents">A list that would lie in more pieces is stored in one.</param>
internal sealed class Publication(PackFolder folder, ContentStore store, Action<PackRow, PackCondition>? onUnsound, int mostTreeExtents = ContentFormat.MaxTreeExtents)
{
    /// <exception cref="SiteException"><c>bad_package</c>, <c>package_too_large</c>, <c>disk_full</c>.</exception>
    public async Task<PublishedContent> RunAsync(Stream archive, CancellationToken cancellationToken)
    {
        try
        {
            using var entries = new EntrySpool(folder);
            using var places = new PlaceSpool(folder);
            await using var writer = new PackWriter(folder, store, places, onUnsound);
            await using var pipeline = new ChunkPipeline(writer);
            using (var reader = new ArchiveReader(pipeline, entries, folder))
                await reader.ReadAsync(archive, cancellationToken);
            // A tree names packs, so they need their names first.
            await pipeline.FlushAsync(cancellationToken);
            writer.Mark();
            var tree = await WriteTreeAsync(entries, places, writer, pipeline, cancellationToken);
            if (tree.Extents.Count > mostTreeExtents)
            {
                // What changes here and there lies here and there: once in many versions the list is stored in one piece again.
                writer.StoreAfresh();
                tree = await WriteTreeAsync(entries, places, writer, pipeline, cancellationToken);
                if (tree.Extents.Count > ContentFormat.MaxTreeExtents)
                    throw TooLong();
            }
            return new PublishedContent(new PackageTree(tree.Hash.ToString(), tree.LengthBytes, tree.Extents), tree.ContentBytes, tree.Files, writer.Packs, writer.NewBytes,
                tree.Only is { } only ? new TopFile(only.Path, only.SizeBytes, [.. places.Extents(only.FirstChunk, only.Chunks, writer.NameOf)]) : null);
        }
        catch (ProtocolException cause)
        {
            throw cause.Error == ProtocolError.TooLarge ? new SiteException($"The package cannot be published: {cause.Message}. Divide it.", "package_too_large", cause)
                : new SiteException($"Nothing was published: {cause.Message}. Each entry needs its directories in the archive: make it with `tar -C DIR -c .`.", "bad_package", cause);
        }
        catch (Exception cause) when (cause is IOException { HResult: NoSpace or OverQuota } || Dialect.IsDiskFull(cause))
        {
            throw new SiteException($"The disk of the site is full: {cause.Message} Nothing was published; make room and send it again: what is here already is not written twice.", "disk_full", cause);
        }
    }

    /// <summary>ENOSPC and EDQUOT, as the runtime passes them on.</summary>
    private const int NoSpace = 28, OverQuota = 122;

    /// <summary>Writes the list of all entries as a file like any other, into complete packs.</summary>
    private static async Task<WrittenTree> WriteTreeAsync(EntrySpool entries, PlaceSpool places, PackWriter writer, ChunkPipeline pipeline, CancellationToken cancellationToken)
    {
        var (rules, top) = (new TreeRules(), new TopFiles());
        var buffer = new ArrayBufferWriter<byte>(ContentFormat.MaxLineBytes);
        var first = pipeline.Chunks;
        foreach (var entry in entries.Sorted())
        {
            top.Look(entry);
            await WriteAsync(entry.ToEntry());
            foreach (var extent in places.Extents(entry.FirstChunk, entry.Chunks, writer.NameOf))
                await WriteAsync(extent);
            if (pipeline.Chunks - first > ContentFormat.MaxTreeChunks)
                throw TooLong();
        }
        rules.Finish();
        if (rules.Files == 0)
            throw new SiteException("Nothing was published: the package holds no file, only directories or links.", "bad_package");
        var (length, hash) = await pipeline.EndFileAsync(cancellationToken);
        await pipeline.FlushAsync(cancellationToken);
        if (pipeline.Chunks - first > ContentFormat.MaxTreeChunks)
            throw TooLong();
        var extents = places.Extents(first, pipeline.Chunks - first, writer.NameOf, ContentFormat.MaxTreeChunks).Select(extent => new PackageExtent(extent.Pack.ToString(), extent.OffsetBytes, extent.Chunks));
        return new WrittenTree(hash, length, [.. extents], rules.ContentBytes, rules.Files, top.Only);

        async ValueTask WriteAsync(TreeLine line)
        {
            rules.Accept(line);
            TreeLines.Write(buffer, line);
            for (var rest = buffer.WrittenMemory; !rest.IsEmpty;)
            {
                var part = rest[..Math.Min(rest.Length, pipeline.Free.Length)];
                part.CopyTo(pipeline.Free);
                await pipeline.AdvanceAsync(part.Length, cancellationToken);
                rest = rest[part.Length..];
            }
            buffer.ResetWrittenCount();
        }
    }

    private static SiteException TooLong() => new("The list of what the package holds is too long (about 200,000 files, or 15 GB in chunks): divide it.", "package_too_large");

    private sealed record WrittenTree(ContentHash Hash, long LengthBytes, IReadOnlyList<PackageExtent> Extents, long ContentBytes, int Files, SpooledEntry? Only);

    /// <summary>Looks for the one package file at the top.</summary>
    private sealed class TopFiles
    {
        private int _count;
        private SpooledEntry? _only;

        /// <summary>Null when there is none, or more than one.</summary>
        public SpooledEntry? Only => _count == 1 ? _only : null;

        public void Look(SpooledEntry entry)
        {
            if (entry.Kind != TreeKind.File || entry.Path.Contains('/', StringComparison.Ordinal) || !NativePackages.IsNamedSo(entry.Path))
                return;
            _count++;
            _only = entry;
        }
    }
}
