using Capstan.Protocol.Content;

namespace Capstan.Protocol.V1;

/// <summary>Target <c>packages/pkg-&lt;packageId&gt;-&lt;packageVersion&gt;.json</c>: one version of a package. Never changes.</summary>
public sealed record PackageManifest
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    /// <summary>As <see cref="ObjectId"/> makes it; never used for another package.</summary>
    public required string PackageId { get; init; }
    /// <summary>1, 2, 3 … of this package.</summary>
    public required int PackageVersion { get; init; }
    /// <summary>What a person called it.</summary>
    public required string Name { get; init; }
    /// <summary>Of all files, plain.</summary>
    public required long SizeBytes { get; init; }
    public required int FileCount { get; init; }
    /// <summary>Where the list of what it holds lies.</summary>
    public required PackageTree Tree { get; init; }

    /// <summary>Most characters of <see cref="Name"/>.</summary>
    public const int MaxName = 200;

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        ObjectId.Check("packageId", PackageId, problems);
        problems.Range("packageVersion", PackageVersion, 1, int.MaxValue);
        problems.Line("name", Name, MaxName);
        problems.Range("sizeBytes", SizeBytes, 0, ContentFormat.MaxContentBytes);
        problems.Range("fileCount", FileCount, 0, ContentFormat.MaxEntries);
        problems.Part("tree", Tree, static (problems, tree) => tree.Check(problems));
    }
}

/// <summary>The tree as it lies in packs: chunked like any file.</summary>
/// <param name="Sha256">Of the plain tree.</param>
/// <param name="LengthBytes">Of the plain tree.</param>
/// <param name="Extents">At most <see cref="ContentFormat.MaxTreeExtents"/>, with at most <see cref="ContentFormat.MaxTreeChunks"/> chunks in all.</param>
public sealed record PackageTree(string Sha256, long LengthBytes, IReadOnlyList<PackageExtent> Extents)
{
    /// <summary>The same as <see cref="Extent"/>s.</summary>
    public IEnumerable<Extent> ToExtents() => Extents.Select(extent => new Extent(ContentHash.Parse(extent.Pack), extent.Offset, extent.Chunks));

    internal void Check(Problems problems)
    {
        problems.Hash("sha256", Sha256);
        problems.Range("lengthBytes", LengthBytes, 1, (long)ContentFormat.MaxTreeChunks * ContentFormat.MaxChunkBytes);
        problems.Each("extents", Extents, static (problems, extent) => extent.Check(problems), ContentFormat.MaxTreeExtents);
        var chunks = Extents.Sum(extent => extent?.Chunks?.Count ?? 0);
        problems.Require(chunks <= ContentFormat.MaxTreeChunks, "extents", $"must have at most {ContentFormat.MaxTreeChunks} chunks");
        problems.Require(Extents.Sum(extent => extent?.Chunks?.Sum(chunk => (long)chunk.LengthBytes) ?? 0) == LengthBytes, "extents", "must be as long as the tree");
    }
}

/// <summary>Chunks that lie one after the other in one pack.</summary>
/// <param name="Pack">SHA-256 of the pack, which is its name.</param>
/// <param name="Offset">Of the first chunk in the pack, in bytes.</param>
/// <param name="Chunks">In their order.</param>
public sealed record PackageExtent(string Pack, long Offset, IReadOnlyList<StoredChunk> Chunks)
{
    internal void Check(Problems problems)
    {
        problems.Hash("pack", Pack);
        if (new Extent(default, Offset, Chunks).Problem(ContentFormat.MaxTreeChunks) is { } problem)
            problems.Add("", $"is no extent: {problem}");
    }
}
