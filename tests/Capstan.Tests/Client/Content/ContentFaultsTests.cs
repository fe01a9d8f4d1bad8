using Capstan.Client.Content;
using Capstan.Nal;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Content;

/// <summary>What goes wrong beside the content itself: leftovers, bad sectors, holes, liars and thin lines hinder nothing else.</summary>
public sealed class ContentFaultsTests
{
    private static readonly PackageKey s_first = new("abcdefgh", 1), s_second = new("abcdefgh", 2);

    private static List<MadeEntry> Sample(int seed = 1) => [MadeEntry.File("a/noise", MadeEntry.Noise(seed, 150_000)), MadeEntry.File("b", MadeEntry.Noise(seed + 100, 40_000))];

    private static async Task<byte[]> PublishAsync(ContentFixture fixture, ContentMaker maker, int version, List<MadeEntry> entries)
    {
        var manifest = maker.Make(version, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        return manifest;
    }

    [Fact]
    public async Task What_a_removal_left_that_was_cut_off_counts_and_goes()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var (first, second) = (await PublishAsync(fixture, maker, 1, Sample()), await PublishAsync(fixture, maker, 2, Sample(2)));
        var directory = await fixture.ReadyAsync(s_first, first);
        // As a kill -9 in the middle of an eviction leaves it.
        Directory.Move(directory, directory + ".gone");
        Assert.InRange(fixture.Cache.BytesOf(s_first), 190_000, 250_000);
        fixture.Restart();
        await fixture.ReadyAsync(s_second, second);
        Assert.Empty(Directory.EnumerateFileSystemEntries(fixture.Cache.Root, $"{s_first}*"));
        Assert.Equal([s_second], fixture.Cache.Versions());
    }

    [Fact]
    public async Task A_use_that_cannot_be_noted_hinders_nothing()
    {
        await using var fixture = new ContentFixture();
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, Sample());
        var directory = await fixture.ReadyAsync(s_first, manifest);
        File.Delete(directory + ".use");
        Directory.CreateDirectory(directory + ".use");
        Assert.Null(await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
        Assert.True(fixture.Content.Look(s_first).IsComplete);
        await fixture.ReadyAsync(s_first, manifest);
    }

    [Fact]
    public async Task Damage_that_cannot_be_put_aside_is_damage_all_the_same()
    {
        await using var fixture = new ContentFixture();
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, Sample());
        var directory = await fixture.ReadyAsync(s_first, manifest);
        await File.WriteAllTextAsync(Path.Combine(directory, "b"), "x", ContentFixture.Stop);
        // Nothing can be renamed to this, as on a disk that the kernel made read-only.
        var inTheWay = fixture.Cache.PartOf(s_first);
        await File.WriteAllTextAsync(inTheWay, "", ContentFixture.Stop);
        Assert.Contains("b has 1 bytes", await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop), StringComparison.Ordinal);
        await fixture.WaitsAsync(s_first, manifest);
        File.Delete(inTheWay);
        ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public void What_this_disk_cannot_read_is_not_there()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        // Nothing is mapped at address 0: EIO, as from a bad sector.
        using var unreadable = File.OpenHandle("/proc/self/mem");
        Assert.Throws<IOException>(() => RandomAccess.Read(unreadable, new byte[10], 0));
        Assert.False(ChunkFile.Has(unreadable, 0, new StoredChunk(10, 10, ContentHash.Of(new byte[10])), new byte[10]));
    }

    [Fact]
    public async Task A_version_that_cannot_be_read_blocks_no_other()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var (first, second) = (await PublishAsync(fixture, maker, 1, Sample()), await PublishAsync(fixture, maker, 2, Sample(2)));
        var directory = await fixture.ReadyAsync(s_first, first);
        foreach (var suffix in (string[])[".tree", ".json", ".use"])
        {
            File.Move(directory + suffix, directory + suffix + "-kept");
            File.CreateSymbolicLink(directory + suffix, "/proc/self/mem");
            fixture.Restart();
            ContentFixture.AssertIs(Sample(2), await fixture.ReadyAsync(s_second, second));
            fixture.Cache.Drop(s_second);
            File.Delete(directory + suffix);
            File.Move(directory + suffix + "-kept", directory + suffix);
        }
    }

    [Fact]
    public async Task Holes_take_no_room_and_are_not_here()
    {
        await using var fixture = new ContentFixture();
        fixture.Cache.Prepare();
        await fixture.Cache.BeginAsync(s_first, "{}"u8.ToArray(), ContentFixture.Stop);
        using (var file = File.Create(Path.Combine(fixture.Cache.PartOf(s_first), "image")))
        {
            file.SetLength(50_000_000);
            file.Position = 40_000_000;
            file.Write(MadeEntry.Noise(1, 100_000));
        }
        Assert.InRange(fixture.Cache.BytesOf(s_first), 100_000, 1_000_000);
    }

    [Fact]
    public async Task A_manifest_that_says_less_than_its_files_have_is_impossible()
    {
        await using var fixture = new ContentFixture();
        var manifest = Documents.PackageManifest.Decode(await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, Sample()), "x");
        var lying = Documents.PackageManifest.Encode(manifest with { SizeBytes = 1_000 });
        Assert.Contains("its manifest says 1000", Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_first, lying)).Cause, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cap_that_lies_is_not_read_to_its_end_for_it()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 1 << 20);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 12_000_000))];
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        var tree = Documents.PackageManifest.Decode(manifest, "x").Tree.ToExtents().Select(extent => extent.Pack).ToHashSet();
        foreach (var (pack, content) in maker.Packs.Where(pack => !tree.Contains(pack.Key)))
            await fixture.Cap().ReplaceAsync(Capstan.Nal.Providers.StorePath.Parse(Capstan.Protocol.Layout.Pack(pack)), content.Reverse().ToArray(), ContentFixture.Stop);
        var waits = await fixture.WaitsAsync(s_first, manifest);
        Assert.Contains("content verify", waits.Cause, StringComparison.Ordinal);
        Assert.Contains("server1", fixture.Told, StringComparison.Ordinal);
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 1, 5_000_000);
        // Each further round costs little: it was wrong before.
        fixture.Cap().Counts.Reset();
        await fixture.WaitsAsync(s_first, manifest);
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 1, 2_000_000);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public async Task A_line_on_which_a_first_read_does_not_come_in_time_is_read_in_smaller_pieces()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 1 << 20);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 900_000))];
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        var hold = new StoreHold();
        fixture.Stores[0].Faults.Add(new StoreFault(StoreOperations.Read, null) { Hold = hold, Nth = 1 });
        var ensuring = fixture.EnsureAsync(s_first, manifest);
        await hold.Reached.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop);
        fixture.Time.Advance(CapPass.LongestRead);
        var waits = Assert.IsType<ContentOutcome.Waits>(await ensuring.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop));
        Assert.DoesNotContain("content verify", waits.Cause, StringComparison.Ordinal);
        hold.Release();
        // 2,000 bytes a second: 64 KiB come within a minute, and 256 KiB never.
        var (last, longest) = (0L, 0L);
        fixture.OnRead = _ =>
        {
            var read = fixture.Cap().Counts.TotalBytesRead - last;
            (last, longest) = (last + read, Math.Max(longest, read));
            fixture.Time.Advance(TimeSpan.FromSeconds(read / 2_000.0));
        };
        fixture.Cap().Counts.Reset();
        var rounds = 0;
        while (await fixture.EnsureAsync(s_first, manifest) is ContentOutcome.Waits)
            Assert.InRange(++rounds, 1, 20);
        Assert.InRange(longest, 1, 64 << 10);
        ContentFixture.AssertIs(entries, fixture.DirectoryOf(s_first));
    }

    [Fact]
    public async Task A_thin_line_to_a_cap_that_lies_is_tried_ever_more_rarely_and_its_cause_is_told()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 1 << 20);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 3_000_000))];
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        var tree = Documents.PackageManifest.Decode(manifest, "x").Tree.ToExtents().Select(extent => extent.Pack).ToHashSet();
        foreach (var (pack, content) in maker.Packs.Where(pack => !tree.Contains(pack.Key)))
            await fixture.Cap().ReplaceAsync(Capstan.Nal.Providers.StorePath.Parse(Capstan.Protocol.Layout.Pack(pack)), content.Reverse().ToArray(), ContentFixture.Stop);
        // So slow that no round finds enough to give the CAP up.
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(59));
        var pauses = new List<TimeSpan>();
        for (var round = 0; round < 12; round++)
        {
            var waits = await fixture.WaitsAsync(s_first, manifest);
            // The first brings the tree.
            if (round > 0)
                Assert.Contains("not what was published", waits.Cause, StringComparison.Ordinal);
            pauses.Add(waits.Pause);
            fixture.Time.Advance(waits.Pause);
        }
        Assert.InRange(pauses.Max(), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(15));
        fixture.OnRead = null;
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public async Task What_the_cache_had_no_room_for_any_more_begins_anew_when_it_has()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 2_000_000))];
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        // A lease that ends on the way: what is here is known in memory, too.
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(50));
        await fixture.WaitsAsync(s_first, manifest);
        Assert.InRange(fixture.Content.Look(s_first).HereBytes, 1, 1_999_999);
        fixture.OnRead = null;
        var settings = fixture.Settings;
        fixture.Settings = settings with { CacheBytes = 1_000_000 };
        Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_first, manifest));
        Assert.Equal(0, fixture.Content.Look(s_first).HereBytes);
        fixture.Settings = settings;
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public async Task A_disk_without_room_is_measured_ever_more_rarely()
    {
        await using var disk = await SmallDisk.MountAsync(80);
        await using var fixture = new ContentFixture(directory: disk.Directory);
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, [MadeEntry.File("big", MadeEntry.Noise(1, 4_000_000))]);
        disk.Fill();
        var pauses = new List<TimeSpan>();
        for (var round = 0; round < 12; round++)
        {
            var waits = await fixture.WaitsAsync(s_first, manifest);
            Assert.Contains("room", waits.Cause, StringComparison.Ordinal);
            pauses.Add(waits.Pause);
            fixture.Time.Advance(waits.Pause);
        }
        Assert.InRange(pauses.Max(), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(15));
        Assert.Equal(0, fixture.Attempts);
    }

    [Theory]
    [InlineData("an empty file")]
    [InlineData("a directory")]
    [InlineData("a link")]
    [InlineData("a hole")]
    public async Task A_version_of_nothing_comes_and_is_verified(string what)
    {
        await using var fixture = new ContentFixture();
        List<MadeEntry> entries = [what switch
        {
            "an empty file" => MadeEntry.File("a/empty", []),
            "a directory" => MadeEntry.Directory("nothing", 0b101_101_101),
            "a link" => MadeEntry.Link("link", "nowhere"),
            _ => MadeEntry.File("zeros", new byte[3_000_000]),
        }];
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, entries);
        for (var time = 0; time < 2; time++)
        {
            ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
            Assert.Null(await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
            // As one that was found to be damaged.
            fixture.Cache.Demote(s_first);
            fixture.Restart();
        }
    }

    [Fact]
    public async Task After_a_failure_that_nobody_foresaw_only_what_is_on_the_disk_is_believed()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 900_000))];
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        fixture.OnRead = _ =>
        {
            if (fixture.Content.Look(s_first).HereBytes > 100_000)
                throw new InvalidOperationException("a bug");
        };
        await Assert.ThrowsAsync<InvalidOperationException>(() => fixture.EnsureAsync(s_first, manifest));
        fixture.OnRead = null;
        var file = Path.Combine(fixture.Cache.PartOf(s_first), "big");
        var bytes = await File.ReadAllBytesAsync(file, ContentFixture.Stop);
        Array.Clear(bytes);
        await File.WriteAllBytesAsync(file, bytes, ContentFixture.Stop);
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public async Task A_version_that_is_verified_holds_up_no_other()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mkfifo");
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var (first, second) = (await PublishAsync(fixture, maker, 1, Sample()), await PublishAsync(fixture, maker, 2, Sample(2)));
        await fixture.ReadyAsync(s_first, first);
        var tree = fixture.Cache.TreeOf(s_first);
        File.Move(tree, tree + "-kept");
        using (var made = System.Diagnostics.Process.Start("mkfifo", tree))
            await made.WaitForExitAsync(ContentFixture.Stop);
        var verifying = fixture.Content.VerifyAsync(s_first, first, ContentFixture.Stop);
        Task<ContentOutcome> again;
        // As a disk that hangs: it is open now, nothing comes, and no end.
        var opening = Task.Run(() => new FileStream(tree, FileMode.Open, FileAccess.Write, FileShare.ReadWrite), ContentFixture.Stop);
        await using (await opening.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop))
        {
            File.Delete(tree);
            File.Move(tree + "-kept", tree);
            again = fixture.EnsureAsync(s_first, first);
            var other = await fixture.EnsureAsync(s_second, second).WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop);
            Assert.IsType<ContentOutcome.Ready>(other);
            Assert.False(again.IsCompleted);
        }
        Assert.NotNull(await verifying.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop));
        Assert.IsType<ContentOutcome.Ready>(await again.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop));
    }

    [Fact]
    public async Task A_store_that_gives_up_by_itself_is_no_order_to_stop()
    {
        await using var fixture = new ContentFixture();
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"), 1, Sample());
        fixture.OnRead = _ => throw new OperationCanceledException("gave up");
        Assert.Contains("gave up", (await fixture.WaitsAsync(s_first, manifest)).Cause, StringComparison.Ordinal);
        fixture.OnRead = null;
        ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
    }

    [Fact]
    public void Wrong_chunks_give_up_their_pack_and_then_the_cap_and_are_told_once_for_each()
    {
        var cap = Capstan.Nal.Paths.NalPath.Parse(@"MSWNET:\\server1\cap\");
        var faults = new SourceFaults();
        var told = new List<Wrong>();
        for (var pack = 0; pack < 5; pack++)
        {
            for (var i = 0; i < 30; i++)
                told.Add(faults.AddChunk(cap, Chunk(pack, i), "wrong"));
        }
        Assert.Equal([Wrong.First, Wrong.Pack, Wrong.First, Wrong.Pack, Wrong.First, Wrong.Cap], told.Where(wrong => wrong != Wrong.Known));
        Assert.True(faults.IsLost(cap));
        // A few in many packs are as bad.
        faults = new SourceFaults();
        for (var pack = 0; pack < 100; pack++)
            faults.AddChunk(cap, Chunk(pack, 0), "wrong");
        Assert.True(faults.IsLost(cap));

        static NeededChunk Chunk(int pack, int place) =>
            new(ContentHash.Of(BitConverter.GetBytes(pack)), pack, place * 100, new StoredChunk(100, 100, ContentHash.Of(BitConverter.GetBytes(pack * 1_000 + place))), new ChunkPlace(new TargetFile("file", 100), 0));
    }
}
