using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing.Content;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Content;

/// <summary>CAPs that lie, forget, shorten, vanish or are full: everything is noticed and named, and comes from elsewhere or later.</summary>
public sealed class BadSourceTests
{
    private static readonly PackageKey s_package = new("abcdefgh", 1);

    private static List<MadeEntry> Small() =>
    [
        MadeEntry.File("a/noise", MadeEntry.Noise(1, 90_000)),
        MadeEntry.File("b/more", MadeEntry.Noise(2, 60_000)),
        MadeEntry.File("c", MadeEntry.Noise(3, 10)),
    ];

    private static async Task<(ContentFixture Fixture, ContentMaker Maker, byte[] Manifest)> PublishedAsync(int caps, int packBytes = 64 << 10)
    {
        var fixture = new ContentFixture(caps);
        var maker = new ContentMaker("abcdefgh", packBytes);
        var manifest = maker.Make(1, Small());
        for (var cap = 0; cap < caps; cap++)
            await maker.StoreAsync(fixture.Cap(cap), ContentFixture.Stop);
        return (fixture, maker, manifest);
    }

    private static async Task ChangeAsync(Capstan.Testing.Stores.MemoryStore cap, ContentHash pack, Func<byte[], byte[]?> change)
    {
        var path = StorePath.Parse(Layout.Pack(pack));
        if (change((await cap.ReadAllAsync(path, long.MaxValue, ContentFixture.Stop))!) is { } changed)
            await cap.ReplaceAsync(path, changed, ContentFixture.Stop);
        else
            await cap.DeleteAsync(path, ContentFixture.Stop);
    }

    [Fact]
    public async Task Every_flipped_byte_of_a_pack_is_noticed_named_and_read_elsewhere()
    {
        var (first, maker, published) = await PublishedAsync(2);
        await first.DisposeAsync();
        var tree = Capstan.Protocol.V1.Documents.PackageManifest.Decode(published, "x").Tree.ToExtents().Single().Pack;
        foreach (var (pack, content) in maker.Packs)
        {
            // One in each chunk at least: none is shorter than 4 KiB but the last of each file, and the tree's.
            for (var at = 0; at < content.Length; at += Math.Min(4_093, Math.Max(1, content.Length - 1 - at)))
            {
                var (fixture, _, manifest) = await PublishedAsync(2);
                await using var owned = fixture;
                await ChangeAsync(fixture.Cap(), pack, bytes =>
                {
                    bytes[at] ^= 0x10;
                    return bytes;
                });
                ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
                Assert.Contains("server1", fixture.Told, StringComparison.Ordinal);
                Assert.Contains(pack.ToString(), fixture.Told, StringComparison.Ordinal);
                Assert.DoesNotContain("server2", fixture.Told, StringComparison.Ordinal);
                // The chunk alone came from the other one; a tree that comes from there brings its files with it.
                if (pack != tree)
                    Assert.InRange(fixture.Cap(1).Counts.TotalBytesRead, 1, ContentFormat.MaxChunkBytes);
                if (at == content.Length - 1)
                    break;
            }
        }
    }

    [Fact]
    public async Task A_pack_that_is_missing_or_swapped_is_named_and_read_elsewhere()
    {
        Func<byte[], byte[]?>[] changes = [_ => null, bytes => [.. bytes.Reverse()]];
        foreach (var change in changes)
        {
            var (fixture, maker, manifest) = await PublishedAsync(2);
            await using var owned = fixture;
            var pack = maker.Packs.First().Key;
            await ChangeAsync(fixture.Cap(), pack, change);
            ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
            Assert.Contains($"server1\\cap\\: pack {pack}", fixture.Told, StringComparison.Ordinal);
            Assert.True(fixture.Cap().Counts.TotalBytesRead > 0, "the rest of the bad CAP is used");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_pack_that_is_still_being_written_is_read_elsewhere_and_blames_nobody(int part)
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        foreach (var pack in maker.Packs.Keys)
            await ChangeAsync(fixture.Cap(), pack, bytes => bytes[..(bytes.Length * part / 2)]);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Null(fixture.Told);
    }

    [Fact]
    public async Task A_pack_that_grows_is_waited_for_and_looked_at_soon_and_one_that_does_not_is_named()
    {
        var (fixture, maker, manifest) = await PublishedAsync(1);
        await using var owned = fixture;
        var (pack, content) = maker.Packs.First();
        for (var step = 0; step < 10; step++)
        {
            await ChangeAsync(fixture.Cap(), pack, _ => content[..step]);
            var growing = await fixture.WaitsAsync(s_package, manifest);
            Assert.Contains(FormattableString.Invariant($"pack {pack}: it may still be written there: it ends after {step} bytes"), growing.Cause, StringComparison.Ordinal);
            Assert.DoesNotContain("content verify", growing.Cause, StringComparison.Ordinal);
            Assert.InRange(growing.Pause, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(2));
            Assert.Null(fixture.Told);
            fixture.Time.Advance(TimeSpan.FromMinutes(10));
        }
        await fixture.WaitsAsync(s_package, manifest);
        Assert.Null(fixture.Told);
        fixture.Time.Advance(WrongChunks.Written);
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.Contains("content verify", waits.Cause, StringComparison.Ordinal);
        Assert.Contains($"pack {pack}: it ends after 9 bytes and should have more", fixture.Told, StringComparison.Ordinal);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Null(fixture.Told);
    }

    [Fact]
    public async Task A_pack_that_its_writer_lets_nobody_read_is_not_there_yet()
    {
        var (fixture, _, manifest) = await PublishedAsync(1);
        await using var owned = fixture;
        var held = new StoreFault(StoreOperations.Read, NalError.Conflict);
        fixture.Stores[0].Faults.Add(held);
        Assert.Contains("it may still be written there", (await fixture.WaitsAsync(s_package, manifest)).Cause, StringComparison.Ordinal);
        Assert.Null(fixture.Told);
        fixture.Stores[0].Faults.Heal();
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
    }

    [Fact]
    public async Task A_cap_that_lacks_very_much_is_told_of_once_with_a_count()
    {
        var fixture = new ContentFixture();
        await using var owned = fixture;
        var maker = new ContentMaker("abcdefgh", packBytes: 64 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 4_000_000))];
        var manifest = maker.Make(1, entries);
        var tree = Documents.PackageManifest.Decode(manifest, "x").Tree.ToExtents().Select(extent => extent.Pack).ToHashSet();
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        var lacking = maker.Packs.Keys.Where(pack => !tree.Contains(pack)).ToList();
        foreach (var pack in lacking.SkipLast(1))
            await ChangeAsync(fixture.Cap(), pack, _ => null);
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.Matches($"pack [0-9a-f]{{64}} and {lacking.Count - 2} more: it is not there", waits.Cause);
        // What it has is had all the same.
        Assert.True(fixture.Content.Look(s_package).HereBytes > 0);
        Assert.Equal(1, fixture.Log.Count(3183));
        Assert.Equal(1, fixture.Log.Count(3191));
    }

    [Fact]
    public async Task The_next_process_knows_which_cap_served_badly()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        await fixture.ReadyAsync(s_package, manifest);
        var first = fixture.Cap().Counts.TotalBytesRead > 0 ? 0 : 1;
        await ChangeAsync(fixture.Cap(first), maker.Packs.First().Key, _ => null);
        fixture.Cache.Drop(s_package);
        await fixture.ReadyAsync(s_package, manifest);
        Assert.Contains(FormattableString.Invariant($"server{first + 1}"), fixture.Told, StringComparison.Ordinal);
        foreach (var (after, expected) in new[] { (TimeSpan.Zero, 1 - first), (AvoidedCaps.Remembered, first) })
        {
            fixture.Time.Advance(after);
            fixture.Restart();
            fixture.Cache.Drop(s_package);
            var asked = new List<int>();
            fixture.OnRead = asked.Add;
            await fixture.ReadyAsync(s_package, manifest);
            Assert.Equal(expected, asked[0]);
        }
    }

    [Fact]
    public async Task Two_packs_that_changed_places_are_noticed()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        var packs = maker.Packs.ToList();
        await ChangeAsync(fixture.Cap(), packs[0].Key, _ => packs[1].Value);
        await ChangeAsync(fixture.Cap(), packs[1].Key, _ => packs[0].Value);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Contains("server1", fixture.Told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_cap_may_have_what_the_other_has_not()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        foreach (var (index, pack) in maker.Packs.Keys.Index())
            await ChangeAsync(fixture.Cap(index % 2), pack, _ => null);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Contains("server1", fixture.Told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_no_cap_has_is_waited_for_and_what_came_stays()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        var pack = maker.Packs.First().Key;
        await ChangeAsync(fixture.Cap(0), pack, _ => null);
        await ChangeAsync(fixture.Cap(1), pack, bytes => [.. bytes.Reverse()]);
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.Contains("server1", waits.Cause, StringComparison.Ordinal);
        Assert.Contains("server2", waits.Cause, StringComparison.Ordinal);
        Assert.Contains(pack.ToString(), waits.Cause, StringComparison.Ordinal);
        Assert.InRange(waits.Pause, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(15));
        Assert.InRange(fixture.Content.Look(s_package).HereBytes, 1, 160_009);
        await maker.StoreAsync(fixture.Cap(1), ContentFixture.Stop);
        fixture.Cap(0).Counts.Reset();
        fixture.Cap(1).Counts.Reset();
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Equal(maker.Packs[pack].Length, fixture.Cap(1).Counts.TotalBytesRead + fixture.Cap(0).Counts.TotalBytesRead);
    }

    [Fact]
    public async Task A_cap_that_is_lost_on_the_way_leaves_the_rest_to_the_next()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2, packBytes: 16 << 10);
        await using var owned = fixture;
        var reads = 0;
        fixture.OnRead = cap =>
        {
            if (cap == 0 && ++reads == 4)
                fixture.Stores[0].Faults.Add(new StoreFault(StoreOperations.Read, NalError.Connect));
        };
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Contains("server1", fixture.Told, StringComparison.Ordinal);
        // What the first one gave was not read again, but for the read that was under way.
        var total = maker.Packs.Values.Sum(pack => (long)pack.Length);
        Assert.InRange(fixture.Cap(0).Counts.TotalBytesRead + fixture.Cap(1).Counts.TotalBytesRead, total, total + 2 * (80 << 10));
        Assert.Equal(0, fixture.OpenConnections);
    }

    [Fact]
    public async Task Six_hours_without_any_cap_cost_few_attempts_and_it_goes_on_when_one_is_back()
    {
        var (fixture, _, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        fixture.Unreachable = "no route to host";
        var began = fixture.Time.GetUtcNow();
        var rounds = 0;
        while (fixture.Time.GetUtcNow() - began < TimeSpan.FromHours(6))
        {
            var waits = await fixture.WaitsAsync(s_package, manifest);
            Assert.Contains("server1", waits.Cause, StringComparison.Ordinal);
            Assert.Contains("no route to host", waits.Cause, StringComparison.Ordinal);
            // The site cannot mend a way.
            Assert.DoesNotContain("content verify", waits.Cause, StringComparison.Ordinal);
            Assert.Null(fixture.Told);
            fixture.Time.Advance(waits.Pause);
            rounds++;
        }
        // Two CAPs a round, at most four rounds an hour once the pauses have grown.
        Assert.InRange(fixture.Attempts, 40, 2 * 80);
        fixture.Unreachable = null;
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Null(fixture.Told);
        // The next trouble begins with a short pause again.
        Assert.InRange(rounds, 20, 80);
    }

    [Fact]
    public async Task A_full_server_is_no_fault_of_its_content_and_its_next_try_is_kept()
    {
        var (fixture, _, manifest) = await PublishedAsync(1);
        await using var owned = fixture;
        fixture.MaxConnections = 0;
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.Contains("full", waits.Cause, StringComparison.Ordinal);
        Assert.DoesNotContain("content verify", waits.Cause, StringComparison.Ordinal);
        Assert.Null(fixture.Told);
        fixture.MaxConnections = 1;
        fixture.Time.Advance(waits.Pause);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
    }

    [Fact]
    public async Task A_manifest_of_another_version_or_a_tree_that_is_none_is_impossible()
    {
        var (fixture, _, manifest) = await PublishedAsync(1);
        await using var owned = fixture;
        Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(new PackageKey("abcdefgh", 2), manifest));
        Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_package, manifest[..^5]));
        var wrong = Capstan.Protocol.V1.Documents.PackageManifest.Decode(manifest, "x");
        var other = wrong with { Tree = wrong.Tree with { Sha256 = ContentHash.Of("x"u8).ToString() } };
        // This disk is doubted first.
        await fixture.WaitsAsync(s_package, Capstan.Protocol.V1.Documents.PackageManifest.Encode(other));
        var impossible = Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_package, Capstan.Protocol.V1.Documents.PackageManifest.Encode(other)));
        Assert.Contains("tree", impossible.Cause, StringComparison.Ordinal);
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
    }

    [Fact]
    public async Task A_cap_that_fails_to_read_one_pack_is_used_for_the_others()
    {
        var (fixture, maker, manifest) = await PublishedAsync(2);
        await using var owned = fixture;
        var pack = maker.Packs.First().Key;
        fixture.Stores[0].Faults.Add(new StoreFault(StoreOperations.Read, NalError.ReadRemote) { PathPrefix = Layout.Pack(pack) });
        ContentFixture.AssertIs(Small(), await fixture.ReadyAsync(s_package, manifest));
        Assert.Contains(pack.ToString(), fixture.Told, StringComparison.Ordinal);
        Assert.True(fixture.Cap(0).Counts.TotalBytesRead > 0);
    }

    [Fact]
    public async Task Without_any_cap_the_cause_says_so()
    {
        var (fixture, _, manifest) = await PublishedAsync(1);
        await using var owned = fixture;
        fixture.Known = 0;
        Assert.Equal("no client access point is known", (await fixture.WaitsAsync(s_package, manifest)).Cause);
    }
}
