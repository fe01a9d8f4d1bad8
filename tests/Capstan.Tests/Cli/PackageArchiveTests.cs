using System.Runtime.Versioning;
using Capstan.Cli.Packages;
using Capstan.Protocol.Content;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

/// <summary>What the command line makes of a directory, as the site reads it.</summary>
public sealed class PackageArchiveTests : IDisposable
{
    private readonly string _source = Directory.CreateTempSubdirectory("capstan-test-").FullName;

    [Fact]
    public async Task Entries_come_in_the_order_of_trees_whatever_their_names()
    {
        string[] files = ["a-b", "a.b/c", "a/b-c/d", "a/b/c", "a/bc", "b", "\u00FC/\U0001F600", "\u00FC/\uFF5E"];
        foreach (var file in files)
            Write(file, file);
        File.CreateSymbolicLink(Path.Combine(_source, "a", "up"), "../b");
        File.CreateSymbolicLink(Path.Combine(_source, "dir"), "a");
        var read = await ReadAsync();
        Assert.Equal(read.Select(entry => entry.Name).Order(Comparer<string>.Create(TreePath.Compare)), read.Select(entry => entry.Name));
        Assert.Equal(files.Order(), read.Where(entry => entry.Type == '0').Select(entry => entry.Name).Order());
        Assert.Equal(["../b", "a"], read.Where(entry => entry.Type == '2').Select(entry => entry.Target));
        Assert.Equal(["a", "a.b", "a/b", "a/b-c", "\u00FC"], read.Where(entry => entry.Type == '5').Select(entry => entry.Name));
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task Content_and_modes_arrive()
    {
        Write("short", "x");
        Write("long", new string('y', 700_000));
        Write("none", "");
        File.SetUnixFileMode(Path.Combine(_source, "short"), (UnixFileMode)0b111_101_000);
        var read = await ReadAsync();
        Assert.Equal([("long", 700_000L), ("none", 0L), ("short", 1L)], read.Select(entry => (entry.Name, entry.SizeBytes)));
        Assert.Equal(0b111_101_000, read[2].Mode);
    }

    [Theory]
    [InlineData(99, 0, 1)]
    [InlineData(100, 100, 1)]
    [InlineData(101, 0, 3)]
    [InlineData(4_000, 0, 10)]
    [InlineData(10, 101, 3)]
    [InlineData(985, 986, 6)]
    public async Task Names_of_any_length_arrive(int nameLength, int targetLength, int blocks)
    {
        var (name, target) = (new string('n', nameLength), targetLength == 0 ? null : new string('t', targetLength));
        var header = TarBlocks.Header(name, target is null ? SourceKind.Directory : SourceKind.Link, 0, 0, target);
        Assert.Equal(blocks * TarBlocks.BlockBytes, header.Length);
        var read = (await new TarEntries(new MemoryStream([.. header, .. new byte[1_024]])).NextAsync(CancellationToken.None))!;
        Assert.Equal((name, target ?? ""), (read.Name, read.Target));
    }

    [Theory]
    [InlineData((1L << 33) - 1)]
    [InlineData(1L << 33)]
    [InlineData(1L << 44)]
    public async Task Files_of_any_length_are_announced(long size)
    {
        var header = TarBlocks.Header("large", SourceKind.File, 0b110_100_100, size, null);
        Assert.Equal(size, (await new TarEntries(new MemoryStream(header)).NextAsync(CancellationToken.None))!.SizeBytes);
    }

    public void Dispose() => Directory.Delete(_source, recursive: true);

    private void Write(string name, string content)
    {
        var path = Path.Combine(_source, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }

    private async Task<List<TarHeader>> ReadAsync()
    {
        using var archive = new PackageArchive(PackageSource.Read(_source, []));
        var entries = new TarEntries(await archive.ReadAsStreamAsync());
        var read = new List<TarHeader>();
        while (await entries.NextAsync(CancellationToken.None) is { } entry)
            read.Add(entry);
        return read;
    }
}
