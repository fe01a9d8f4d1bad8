using Capstan.Client.Content;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>What crashes, hands and full disks do to content: the result is what was published, and what was right is not read again.</summary>
public sealed class ContentDiskTests
{
    private static readonly PackageKey s_first = new("abcdefgh", 1), s_second = new("abcdefgh", 2), s_third = new("abcdefgh", 3);

    private static List<MadeEntry> Sample(int seed = 1) =>
    [
        MadeEntry.File("a/noise", MadeEntry.Noise(seed, 150_000), 0b111_101_101),
        MadeEntry.File("a/b/c/deep", MadeEntry.Noise(seed + 100, 40_000)),
        MadeEntry.File("repeated", [.. MadeEntry.Noise(seed + 200, 30_000), .. MadeEntry.Noise(seed + 200, 30_000)]),
        MadeEntry.File("zeros", new byte[200_000]),
        MadeEntry.File("empty", []),
        MadeEntry.Directory("none"),
        MadeEntry.File("locked/file", MadeEntry.Noise(seed + 300, 20_000), 0b100_000_000),
        MadeEntry.Directory("locked", 0b101_000_000),
        MadeEntry.Link("link", "a/noise"),
    ];

    private static async Task<byte[]> PublishAsync(ContentFixture fixture, ContentMaker maker, int version, List<MadeEntry> entries)
    {
        var manifest = maker.Make(version, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        return manifest;
    }

    /// <summary>Stops at a read, as a kill does, and leaves what was written.</summary>
    private static async Task KillAtReadAsync(ContentFixture fixture, byte[] manifest, int read)
    {
        using var stop = new CancellationTokenSource();
        var reads = 0;
        fixture.OnRead = _ =>
        {
            if (++reads == read)
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fixture.EnsureAsync(s_first, manifest, stop: stop.Token));
        fixture.OnRead = null;
        fixture.Restart();
    }

    [Fact]
    public async Task Killed_at_any_read_it_goes_on_from_what_is_there()
    {
        for (var read = 1; read <= 16; read += 3)
        {
            await using var fixture = new ContentFixture();
            var maker = new ContentMaker("abcdefgh", packBytes: 8 << 10);
            var manifest = await PublishAsync(fixture, maker, 1, Sample());
            await KillAtReadAsync(fixture, manifest, read);
            Assert.Equal(0, fixture.OpenConnections);
            Assert.False(fixture.Content.Look(s_first).IsComplete);
            ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
            var total = maker.Packs.Values.Sum(pack => (long)pack.Length);
            // Two reads may have been under way.
            Assert.InRange(fixture.Cap().Counts.TotalBytesRead, total, total + 2 * (80 << 10));
        }
    }

    [Fact]
    public async Task Whatever_lies_in_an_unfinished_version_the_result_is_what_was_published()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            await using var fixture = new ContentFixture();
            var maker = new ContentMaker("abcdefgh", packBytes: 8 << 10);
            var manifest = await PublishAsync(fixture, maker, 1, Sample());
            var random = new Random(seed);
            if (random.Next(3) == 0)
            {
                await fixture.ReadyAsync(s_first, manifest);
                fixture.Cache.Demote(s_first);
            }
            else
                await KillAtReadAsync(fixture, manifest, random.Next(3, 16));
            for (var hand = random.Next(1, 5); hand > 0; hand--)
                Spoil(fixture.Cache.PartOf(s_first), fixture.Cache.TreeOf(s_first), fixture.Outside, random);
            ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
            Assert.Null(await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
            Assert.Empty(Directory.EnumerateFileSystemEntries(fixture.Outside));
        }
    }

    /// <summary>One thing that a torn write, a bad sector or another hand leaves.</summary>
    /// <param name="outside">An empty directory that links lead to.</param>
    private static void Spoil(string directory, string tree, string outside, Random random)
    {
        using (var writable = VersionFolder.Open(directory))
            writable.MakeWritable();
        var files = Directory.EnumerateFiles(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).Append(tree).Where(File.Exists).Order(StringComparer.Ordinal).ToList();
        var file = files.Count == 0 ? Path.Combine(directory, "strange") : files[random.Next(files.Count)];
        if (!OperatingSystem.IsWindows() && File.Exists(file))
            File.SetUnixFileMode(file, (UnixFileMode)0b110_000_000);
        switch (random.Next(8))
        {
            case 0 when File.Exists(file):
                using (var stream = new FileStream(file, FileMode.Open))
                    stream.SetLength(random.NextInt64(stream.Length + 1));
                break;
            case 1 when File.Exists(file) && new FileInfo(file).Length > 0:
                using (var stream = new FileStream(file, FileMode.Open))
                {
                    stream.Position = random.NextInt64(stream.Length);
                    stream.Write(MadeEntry.Noise(random.Next(), random.Next(1, 5_000)));
                }
                break;
            case 2:
                File.AppendAllText(file, "more than there should be");
                break;
            case 3:
                File.Delete(file);
                break;
            case 4 when file != tree:
                File.Delete(file);
                Directory.CreateDirectory(Path.Combine(file, "in", "the way"));
                break;
            case 5 when file != tree:
                File.Delete(file);
                File.CreateSymbolicLink(file, outside);
                break;
            case 6:
                Directory.CreateDirectory(Path.Combine(directory, "strange", "folder"));
                File.WriteAllText(Path.Combine(directory, "strange", "folder", "file"), "x");
                break;
            default:
                if (Directory.EnumerateDirectories(directory).Order(StringComparer.Ordinal).FirstOrDefault() is { } folder)
                {
                    Directory.Delete(folder, recursive: true);
                    Directory.CreateSymbolicLink(folder, outside);
                }
                break;
        }
    }

    [Fact]
    public async Task Damage_is_named_takes_the_version_out_of_use_and_is_mended_with_little()
    {
        Action<string>[] damages =
        [
            directory => Flip(Path.Combine(directory, "a/noise"), 100_000),
            directory => File.Delete(Path.Combine(directory, "repeated")),
            directory => File.AppendAllText(Path.Combine(directory, "empty"), "x"),
            directory => File.WriteAllText(Path.Combine(directory, "none/stranger"), "x"),
            directory => File.WriteAllText(Path.Combine(directory, "stranger"), "x"),
            directory => Relink(Path.Combine(directory, "link"), "repeated"),
            directory => Relink(Path.Combine(directory, "zeros"), "a/noise"),
            directory => SetMode(Path.Combine(directory, "a/noise"), 0b110_100_100),
            directory => SetMode(Path.Combine(directory, "a"), 0b111_111_111),
            directory => Directory.Delete(Path.Combine(directory, "none")),
        ];
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 8 << 10);
        var manifest = await PublishAsync(fixture, maker, 1, Sample());
        var directory = await fixture.ReadyAsync(s_first, manifest);
        foreach (var (number, damage) in damages.Index())
        {
            damage(directory);
            fixture.Cap().Counts.Reset();
            var fault = await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop);
            Assert.False(string.IsNullOrEmpty(fault), $"damage {number} was not noticed");
            Assert.False(fixture.Content.Look(s_first).IsComplete);
            // That it is damaged outlasts the process.
            fixture.Restart();
            Assert.False(fixture.Content.Look(s_first).IsComplete);
            ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
            Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 0, 80 << 10);
            Assert.Null(await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
        }
        Assert.Contains("a/noise", await DamagedAsync(() => Flip(Path.Combine(directory, "a/noise"), 149_999)), StringComparison.Ordinal);

        Task<string?> DamagedAsync(Action act)
        {
            act();
            return fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop);
        }
    }

    [Fact]
    public async Task Nothing_is_read_or_written_through_a_link()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var manifest = await PublishAsync(fixture, maker, 1, Sample());
        var directory = await fixture.ReadyAsync(s_first, manifest);
        var outside = fixture.Outside;
        // The very same content, elsewhere: still not what was published.
        Directory.Move(Path.Combine(directory, "a"), Path.Combine(outside, "a"));
        Directory.CreateSymbolicLink(Path.Combine(directory, "a"), Path.Combine(outside, "a"));
        Assert.Equal("a is a link and should be a directory", await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
        Flip(Path.Combine(outside, "a/noise"), 5);
        var before = await File.ReadAllBytesAsync(Path.Combine(outside, "a/noise"), ContentFixture.Stop);
        ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_first, manifest));
        Assert.Equal(before, await File.ReadAllBytesAsync(Path.Combine(outside, "a/noise"), ContentFixture.Stop));
        Assert.Null(new FileInfo(Path.Combine(directory, "a")).LinkTarget);
    }

    [Fact]
    public async Task The_cache_keeps_what_is_pinned_and_lets_the_longest_unused_go()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var manifests = new List<byte[]>();
        for (var version = 1; version <= 3; version++)
            manifests.Add(await PublishAsync(fixture, maker, version, Sample(seed: version)));
        await fixture.ReadyAsync(s_first, manifests[0]);
        await fixture.ReadyAsync(s_second, manifests[1]);
        Assert.Null(await fixture.Content.VerifyAsync(s_first, manifests[0], ContentFixture.Stop));
        fixture.Settings = fixture.Settings with { CacheBytes = 1_100_000 };
        await fixture.ReadyAsync(s_third, manifests[2]);
        Assert.Equal([s_first, s_third], fixture.Cache.Versions().OrderBy(package => package.Version));
        // Both that are here are needed next.
        fixture.Content.Pin([s_first, s_third]);
        var waits = await fixture.WaitsAsync(s_second, manifests[1]);
        Assert.Contains("cache.size", waits.Cause, StringComparison.Ordinal);
        Assert.Equal(2, new[] { s_first, s_third }.Count(package => fixture.Content.Look(package).IsComplete));
        fixture.Content.Pin([s_third]);
        await fixture.ReadyAsync(s_second, manifests[1]);
        Assert.False(fixture.Content.Look(s_first).IsComplete);
        fixture.Settings = fixture.Settings with { CacheBytes = 100_000 };
        Assert.Contains("cache.size", Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_first, manifests[0])).Cause, StringComparison.Ordinal);
        Assert.DoesNotContain(s_first, fixture.Cache.Versions());
    }

    [Fact]
    public async Task A_disk_that_fills_loses_nothing_and_is_named()
    {
        await using var disk = await SmallDisk.MountAsync(100);
        await using var fixture = new ContentFixture(directory: disk.Directory);
        var maker = new ContentMaker("abcdefgh", packBytes: 1 << 20);
        var entries = new List<MadeEntry> { MadeEntry.File("big", MadeEntry.Noise(1, 12_000_000)) };
        var manifest = await PublishAsync(fixture, maker, 1, entries);
        var reads = 0;
        fixture.OnRead = _ =>
        {
            if (++reads == 6)
                disk.Fill();
        };
        var waits = await fixture.WaitsAsync(s_first, manifest);
        Assert.Contains("the disk is full", waits.Cause, StringComparison.Ordinal);
        Assert.Contains(fixture.Cache.Root, waits.Cause, StringComparison.Ordinal);
        Assert.Equal(0, fixture.OpenConnections);
        Assert.Contains("room", (await fixture.WaitsAsync(s_first, manifest)).Cause, StringComparison.Ordinal);
        disk.Free();
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_first, manifest));
        var total = maker.Packs.Values.Sum(pack => (long)pack.Length);
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, total, total + 3 * (1 << 20) + (1 << 16));
    }

    [Fact]
    public async Task Chunks_of_other_versions_are_believed_by_their_hash_alone()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var first = await PublishAsync(fixture, maker, 1, Sample());
        var entries = Sample();
        entries.Add(MadeEntry.File("z", MadeEntry.Noise(77, 5_000)));
        var second = await PublishAsync(fixture, maker, 2, entries);
        var directory = await fixture.ReadyAsync(s_first, first);
        Flip(Path.Combine(directory, "a/noise"), 10_000);
        await File.WriteAllTextAsync(fixture.Cache.TreeOf(s_first), "no tree\n", ContentFixture.Stop);
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_second, second));
        // And of a version whose tree is right.
        fixture.Cache.Drop(s_second);
        fixture.Cache.Drop(s_first);
        directory = await fixture.ReadyAsync(s_first, first);
        Flip(Path.Combine(directory, "a/noise"), 10_000);
        fixture.Cap().Counts.Reset();
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_second, second));
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 5_000, 200_000);
    }

    private static void Flip(string file, int at)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[at] ^= 1;
        File.WriteAllBytes(file, bytes);
    }

    private static void Relink(string path, string target)
    {
        File.Delete(path);
        File.CreateSymbolicLink(path, target);
    }

    private static void SetMode(string path, int mode)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, (UnixFileMode)mode);
    }
}
