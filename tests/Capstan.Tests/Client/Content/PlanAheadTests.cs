using System.Globalization;
using Capstan.Client.Content;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>Versions of more chunks than are planned at one time: what comes later is looked for while what came first is read.</summary>
public sealed class PlanAheadTests
{
    private const int FileBytes = 10, Later = 1_000;

    /// <summary>One more than a window, so that planning does not end with the first.</summary>
    private const int First = VersionFetch.Window + 1;

    private static readonly PackageKey s_package = new("abcdefgh", 1);

    /// <summary>One chunk each.</summary>
    private static IEnumerable<MadeEntry> Files(string directory, int from, int count) =>
        Enumerable.Range(from, count).Select(i => MadeEntry.File(string.Create(CultureInfo.InvariantCulture, $"{directory}/{i / 500}/{i:D5}"), MadeEntry.Noise(i, FileBytes)));

    [Fact]
    public async Task What_comes_later_is_looked_for_while_a_pack_is_read()
    {
        await using var fixture = new ContentFixture();
        var entries = Files("a", 0, First).Concat(Files("b", First, Later)).ToList();
        var maker = new ContentMaker(s_package.PackageId);
        var manifest = maker.Make(1, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        await fixture.ReadyAsync(s_package, manifest);
        // What is left here lies behind the first window.
        fixture.Cache.Demote(s_package);
        fixture.Restart();
        Directory.Delete(Path.Combine(fixture.Cache.PartOf(s_package), "a"), recursive: true);
        var (reads, foundMeanwhile) = (0, false);
        fixture.OnRead = _ =>
        {
            // Nothing is placed before this one has its answer.
            if (++reads == 1)
                foundMeanwhile = SpinWait.SpinUntil(() => fixture.Content.Look(s_package).HereBytes == Later * FileBytes, Patience.Limit);
        };
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_package, manifest));
        Assert.True(foundMeanwhile, "nothing was looked for while a pack was read");
    }

    [Theory]
    [InlineData(400 * FileBytes, 5)]
    [InlineData(ContentFormat.FullPackBytes, 0)]
    public async Task A_CAP_that_lacks_what_a_window_is_in_is_left_for_the_next_one(int packBytes, int left)
    {
        await using var fixture = new ContentFixture(caps: 2);
        // The last of them are the first once more: a chunk has places in several windows.
        var entries = Files("a", 0, 2 * VersionFetch.Window + 100).Concat(Files("z", 0, 100)).ToList();
        var maker = new ContentMaker(s_package.PackageId, packBytes);
        var manifest = maker.Make(1, entries);
        await maker.StoreAsync(fixture.Cap(0), ContentFixture.Stop);
        await maker.StoreAsync(fixture.Cap(1), ContentFixture.Stop);
        var tree = Known(manifest).Tree.Extents.Select(extent => extent.Pack).ToHashSet(StringComparer.Ordinal);
        var packs = maker.Packs.Keys.Where(pack => !tree.Contains(pack.ToString())).ToList();
        foreach (var pack in packs.Skip(left))
            Assert.True(await fixture.Cap(0).DeleteAsync(StorePath.Parse(Layout.Pack(pack)), ContentFixture.Stop));
        var asked = 0;
        fixture.OnRead = cap => asked += cap == 0 ? 1 : 0;
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_package, manifest).Soon());
        // A few times for each pack, and not for each chunk that it lacks.
        Assert.InRange(asked, 2, 2 * (packs.Count + tree.Count));
    }

    [Fact]
    public async Task What_is_planned_beside_reading_comes_in_windows_and_never_beyond_what_may_lack()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker(s_package.PackageId);
        var manifest = maker.Make(1, Files("a", 0, VersionFetch.MostPending + 500));
        fixture.Cache.Prepare();
        await fixture.Cache.BeginAsync(s_package, manifest, ContentFixture.Stop);
        var known = Known(manifest);
        await WriteTreeAsync(maker, known, fixture.Cache.TreeOf(s_package));
        using var fetch = new VersionFetch(fixture.Cache, s_package, known, fixture.Time);
        await fetch.PlanAsync(TimeSpan.FromSeconds(1), ContentFixture.Stop);
        Assert.True(fetch.IsPlanned);
        Assert.Equal(VersionFetch.Window, fetch.Pending.Count);
        Assert.Equal(fetch.Pending, fetch.TakePlanned());
        var planned = new HashSet<NeededChunk>(fetch.Pending);
        while (await fetch.PlanOnAsync(TimeSpan.FromSeconds(1), ContentFixture.Stop) is { Count: > 0 } window)
        {
            Assert.Equal(VersionFetch.Window, window.Count);
            Assert.All(window, chunk => Assert.True(planned.Add(chunk)));
        }
        Assert.Equal(VersionFetch.MostPending, fetch.Pending.Count);
        Assert.Equal(planned, fetch.Pending.ToHashSet());
    }

    private static PackageManifest Known(byte[] manifest) => Documents.PackageManifest.Decode(manifest, s_package.ToString());

    private static async Task WriteTreeAsync(ContentMaker maker, PackageManifest manifest, string path)
    {
        var packs = maker.Packs;
        var plain = new byte[ContentFormat.MaxChunkBytes];
        using var tree = new MemoryStream();
        foreach (var extent in manifest.Tree.ToExtents())
        {
            var offset = (int)extent.OffsetBytes;
            foreach (var chunk in extent.Chunks)
            {
                Assert.True(ChunkCodec.TryDecode(packs[extent.Pack].AsSpan(offset, chunk.StoredBytes), chunk, plain.AsSpan(0, chunk.LengthBytes)));
                tree.Write(plain, 0, chunk.LengthBytes);
                offset += chunk.StoredBytes;
            }
        }
        await File.WriteAllBytesAsync(path, tree.ToArray(), ContentFixture.Stop);
    }
}
