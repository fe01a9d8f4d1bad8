using System.Buffers;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Tests.Golden;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Content;

public sealed class TreeTests
{
    private static readonly ContentHash Hash = ContentHash.Of("x"u8);
    private static readonly string Hex = Hash.ToString();

    private static readonly Gen<string> Name = Gen.Elements("a", "a.txt", "a-b", "b", "ab", "Größe", "日本", "😀", "\uFB01", "a b", "a\\b", "c:d", "\"q\"", ".hidden", "...", "~");

    /// <summary>Any set of paths, their parents added, in order; files with extents of chance.</summary>
    private static readonly Gen<List<TreeLine>> Trees =
        from paths in (from count in Gen.Choose(1, 4) from names in Name.ListOf(count) select string.Join('/', names)).ListOf()
        from seed in Gen.Choose(0, int.MaxValue)
        select Tree(paths, seed);

    [Fact]
    public void A_tree_is_read_as_it_was_written() => Prop.ForAll(Trees.ToArbitrary(), lines =>
    {
        var bytes = Write(lines);
        var again = Read(bytes);
        return Write(again).AsSpan().SequenceEqual(bytes) && again.Count == lines.Count
            && again.OfType<TreeEntry>().SequenceEqual(lines.OfType<TreeEntry>())
            && again.OfType<Extent>().Zip(lines.OfType<Extent>()).All(pair => pair.First.Chunks.SequenceEqual(pair.Second.Chunks) && pair.First.Pack == pair.Second.Pack);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithQuietOnSuccess(true));

    [Fact]
    public void Entries_alone_are_the_entries_of_the_tree() => Prop.ForAll(Trees.ToArbitrary(), lines =>
    {
        var reader = new TreeReader(new MemoryStream(Write(lines)), entriesOnly: true);
        var entries = new List<TreeLine>();
        while (reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } line)
            entries.Add(line);
        return entries.SequenceEqual(lines.OfType<TreeEntry>());
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(100).WithQuietOnSuccess(true));

    /// <summary>A space changes no JSON, and leaves the line to the general reader.</summary>
    [Fact]
    public void An_extent_is_the_same_by_its_own_reader_and_as_any_json_and_a_change_is_read_alike()
    {
        const string Signs = "0123456789[],\"{}: xaA-.";
        var random = new Random(7);
        for (var round = 0; round < 3_000; round++)
        {
            var chunks = Enumerable.Range(0, random.Next(1, 5)).Select(i => new StoredChunk(random.Next(1, 20), random.Next(20, 70_000), ContentHash.Of(BitConverter.GetBytes(i + round)))).ToList();
            if (chunks.Any(chunk => chunk.LengthBytes > ContentFormat.MaxChunkBytes))
                continue;
            var output = new ArrayBufferWriter<byte>();
            TreeLines.Write(output, new Extent(ContentHash.Of(BitConverter.GetBytes(round)), random.Next(1_000_000), chunks));
            var line = output.WrittenSpan[..^1].ToArray();
            Assert.NotNull(ExtentLine.TryRead(line));
            if (round % 2 == 1)
                line[random.Next(line.Length)] = (byte)Signs[random.Next(Signs.Length)];
            Assert.Equal(Outcome([.. line, (byte)' ']), Outcome(line));
        }

        static string Outcome(byte[] line)
        {
            try
            {
                return TreeLines.Parse(line) is Extent extent ? $"{extent.Pack} {extent.OffsetBytes} {string.Join(' ', extent.Chunks)}" : "an entry";
            }
            catch (ProtocolException e)
            {
                return e.Message;
            }
        }
    }

    [Fact]
    public void The_order_is_that_of_the_bytes() => Prop.ForAll(Gen.Two(Name.ListOf().Select(names => string.Join('/', names))).ToArbitrary(), two =>
        Math.Sign(TreePath.Compare(two.Item1, two.Item2)) == Math.Sign(Encoding.UTF8.GetBytes(two.Item1).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(two.Item2))))
        .Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithQuietOnSuccess(true));

    [Fact]
    public void A_tree_stays()
    {
        var chunk = new StoredChunk(3, 5, Hash);
        var now = Write([
            TreeEntry.Directory("bin", 0b111_101_101), TreeEntry.File("bin/tool", 0b111_101_101, 10, Hash), new Extent(Hash, 0, [chunk]), new Extent(Hash, 77, [chunk]),
            TreeEntry.File("empty", 0b110_100_100, 0, ContentHash.Of([])), TreeEntry.Link("tool", "bin/tool"), TreeEntry.File("Ünï \"q\"", 0b110_000_000, 5, Hash), new Extent(Hash, 3, [chunk])]);
        GoldenFile.Same(GoldenFile.Read("tree.ndjson", () => now), now, "tree.ndjson");
        Assert.Equal(8, Read(now).Count);
    }

    [Theory]
    [InlineData("bin/tool")]
    [InlineData("../x")]
    [InlineData("../..")]
    [InlineData("./a//b/")]
    [InlineData(".")]
    public void A_link_that_stays_inside_is_kept(string target) => Assert.Null(TreePath.TargetProblem("a/b/link", target));

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../../../etc")]
    [InlineData("x/../../../../etc")]
    [InlineData("x/..")]
    [InlineData("")]
    [InlineData("a\nb")]
    public void A_link_that_may_lead_outside_is_refused(string target)
    {
        Assert.NotNull(TreePath.TargetProblem("a/b/link", target));
        Assert.Throws<ProtocolException>(() => Write([TreeEntry.Link("a", target)]));
    }

    [Fact]
    public void Half_a_character_is_refused()
    {
        Assert.NotNull(TreePath.Problem("a\uD800"));
        Assert.NotNull(TreePath.TargetProblem("a", "b\uDC00b"));
    }

    public static TheoryData<string, string> HostileLines => new()
    {
        { "no JSON", "{" },
        { "two documents", """{"path":"a","kind":"directory","mode":"0755"}{}""" },
        { "a list", "[]" },
        { "no path", """{"kind":"directory","mode":"0755"}""" },
        { "a member twice", """{"path":"a","path":"a","kind":"directory","mode":"0755"}""" },
        { "an unknown member", """{"path":"a","kind":"directory","mode":"0755","x":1}""" },
        { "an unknown kind", """{"path":"a","kind":"device","mode":"0755"}""" },
        { "set-user-id", """{"path":"a","kind":"directory","mode":"4755"}""" },
        { "a mode in decimal", """{"path":"a","kind":"directory","mode":493}""" },
        { "a directory with a size", """{"path":"a","kind":"directory","mode":"0755","size":1}""" },
        { "a file without hash", """{"path":"a","kind":"file","mode":"0644","size":0}""" },
        { "a negative size", $$"""{"path":"a","kind":"file","mode":"0644","size":-1,"sha256":"{{Hex}}"}""" },
        { "a size beyond reason", $$"""{"path":"a","kind":"file","mode":"0644","size":9223372036854775807,"sha256":"{{Hex}}"}""" },
        { "a hash in capitals", $$"""{"path":"a","kind":"file","mode":"0644","size":0,"sha256":"{{Hex.ToUpperInvariant()}}"}""" },
        { "a short hash", """{"path":"a","kind":"file","mode":"0644","size":0,"sha256":"ab"}""" },
        { "a link with a mode", """{"path":"a","kind":"link","mode":"0777","target":"b"}""" },
        { "a link outside", """{"path":"a","kind":"link","target":"../b"}""" },
        { "an absolute path", """{"path":"/a","kind":"directory","mode":"0755"}""" },
        { "a way up", """{"path":"../a","kind":"directory","mode":"0755"}""" },
        { "a way up inside", """{"path":"a/../b","kind":"directory","mode":"0755"}""" },
        { "a dot", """{"path":"./a","kind":"directory","mode":"0755"}""" },
        { "a slash at the end", """{"path":"a/","kind":"directory","mode":"0755"}""" },
        { "two slashes", """{"path":"a//b","kind":"directory","mode":"0755"}""" },
        { "an empty path", """{"path":"","kind":"directory","mode":"0755"}""" },
        { "a newline in a name", """{"path":"a\nb","kind":"directory","mode":"0755"}""" },
        { "a NUL in a name", """{"path":"a\u0000b","kind":"directory","mode":"0755"}""" },
        { "a control character of the upper half", """{"path":"a\u0085b","kind":"directory","mode":"0755"}""" },
        { "a lone surrogate", """{"path":"a\ud800b","kind":"directory","mode":"0755"}""" },
        { "a name that is too long", $$"""{"path":"{{new string('a', 256)}}","kind":"directory","mode":"0755"}""" },
        { "an entry and an extent", $$"""{"path":"a","kind":"directory","mode":"0755","pack":"{{Hex}}","offset":0,"chunks":[[1,1,"{{Hex}}"]]}""" },
        { "an extent without chunks", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[]}""" },
        { "a chunk longer than allowed", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[[1,65537,"{{Hex}}"]]}""" },
        { "a chunk that got longer", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[[2,1,"{{Hex}}"]]}""" },
        { "an empty chunk", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[[0,0,"{{Hex}}"]]}""" },
        { "an offset beyond the pack", $$"""{"pack":"{{Hex}}","offset":64000000,"chunks":[[1,1,"{{Hex}}"]]}""" },
        { "a negative offset", $$"""{"pack":"{{Hex}}","offset":-1,"chunks":[[1,1,"{{Hex}}"]]}""" },
        { "a chunk of four", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[[1,1,"{{Hex}}",1]]}""" },
        { "an extent of nothing", $$"""{"pack":"{{Hex}}","offset":0,"chunks":[[1,1,"{{Hex}}"]]}""" },
    };

    [Theory]
    [MemberData(nameof(HostileLines))]
    public void A_hostile_line_is_refused(string what, string line) =>
        Assert.True(Record.Exception(() => Read(Encoding.UTF8.GetBytes(line + "\n"))) is ProtocolException, what);

    public static TheoryData<string, string[]> HostileTrees => new()
    {
        { "a path twice", ["d a", "d a"] },
        { "not in order", ["d b", "d a"] },
        { "no parent", ["f a/b 0"] },
        { "a parent that is a link", ["l a", "f a/b 0"] },
        { "a parent that is a file", ["f a 0", "f a/b 0"] },
        { "a parent that is further away", ["d a", "f a/b/c 0"] },
        { "extents beyond the file", ["f a 1", "x 2"] },
        { "a second extent beyond the file", ["f a 2", "x 2", "x 1"] },
        { "extents of a directory", ["d a", "x 1"] },
        { "a file that lacks extents", ["f a 2", "x 1"] },
        { "a file in the middle that lacks extents", ["f a 2", "x 1", "d b"] },
    };

    [Theory]
    [MemberData(nameof(HostileTrees))]
    public void Lines_that_do_not_fit_together_are_refused(string what, string[] lines) =>
        Assert.True(Record.Exception(() => Read(Write([.. lines.Select(Line)]))) is ProtocolException, what);

    [Fact]
    public void Other_names_may_stand_between_a_directory_and_its_entries() =>
        Assert.Equal(6, Read(Write([.. new[] { "d a", "d a-b", "f a-b/c 0", "f a.txt 0", "f a/b 0", "d b" }.Select(Line)])).Count);

    [Fact]
    public void Every_prefix_of_a_tree_is_refused_or_ends_at_an_entry()
    {
        var whole = Write([.. new[] { "d a", "f a/b 3", "x 2", "x 1", "l c" }.Select(Line)]);
        for (var length = 0; length < whole.Length; length++)
        {
            var prefix = whole[..length];
            if (Record.Exception(() => Read(prefix)) is null)
                Assert.True(length == 0 || prefix[^1] == '\n');
        }
    }

    [Fact]
    public void A_line_without_end_is_refused_before_it_is_held()
    {
        var endless = new byte[1 << 20];
        Array.Fill(endless, (byte)' ');
        Assert.Equal(ProtocolError.TooLarge, Assert.IsType<ProtocolException>(Record.Exception(() => Read(endless))).Error);
    }

    [Fact]
    public void The_longest_line_that_is_written_is_read()
    {
        var chunks = Enumerable.Repeat(new StoredChunk(64_000, 65_536, Hash), ContentFormat.MaxChunksOfLine).ToArray();
        var bytes = Write([TreeEntry.File(string.Join('/', Enumerable.Repeat(new string('"', 255), 16))[..255], 0, 65_536L * chunks.Length, Hash), new Extent(Hash, 0, chunks)]);
        Assert.Equal(2, Read(bytes).Count);
    }

    private static TreeLine Line(string text) => text.Split(' ') switch
    {
        ["d", var path] => TreeEntry.Directory(path, 0b111_101_101),
        ["f", var path, var size] => TreeEntry.File(path, 0b110_100_100, long.Parse(size, System.Globalization.CultureInfo.InvariantCulture), Hash),
        ["l", var path] => TreeEntry.Link(path, "x"),
        ["x", var length] => new Extent(Hash, 0, [.. Enumerable.Repeat(new StoredChunk(1, 1, Hash), int.Parse(length, System.Globalization.CultureInfo.InvariantCulture))]),
        _ => throw new ArgumentException($"no line: {text}", nameof(text)),
    };

    private static List<TreeLine> Tree(IEnumerable<string> paths, int seed)
    {
        var random = new Random(seed);
        var all = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in paths)
        {
            for (var cut = path.Length; cut > 0; cut = path.LastIndexOf('/', cut - 1))
                all.Add(path[..cut]);
        }
        var sorted = all.ToList();
        sorted.Sort(TreePath.Compare);
        var lines = new List<TreeLine>();
        foreach (var path in sorted)
        {
            if (all.Any(other => other.StartsWith(path + "/", StringComparison.Ordinal)) || random.Next(3) == 0)
                lines.Add(TreeEntry.Directory(path, random.Next(512)));
            else if (random.Next(3) == 0)
                lines.Add(TreeEntry.Link(path, "a"));
            else
                AddFile(lines, path, random);
        }
        return lines;
    }

    private static void AddFile(List<TreeLine> lines, string path, Random random)
    {
        var extents = Enumerable.Range(0, random.Next(3)).Select(_ => new Extent(Hash, random.Next(1_000),
            [.. Enumerable.Range(1, random.Next(1, 4)).Select(length => new StoredChunk(1, length, ContentHash.Of([(byte)length])))])).ToArray();
        lines.Add(TreeEntry.File(path, random.Next(512), extents.Sum(extent => extent.LengthBytes()), Hash));
        lines.AddRange(extents);
    }

    private static byte[] Write(IEnumerable<TreeLine> lines)
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (var line in lines)
            TreeLines.Write(output, line);
        return output.WrittenSpan.ToArray();
    }

    private static List<TreeLine> Read(byte[] bytes)
    {
        var reader = new TreeReader(new MemoryStream(bytes));
        var lines = new List<TreeLine>();
        while (reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().GetAwaiter().GetResult() is { } line)
            lines.Add(line);
        return lines;
    }
}
