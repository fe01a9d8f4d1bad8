using System.Diagnostics;
using System.Formats.Tar;
using System.Text;
using Capstan.Protocol.Content;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;
using Dapper;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Content;

/// <summary>What becomes of an archive that is published.</summary>
public sealed class PackageTests : IAsyncLifetime
{
    private ContentWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await ContentWorld.CreateAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_site_without_packages_lists_none_and_writes_no_packs()
    {
        Assert.Empty(await _world.Packages.ListAsync(Stop));
        await _world.SpreadAsync();
        Assert.False(Directory.Exists(_world.CapPacks));
    }

    [Fact]
    public async Task A_package_is_read_back_from_the_CAP_byte_by_byte()
    {
        var big = ContentWorld.Bytes(1, 3_000_000);
        var made = await CreateAsync("Test", ("bin/", []), ("bin/tool", "tool"u8.ToArray()), ("empty", []), ("large", big), ("zeros", new byte[500_000]));
        await _world.SpreadAsync();
        Assert.Equal((1, 4, 3_500_004L), (made.Version, made.FileCount, made.SizeBytes));
        var read = await _world.ReadAsync(made);
        Assert.Equal(["bin", "bin/tool", "empty", "large", "zeros"], read.Select(file => file.Entry.Path));
        Assert.Equal(big, read[3].Content);
        Assert.Equal(new byte[500_000], read[4].Content);
    }

    [Fact]
    public async Task Uploads_that_wait_for_their_turn_do_not_pass_the_limit_of_versions_together()
    {
        var made = await CreateAsync("Test", ("one", "1"u8.ToArray()));
        await _world.Site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
            """
            with recursive n(i) as (select 1 union all select i + 1 from n where i < @more)
            insert into content_version (package_id, version, size_bytes, file_count, new_bytes, tree_sha256, manifest, native, added_at) select @PackageId, 1000 + i, 1, 1, 1, '', x'', null, 0 from n
            """, new { made.PackageId, more = PackageRules.MostVersions - 2 }, transaction), Stop);
        Task<PackageVersionRow>[] uploads;
        using (await _world.Site.Get<ContentTurn>().TakeAsync("a test", Stop))
            uploads = [.. Enumerable.Range(0, 3).Select(n => CreateAsync($"Queued {n}", ("one", [(byte)n])))];
        // Each has looked once before it began to wait: there was room for one.
        var ends = new List<string>();
        foreach (var upload in uploads)
        {
            try
            {
                await upload;
                ends.Add("published");
            }
            catch (SiteException refused)
            {
                ends.Add(refused.Code);
            }
        }
        Assert.Equal(["published", "too_many_versions", "too_many_versions"], ends);
    }

    [Fact]
    public async Task The_next_version_costs_what_changed()
    {
        var big = ContentWorld.Bytes(1, 8_000_000);
        var first = await CreateAsync("Test", ("large", big), ("small", "one"u8.ToArray()));
        big[4_000_000] ^= 1;
        var second = await AddAsync(first, ("large", big), ("small", "one"u8.ToArray()));
        Assert.Equal((2, true), (second.Version, second.IsNew));
        Assert.InRange(second.NewBytes, 1, 100_000);
        await _world.SpreadAsync();
        Assert.Equal(big, (await _world.ReadAsync(second))[0].Content);
        Assert.NotNull(await _world.ManifestAsync(first.PackageId, 1));
    }

    [Fact]
    public async Task The_same_content_again_is_no_new_version()
    {
        var first = await CreateAsync("Test", ("a", "1"u8.ToArray()));
        var again = await AddAsync(first, ("a", "1"u8.ToArray()));
        Assert.Equal((1, false), (again.Version, again.IsNew));
    }

    [Fact]
    public async Task The_order_of_an_archive_says_nothing()
    {
        (string, byte[])[] entries = [("a/", []), ("a/b", "1"u8.ToArray()), ("a.txt", "2"u8.ToArray()), ("a-b/", []), ("a-b/c", ContentWorld.Bytes(1, 200_000)), ("ü", "3"u8.ToArray())];
        var seed = Gen.Choose(0, int.MaxValue).Sample(8);
        var trees = new HashSet<string>(StringComparer.Ordinal);
        foreach (var random in seed.Select(number => new Random(number)))
        {
            var shuffled = entries.ToArray();
            random.Shuffle(shuffled);
            trees.Add((await CreateAsync($"Test {trees.Count} {random.Next()}", shuffled)).TreeSha256);
        }
        Assert.Single(trees);
    }

    [Fact]
    public async Task Of_several_entries_with_one_name_the_last_counts()
    {
        var made = await CreateAsync("Test", ("a", "old"u8.ToArray()), ("a", "new"u8.ToArray()), ("b", []));
        await _world.SpreadAsync();
        Assert.Equal("new", Encoding.UTF8.GetString((await _world.ReadAsync(made))[0].Content));
        Assert.Equal(2, made.FileCount);
    }

    [Fact]
    public async Task Links_stay_links_and_hard_links_become_files_that_cost_nothing()
    {
        var content = ContentWorld.Bytes(3, 400_000);
        var made = await _world.Packages.CreateAsync("Test", ContentWorld.Archive(
            new PaxTarEntry(TarEntryType.HardLink, "again") { LinkName = "file" },
            new PaxTarEntry(TarEntryType.RegularFile, "file") { DataStream = new MemoryStream(content), Mode = (UnixFileMode)0b111_101_101 },
            new PaxTarEntry(TarEntryType.SymbolicLink, "link") { LinkName = "file" }), Stop);
        Assert.InRange(made.NewBytes, 400_000, 410_000);
        await _world.SpreadAsync();
        var read = await _world.ReadAsync(made);
        Assert.Equal(content, read[0].Content);
        Assert.Equal(TreeEntry.Link("link", "file"), read[2].Entry);
        Assert.Equal(0b111_101_101, read[1].Entry.Mode);
    }

    [Fact]
    public async Task A_name_is_given_once()
    {
        var first = await CreateAsync("Firefox", ("a", []), ("b", "1"u8.ToArray()));
        Assert.Equal("package_exists", (await Assert.ThrowsAsync<SiteException>(() => CreateAsync("FIREFOX", ("a", [])))).Code);
        Assert.Equal("package_unknown", (await Assert.ThrowsAsync<SiteException>(() => _world.Packages.AddVersionAsync("aaaaaaaa", ContentWorld.Archive(("a", [])), Stop))).Code);
        Assert.Equal(first.PackageId, (await _world.Packages.ShowAsync("firefox", Stop)).PackageId);
    }

    public static TheoryData<string, TarEntry[], string> BadEntries => new()
    {
        { "an empty package", [], "empty" },
        { "directories alone", [new PaxTarEntry(TarEntryType.Directory, "a/")], "holds no file" },
        { "a link outside", [new PaxTarEntry(TarEntryType.SymbolicLink, "a") { LinkName = "../b" }], "a: a link does not lead outside" },
        { "an absolute link", [new PaxTarEntry(TarEntryType.SymbolicLink, "a") { LinkName = "/etc/passwd" }], "relative" },
        { "a hard link outside", [new PaxTarEntry(TarEntryType.HardLink, "a") { LinkName = "../etc/passwd" }], "hard link" },
        { "a pipe", [new PaxTarEntry(TarEntryType.Fifo, "a")], "a device or a pipe" },
        { "a character device", [new PaxTarEntry(TarEntryType.CharacterDevice, "a") { DeviceMajor = 1, DeviceMinor = 3 }], "a device or a pipe" },
        { "a block device", [new PaxTarEntry(TarEntryType.BlockDevice, "a") { DeviceMajor = 8, DeviceMinor = 0 }], "a device or a pipe" },
        { "a newline in a name", [new UstarTarEntry(TarEntryType.RegularFile, "a\nb")], "a\\u{0A}b: a name has no control characters" },
        { "a name that is not UTF-8", [new PaxTarEntry(TarEntryType.RegularFile, "a\uFFFDb")], "not UTF-8" },
        { "a way up", [new PaxTarEntry(TarEntryType.RegularFile, "../a")], "../a" },
        { "an absolute name", [new PaxTarEntry(TarEntryType.RegularFile, "/etc/passwd")], "/etc/passwd" },
        { "no directory", [new PaxTarEntry(TarEntryType.RegularFile, "a/b")], "directories" },
        { "through a link", [new PaxTarEntry(TarEntryType.SymbolicLink, "a") { LinkName = "b" }, new PaxTarEntry(TarEntryType.RegularFile, "a/c"), new PaxTarEntry(TarEntryType.RegularFile, "b")], "directories" },
    };

    [Theory]
    [MemberData(nameof(BadEntries))]
    public async Task What_cannot_be_published_is_refused_by_name(string what, TarEntry[] entries, string said)
    {
        var refused = await Assert.ThrowsAsync<SiteException>(() => _world.Packages.CreateAsync("Test", ContentWorld.Archive(entries), Stop));
        Assert.Equal((what, "bad_package"), (what, refused.Code));
        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
        Assert.Empty(await _world.Packages.ListAsync(Stop));
    }

    [Fact]
    public async Task All_that_is_wrong_is_said_at_once()
    {
        var entries = Enumerable.Range(0, 30).Select(TarEntry (n) => new PaxTarEntry(TarEntryType.Fifo, $"pipe{n}")).ToArray();
        var refused = await Assert.ThrowsAsync<SiteException>(() => _world.Packages.CreateAsync("Test", ContentWorld.Archive(entries), Stop));
        Assert.Contains("pipe0:", refused.Message, StringComparison.Ordinal);
        Assert.Contains("pipe19:", refused.Message, StringComparison.Ordinal);
        Assert.EndsWith("and 10 more.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_archive_that_was_cut_anywhere_is_refused()
    {
        var whole = ContentWorld.Archive(("a", "12345"u8.ToArray()), ("b", [])).ToArray();
        for (var length = 0; length < whole.Length - 512; length += 256)
            Assert.Equal("bad_package", (await Assert.ThrowsAsync<SiteException>(() => _world.Packages.CreateAsync("Test", new MemoryStream(whole[..length]), Stop))).Code);
    }

    [Fact]
    public async Task What_a_cut_connection_left_is_found_by_the_next_try()
    {
        var content = new byte[32_000_000];
        new Random(7).NextBytes(content);
        var whole = ContentWorld.Archive(("large", content)).ToArray();
        // At most 7 MiB are on their way when it breaks: the first pack is complete.
        await Assert.ThrowsAsync<IOException>(() => _world.Packages.CreateAsync("Test", new CutStream(whole, 26_000_000), Stop));
        Assert.Empty(await _world.Packages.ListAsync(Stop));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_world.Site.Directory, "site", "content", "new")));
        var made = await _world.Packages.CreateAsync("Test", new MemoryStream(whole), Stop);
        Assert.InRange(made.NewBytes, 15_000_000, 17_000_000);
        await _world.SpreadAsync();
        Assert.Equal(content, (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_pack_that_is_gone_from_the_disk_is_not_counted_on()
    {
        var content = ContentWorld.Bytes(8, 100_000);
        await CreateAsync("One", ("a", content));
        Directory.Delete(_world.SitePacks, recursive: true);
        var made = await CreateAsync("Two", ("b", content));
        Assert.InRange(made.NewBytes, 100_000, 110_000);
        await _world.SpreadAsync();
        Assert.Equal(content, (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_removed_version_leaves_the_metadata_and_its_number_is_not_given_again()
    {
        var first = await CreateAsync("Test", ("a", "1"u8.ToArray()));
        await AddAsync(first, ("a", "2"u8.ToArray()));
        await _world.Packages.RemoveAsync(first.PackageId, 2, Stop);
        await _world.SpreadAsync();
        Assert.Null(await _world.ManifestAsync(first.PackageId, 2));
        Assert.NotNull(await _world.ManifestAsync(first.PackageId, 1));
        Assert.Equal(3, (await AddAsync(first, ("a", "3"u8.ToArray()))).Version);
        await _world.Packages.RemoveAsync("Test", null, Stop);
        await _world.SpreadAsync();
        Assert.Null(await _world.ManifestAsync(first.PackageId, 1));
        Assert.Equal("package_unknown", (await Assert.ThrowsAsync<SiteException>(() => _world.Packages.RemoveAsync("Test", null, Stop))).Code);
    }

    [Theory]
    [InlineData(0, 1, 1, 1)]
    [InlineData(3, 1, 1, 4)]
    [InlineData(3, 1, 2, 1_003)]
    [InlineData(0, 1, 2, 1)]
    public void A_restored_site_leaves_a_gap_in_the_numbers(long last, long lastEpoch, long epoch, long next) => Assert.Equal(next, PackageRules.NextVersion(last, lastEpoch, epoch));

    [Fact]
    public async Task A_text_that_is_named_like_a_package_is_none() =>
        Assert.Null((await CreateAsync("Test", ("notes.deb", "just text"u8.ToArray()))).Native);

    [Fact]
    public async Task A_Debian_package_says_what_it_is()
    {
        const string Tool = "/usr/bin/dpkg-deb";
        Assert.SkipUnless(File.Exists(Tool), "this machine has no dpkg-deb");
        var tree = Directory.CreateDirectory(Path.Combine(_world.Site.Directory, "deb")).FullName;
        Directory.CreateDirectory(Path.Combine(tree, "DEBIAN"));
        await File.WriteAllTextAsync(Path.Combine(tree, "DEBIAN", "control"), "Package: hello\nVersion: 1:2.10-3\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: says hello\n", Stop);
        using (var build = Process.Start(new ProcessStartInfo(Tool, ["-b", tree, tree + "/../hello.deb"]) { UseShellExecute = false, RedirectStandardOutput = true })!)
            await build.WaitForExitAsync(Stop);
        var deb = await File.ReadAllBytesAsync(tree + "/../hello.deb", Stop);
        Assert.Equal(new NativeFile("deb", "hello", "1:2.10-3", "amd64", "hello.deb"), (await CreateAsync("One", ("hello.deb", deb), ("notes.txt", []))).Native);
        Assert.Null((await CreateAsync("Two", ("hello.deb", deb), ("other.deb", deb))).Native);
        Assert.Null((await CreateAsync("Below", ("sub/", []), ("sub/hello.deb", deb))).Native);
        var broken = (await CreateAsync("Broken", ("hello.deb", deb[..200]))).Native!;
        Assert.Null(broken.Name);
        Assert.Contains("dpkg-deb could not read it", broken.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3_000)]
    [InlineData(200_000)]
    public async Task Many_files_are_a_package(int count)
    {
        if (count > 10_000)
            LongRun.SkipUnlessAsked();
        var made = await _world.Packages.CreateAsync("Many", ContentWorld.Archive(Enumerable.Range(0, count).Select(n => ($"file-{n}", Encoding.ASCII.GetBytes($"content {n}")))), Stop);
        Assert.Equal((count, 1), (made.FileCount, made.Version));
        await _world.SpreadAsync();
        Assert.Equal(count, (await _world.ReadAsync(made)).Count);
    }

    [Theory]
    [InlineData(64L << 20)]
    [InlineData(4_500_000_000L)]
    public async Task A_file_of_zeros_costs_nearly_nothing(long bytes)
    {
        if (bytes > 1_000_000_000)
            LongRun.SkipUnlessAsked();
        var made = await _world.Packages.CreateAsync("Zeros", new ZeroArchive(bytes), Stop);
        Assert.Equal(bytes, made.SizeBytes);
        // One chunk, and the list, which says the same over and over.
        Assert.InRange(made.NewBytes, 1, 20_000 + bytes / 10_000);
    }

    [Fact]
    public async Task A_full_disk_is_told_and_the_next_try_goes_on()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 12);
        await using var world = await ContentWorld.CreateAsync(disk.Directory, Path.Combine(_world.Site.Directory, "other-cap"));
        var archive = ContentWorld.Archive(("large", ContentWorld.Bytes(9, 14_000_000)));
        var refused = await Assert.ThrowsAsync<SiteException>(() => world.Packages.CreateAsync("Test", archive, Stop));
        Assert.Equal("disk_full", refused.Code);
        Assert.Empty(await world.Packages.ListAsync(Stop));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(disk.Directory, "site", "content", "new")));
        Assert.Equal(1, (await world.Packages.CreateAsync("Small", ContentWorld.Archive(("a", ContentWorld.Bytes(9, 1_000_000))), Stop)).Version);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private Task<PackageVersionRow> CreateAsync(string name, params (string, byte[])[] entries) => _world.Packages.CreateAsync(name, ContentWorld.Archive(entries), Stop);

    private Task<PackageVersionRow> AddAsync(PackageVersionRow package, params (string, byte[])[] entries) => _world.Packages.AddVersionAsync(package.PackageId, ContentWorld.Archive(entries), Stop);

    /// <summary>One file of zeros, as a sparse file arrives.</summary>
    private sealed class ZeroArchive(long bytes) : Stream
    {
        private readonly byte[] _header = Header(bytes);
        private long _position;

        private long End => 512 * (1 + (bytes + 511) / 512 + 2);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = (int)Math.Min(buffer.Length, (_position < 512 ? 512 : End) - _position);
            buffer.Span[..count].Clear();
            if (_position < 512)
                _header.AsSpan((int)_position, count).CopyTo(buffer.Span);
            _position += count;
            return ValueTask.FromResult(count);
        }

        private static byte[] Header(long bytes)
        {
            var header = new byte[512];
            "zeros"u8.CopyTo(header);
            "0000644\0"u8.CopyTo(header.AsSpan(100));
            Encoding.ASCII.GetBytes(Convert.ToString(bytes, 8).PadLeft(11, '0')).CopyTo(header.AsSpan(124));
            header[156] = (byte)'0';
            "ustar\0"u8.CopyTo(header.AsSpan(257));
            "00"u8.CopyTo(header.AsSpan(263));
            // The sum of the header with blanks in place of the sum.
            header.AsSpan(148, 8).Fill((byte)' ');
            Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(value => value), 8).PadLeft(6, '0') + "\0 ").CopyTo(header.AsSpan(148));
            return header;
        }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    /// <summary>A connection that breaks.</summary>
    private sealed class CutStream(byte[] whole, int at) : MemoryStream(whole, 0, at)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is > 0 and var read ? read : throw new IOException("The connection was cut.");
    }
}
