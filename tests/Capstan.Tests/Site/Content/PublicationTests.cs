using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Content;

/// <summary>What is stored, and stored again, by publications, side by side and on disks that are full or bad.</summary>
public sealed class PublicationTests : IAsyncLifetime
{
    private ContentWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await ContentWorld.CreateAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_pack_with_a_wrong_bit_is_not_built_upon()
    {
        var content = ContentWorld.Bytes(4, 300_000);
        await _world.Packages.CreateAsync("One", ContentWorld.Archive(("a", content)), Stop);
        foreach (var file in Directory.EnumerateFiles(_world.SitePacks, "*", SearchOption.AllDirectories))
        {
            var bytes = await File.ReadAllBytesAsync(file, Stop);
            bytes[bytes.Length / 2] ^= 1;
            await File.WriteAllBytesAsync(file, bytes, Stop);
        }
        var made = await _world.Packages.CreateAsync("Two", ContentWorld.Archive(("a", content)), Stop);
        Assert.InRange(made.NewBytes, 300_000, 310_000);
        await _world.Packages.RemoveAsync("One", null, Stop);
        await _world.SpreadAsync();
        Assert.Equal(content, (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_list_in_too_many_pieces_is_stored_in_one()
    {
        var publication = new Publication(_world.Site.Get<PackFolder>(), _world.Site.Get<ContentStore>(), onUnsound: null, mostTreeExtents: 2);
        var files = Enumerable.Range(0, 2_000).Select(n => ($"file-{n}", BitConverter.GetBytes(n))).ToArray();
        var first = await publication.RunAsync(ContentWorld.Archive(files), Stop);
        Assert.Single(first.Tree.Extents);
        files[1_500] = ("file-1500", [1]);
        var second = await publication.RunAsync(ContentWorld.Archive(files), Stop);
        Assert.Single(second.Tree.Extents);
        Assert.NotEqual(first.Tree.Sha256, second.Tree.Sha256);
        // The packs of the first list, and of what the second would have added to it, are none of its packs.
        Assert.DoesNotContain(ContentHash.Parse(first.Tree.Extents[0].Pack), second.Packs);
        Assert.Equal(3, second.Packs.Count);
        // Chunks are found where they lie in one piece from now on.
        var third = await publication.RunAsync(ContentWorld.Archive(files), Stop);
        Assert.Equal((second.Tree.Sha256, 0), (third.Tree.Sha256, third.NewBytes));
        Assert.Single(third.Tree.Extents);
    }

    [Fact]
    public void A_list_of_the_most_pieces_fits_into_its_manifest()
    {
        var per = ContentFormat.MaxTreeChunks / ContentFormat.MaxTreeExtents;
        var chunks = Enumerable.Range(0, per).Select(n => new StoredChunk(ContentFormat.MaxChunkBytes - 1, ContentFormat.MaxChunkBytes, ContentHash.Of(BitConverter.GetBytes(n)))).ToList();
        var extents = Enumerable.Range(0, ContentFormat.MaxTreeExtents).Select(n => new PackageExtent(ContentHash.Of(BitConverter.GetBytes(n)).ToString(), ContentFormat.MaxPackBytes - chunks.Sum(chunk => chunk.StoredBytes), chunks)).ToList();
        var manifest = new PackageManifest
        {
            SiteCode = "ABC",
            PackageId = "aaaaaaaa",
            PackageVersion = int.MaxValue,
            Name = new string('n', PackageManifest.MaxName),
            SizeBytes = ContentFormat.MaxContentBytes,
            FileCount = ContentFormat.MaxEntries,
            Tree = new PackageTree(ContentHash.Of([]).ToString(), (long)ContentFormat.MaxTreeChunks * ContentFormat.MaxChunkBytes, extents),
        };
        Assert.Equal(ContentFormat.MaxTreeExtents, Documents.PackageManifest.Decode(Documents.PackageManifest.Encode(manifest)).Tree.Extents.Count);
    }

    [Fact]
    public void Entries_are_sorted_on_the_disk_and_the_last_of_one_path_counts() => Prop.ForAll(Gen.Choose(0, 60).ArrayOf().ToArbitrary(), numbers =>
    {
        using var spool = new EntrySpool(_world.Site.Get<PackFolder>(), runBytes: 800);
        var entries = numbers.Select((number, place) => new SpooledEntry($"{(number % 2 == 0 ? "a-" : "a/")}{number}", TreeKind.File, 0, place, ContentHash.Of([]), null, place, 1)).ToList();
        foreach (var entry in entries)
            spool.Add(entry);
        var byPath = Comparer<string>.Create(TreePath.Compare);
        Assert.Equal(entries, spool.Entries());
        Assert.Equal(entries.OrderBy(entry => entry.Path, byPath), spool.Sorted(keepAll: true));
        Assert.Equal(entries.GroupBy(entry => entry.Path).Select(same => same.Last()).OrderBy(entry => entry.Path, byPath), spool.Sorted());
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(60).WithQuietOnSuccess(true));

    [Fact]
    public async Task What_is_left_to_the_database_stays_free()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 64);
        await using var world = await ContentWorld.CreateAsync(disk.Directory, Path.Combine(_world.Site.Directory, "other-cap"));
        var archive = ContentWorld.Archive(("large", ContentWorld.Bytes(9, 90_000_000)));
        Assert.Equal("disk_full", (await Assert.ThrowsAsync<SiteException>(() => world.Packages.CreateAsync("Test", archive, Stop))).Code);
        var drive = new DriveInfo(disk.Directory);
        Assert.NotEmpty(Directory.EnumerateFiles(world.SitePacks, "*", SearchOption.AllDirectories));
        Assert.InRange(drive.AvailableFreeSpace, ContentSync.Spare(drive.TotalSize), long.MaxValue);
    }

    [Fact]
    public void Runs_that_are_sorted_are_bounded_in_bytes() => Prop.ForAll(Gen.Choose(1, 4_000).ArrayOf().ToArbitrary(), lengths =>
    {
        const int RunBytes = 50_000;
        var entries = lengths.Select(length => new SpooledEntry(new string('a', length), TreeKind.Link, 0, 0, default, new string('b', length), 0, 0)).ToList();
        var runs = EntrySpool.Runs(entries, RunBytes).ToList();
        Assert.Equal(entries, runs.SelectMany(run => run));
        foreach (var run in runs)
            Assert.InRange(run.Sum(entry => 4L * entry.Path.Length), 4, RunBytes + 16_000);
        // Not one by one either: that would be as many open runs as entries.
        foreach (var run in runs.SkipLast(1))
            Assert.InRange(run.Sum(entry => entry.MemoryBytes), RunBytes, int.MaxValue);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(60).WithQuietOnSuccess(true));

    [Fact]
    public async Task A_list_on_the_disk_leaves_the_databases_part_free()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 16);
        await using var world = await ContentWorld.CreateAsync(disk.Directory, Path.Combine(_world.Site.Directory, "other-cap"));
        var folder = world.Site.Get<PackFolder>();
        using (var entries = new EntrySpool(folder))
        {
            var entry = new SpooledEntry(new string('a', 4_000), TreeKind.Link, 0, 0, default, new string('b', 4_000), 0, 0);
            Refused(() => entries.Add(entry));
        }
        using (var places = new PlaceSpool(folder))
            Refused(() => places.Add(default));

        void Refused(Action add)
        {
            var refused = Assert.Throws<SiteException>(() =>
            {
                for (var added = 0; added < 1_000_000; added++)
                    add();
            });
            var drive = new DriveInfo(disk.Directory);
            Assert.Equal("disk_full", refused.Code);
            Assert.InRange(drive.AvailableFreeSpace, ContentSync.Spare(drive.TotalSize), long.MaxValue);
        }
    }

    [Fact]
    public async Task A_damaged_pack_that_a_publication_comes_upon_is_brought_back_from_a_CAP()
    {
        var content = ContentWorld.Bytes(4, 300_000);
        await _world.Packages.CreateAsync("One", ContentWorld.Archive(("a", content), ("b", ContentWorld.Bytes(5, 100_000))), Stop);
        await _world.SpreadAsync();
        var file = Directory.EnumerateFiles(_world.SitePacks, "*", SearchOption.AllDirectories).MaxBy(path => new FileInfo(path).Length)!;
        var whole = await File.ReadAllBytesAsync(file, Stop);
        await File.WriteAllBytesAsync(file, [.. whole[..1_000], (byte)~whole[1_000], .. whole[1_001..]], Stop);
        await _world.Packages.CreateAsync("Two", ContentWorld.Archive(("a", content)), Stop);
        await _world.SpreadAsync();
        Assert.Equal(whole, await File.ReadAllBytesAsync(file, Stop));
    }

    [Fact]
    public async Task Two_versions_that_are_sent_side_by_side_get_two_numbers()
    {
        var package = await _world.Packages.CreateAsync("Test", ContentWorld.Archive(("a", "1"u8.ToArray())), Stop);
        var (slow, held) = Held(("a", "2"u8.ToArray()));
        var one = _world.Packages.AddVersionAsync(package.PackageId, slow, Stop);
        var other = _world.Packages.AddVersionAsync(package.PackageId, ContentWorld.Archive(("a", "3"u8.ToArray())), Stop);
        held.SetResult();
        Assert.Equal([2, 3], new[] { (await one.WaitAsync(Patience.Limit, Stop)).Version, (await other.WaitAsync(Patience.Limit, Stop)).Version }.Order());
    }

    [Fact]
    public async Task A_package_that_is_removed_while_a_version_is_sent_does_not_come_back()
    {
        var package = await _world.Packages.CreateAsync("Test", ContentWorld.Archive(("a", "1"u8.ToArray())), Stop);
        var (slow, held) = Held(("a", "2"u8.ToArray()));
        var sending = _world.Packages.AddVersionAsync(package.PackageId, slow, Stop);
        await slow.Asked.WaitAsync(Patience.Limit, Stop);
        await _world.Packages.RemoveAsync(package.PackageId, null, Stop);
        held.SetResult();
        Assert.Equal("package_unknown", (await Assert.ThrowsAsync<SiteException>(() => sending.WaitAsync(Patience.Limit, Stop))).Code);
        Assert.Empty(await _world.Packages.ListAsync(Stop));
    }

    [Fact]
    public async Task A_name_that_two_give_side_by_side_is_given_once()
    {
        var (slow, held) = Held(("a", "1"u8.ToArray()));
        var one = _world.Packages.CreateAsync("Test", slow, Stop);
        await slow.Asked.WaitAsync(Patience.Limit, Stop);
        var other = _world.Packages.CreateAsync("TEST", ContentWorld.Archive(("a", "2"u8.ToArray())), Stop);
        held.SetResult();
        Assert.Equal(1, (await one.WaitAsync(Patience.Limit, Stop)).Version);
        Assert.Equal("package_exists", (await Assert.ThrowsAsync<SiteException>(() => other.WaitAsync(Patience.Limit, Stop))).Code);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static (HeldStream Archive, TaskCompletionSource Held) Held(params (string, byte[])[] entries)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return (new HeldStream(ContentWorld.Archive(entries).ToArray(), held.Task), held);
    }

    /// <summary>An archive that does not arrive before it may.</summary>
    private sealed class HeldStream(byte[] content, Task held) : MemoryStream(content)
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Somebody reads.</summary>
        public Task Asked => _asked.Task;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            _asked.TrySetResult();
            await held.WaitAsync(cancellationToken);
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
