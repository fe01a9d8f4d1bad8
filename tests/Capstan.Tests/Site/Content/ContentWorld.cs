using System.Formats.Tar;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site.Content;

/// <summary>A site with a folder CAP, archives to publish, and a reader that believes what a client may believe.</summary>
internal sealed class ContentWorld : IAsyncDisposable
{
    private ContentWorld(SiteHarness site, ManualTime time, FaultyStorage storage)
    {
        Site = site;
        Time = time;
        Storage = storage;
    }

    /// <summary>What lies between the site and its CAPs.</summary>
    public FaultyStorage Storage { get; }

    /// <summary>Of the first CAP.</summary>
    public FaultStore CapStore => Storage[Site.Cap];

    public SiteHarness Site { get; }

    public ManualTime Time { get; }

    public PackageAdministration Packages => Site.Get<PackageAdministration>();

    public string SitePacks => Path.Combine(Site.Directory, "site", "content", "packs");

    public string CapPacks => Path.Combine(Site.CapDirectory, "packs");

    public static async Task<ContentWorld> CreateAsync(string? directory = null, string? cap = null)
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var site = await SiteHarness.CreateAsync(time, wrap: storage.Wrap, directory: directory);
        site.CapDirectory = cap ?? site.CapDirectory;
        await site.AddCapAsync();
        return new ContentWorld(site, time, storage);
    }

    public static byte[] Bytes(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Entries in this order: a name that ends in a slash is a directory.</summary>
    public static MemoryStream Archive(params IEnumerable<(string Name, byte[] Content)> entries)
    {
        var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
                tar.WriteEntry(name.EndsWith('/') ? new PaxTarEntry(TarEntryType.Directory, name) : new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
        }
        stream.Position = 0;
        return stream;
    }

    public static MemoryStream Archive(params IReadOnlyList<TarEntry> entries)
    {
        var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var entry in entries)
                tar.WriteEntry(entry);
        }
        stream.Position = 0;
        return stream;
    }

    /// <summary>Packs on every CAP, and the metadata that names them.</summary>
    public async Task SpreadAsync()
    {
        await Site.Get<ContentKeeper>().PassAsync(CancellationToken.None);
        await Site.PublishAsync();
    }

    public async Task<PackageManifest?> ManifestAsync(string packageId, int version)
    {
        var client = await Site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, CancellationToken.None);
        return await client.ReadTargetAsync(Layout.PackageTarget(packageId, version), 512 << 10, CancellationToken.None) is { } target ? Documents.PackageManifest.Decode(target.Content.Span) : null;
    }

    /// <summary>Entries of a version with the content of its files, read from the CAP alone, each chunk by its hash.</summary>
    public async Task<IReadOnlyList<(TreeEntry Entry, byte[] Content)>> ReadAsync(PackageVersionRow version)
    {
        var manifest = (await ManifestAsync(version.PackageId, version.Version))!;
        var read = new List<(TreeEntry, byte[])>();
        using var tree = new MemoryStream();
        foreach (var extent in manifest.Tree.ToExtents())
            Append(extent, tree);
        Assert.Equal(manifest.Tree.Sha256, ContentHash.Of(tree.ToArray()).ToString());
        tree.Position = 0;
        var reader = new TreeReader(tree);
        TreeEntry? entry = null;
        var content = new MemoryStream();
        while (await reader.ReadAsync(CancellationToken.None) is { } line)
        {
            if (line is Extent extent)
            {
                Append(extent, content);
                continue;
            }
            End();
            entry = (TreeEntry)line;
        }
        End();
        return read;

        void End()
        {
            if (entry is { Kind: TreeKind.File })
                Assert.Equal(entry.Hash, ContentHash.Of(content.ToArray()));
            if (entry is not null)
                read.Add((entry, content.ToArray()));
            content.SetLength(0);
        }
    }

    public ValueTask DisposeAsync() => Site.DisposeAsync();

    private void Append(Extent extent, Stream output)
    {
        using var pack = File.OpenRead(Path.Combine(Site.CapDirectory, Layout.Pack(extent.Pack)));
        pack.Position = extent.OffsetBytes;
        foreach (var chunk in extent.Chunks)
        {
            var stored = new byte[chunk.StoredBytes];
            pack.ReadExactly(stored);
            var plain = new byte[chunk.LengthBytes];
            Assert.True(ChunkCodec.TryDecode(stored, chunk, plain));
            output.Write(plain);
        }
    }
}
