using System.Formats.Tar;
using System.Text;
using Capstan.Site.Distribution.Content;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Content;

/// <summary>Archives of others, as they make them, and what none of them makes.</summary>
public sealed class TarEntriesTests
{
    private static readonly Gen<string> Name =
        from segments in Gen.Choose(1, 30)
        from length in Gen.Choose(1, 20)
        from letter in Gen.Elements('a', 'Z', '-', 'ü', '\u6F22')
        select string.Join('/', Enumerable.Repeat(new string(letter, length), segments));

    private static readonly Gen<(string Name, int Length, int Mode, bool IsLink)> Entry =
        from name in Name
        from length in Gen.Frequency((2, Gen.Choose(0, 3)), (2, Gen.Choose(500, 1_100)), (1, Gen.Choose(100_000, 400_000)))
        from mode in Gen.Choose(0, 0b111_111_111)
        from isLink in Gen.Frequency((3, Gen.Constant(false)), (1, Gen.Constant(true)))
        select (name, length, mode, isLink);

    [Theory]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.V7)]
    public void What_another_program_wrote_is_read(TarEntryFormat format) => Prop.ForAll(Entry.ArrayOf().ToArbitrary(), entries =>
    {
        var stream = new MemoryStream();
        // The old forms hold short names only.
        var isShort = format is TarEntryFormat.Ustar or TarEntryFormat.V7;
        var written = entries.Select((entry, number) => entry with { Name = $"{number}{(isShort ? "" : entry.Name)}" }).ToList();
        using (var tar = new TarWriter(stream, format, leaveOpen: true))
        {
            foreach (var (entry, number) in written.Select((entry, number) => (entry, number)))
                tar.WriteEntry(Make(format, entry, number, isShort));
        }
        stream.Position = 0;
        var read = ReadAsync(new PiecewiseStream(stream.ToArray(), written.Count)).GetAwaiter().GetResult();
        Assert.Equal(written.Count, read.Count);
        foreach (var ((entry, number), (header, content)) in written.Select((entry, number) => (entry, number)).Zip(read))
        {
            Assert.Equal((entry.IsLink ? '2' : '0', entry.Name, entry.Mode), (header.Type, header.Name, header.Mode));
            Assert.Equal(entry.IsLink ? (isShort ? "target" : entry.Name) : "", header.Target);
            Assert.Equal(entry.IsLink ? [] : ContentWorld.Bytes(number, entry.Length), content);
        }
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(15).WithQuietOnSuccess(true));

    /// <summary>As git makes archives: with the commit in a header for all entries.</summary>
    [Fact]
    public async Task A_header_for_all_entries_is_passed_over()
    {
        var archive = ContentWorld.Archive(new PaxGlobalExtendedAttributesTarEntry(new Dictionary<string, string> { ["comment"] = new string('a', 2_000) }), new PaxTarEntry(TarEntryType.RegularFile, "a"));
        Assert.Equal("a", Assert.Single(await ReadAsync(archive)).Header.Name);
    }

    [Theory]
    [InlineData('x')]
    [InlineData('L')]
    [InlineData('K')]
    public async Task An_extended_header_of_any_declared_length_takes_no_memory(char type)
    {
        var archive = Block(type, 768L << 20);
        var before = GC.GetTotalAllocatedBytes();
        var refused = await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(new MemoryStream(archive)));
        Assert.Contains("805306368 bytes; the limit is 1048576", refused.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 100_000_000);
    }

    [Fact]
    public async Task Extended_headers_without_an_end_are_refused()
    {
        var archive = Enumerable.Range(0, 20).SelectMany(_ => Block('x', 0)).ToArray();
        Assert.Contains("more than 16", (await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(new MemoryStream(archive)))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("12 path=a/b\n", "a/b")]
    [InlineData("12 path=a/b\n9 size=0\n", "a/b")]
    [InlineData("13 path=a/b\n", null)]
    [InlineData("12 path=a/bx", null)]
    [InlineData("0 path=a/b\n", null)]
    [InlineData("-1 path=a/b\n", null)]
    [InlineData("6 path\n", null)]
    [InlineData("10 size=x\n", null)]
    [InlineData("28 size=9223372036854775807\n", null)]
    [InlineData("99999999999999999999 path=a\n", null)]
    public void Records_are_of_their_form_or_refused(string records, string? name)
    {
        TarExtension Read() => default(TarExtension).With('x', Encoding.UTF8.GetBytes(records));
        if (name is null)
            Assert.Throws<InvalidDataException>(() => Read());
        else
            Assert.Equal(name, Read().Name);
    }

    /// <summary>Padding beyond 64 bits would make what is skipped less than nothing.</summary>
    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MaxValue - 511)]
    [InlineData(1L << 62)]
    public async Task The_content_of_an_entry_of_any_declared_size_is_never_read_as_headers(long size)
    {
        var content = Encoding.ASCII.GetBytes($"28 size={size}\n");
        byte[] archive = [.. Block('x', content.Length), .. content, .. new byte[512 - content.Length], .. Block('0', 0), .. Block('0', 0), .. new byte[1_024]];
        var entries = new TarEntries(new MemoryStream(archive));
        await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            await entries.NextAsync(CancellationToken.None);
            await entries.NextAsync(CancellationToken.None);
        });
    }

    [Fact]
    public async Task A_sparse_entry_is_told_from_a_file()
    {
        var content = Encoding.ASCII.GetBytes("22 GNU.sparse.major=1\n");
        byte[] archive = [.. Block('x', content.Length), .. content, .. new byte[512 - content.Length], .. Block('0', 0), .. new byte[1_024]];
        Assert.Equal('S', Assert.Single(await ReadAsync(new MemoryStream(archive))).Header.Type);
    }

    /// <summary>Each byte of a header counts in its sum.</summary>
    [Fact]
    public async Task A_header_with_a_changed_byte_is_refused()
    {
        for (var place = 0; place < 512; place += 7)
        {
            byte[] archive = [.. Block('0', 0), .. new byte[1_024]];
            archive[place] ^= 0x41;
            await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(new MemoryStream(archive)));
        }
    }

    private static TarEntry Make(TarEntryFormat format, (string Name, int Length, int Mode, bool IsLink) entry, int number, bool isShort)
    {
        var type = entry.IsLink ? TarEntryType.SymbolicLink : format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile;
        TarEntry made = format switch
        {
            TarEntryFormat.Pax => new PaxTarEntry(type, entry.Name),
            TarEntryFormat.Gnu => new GnuTarEntry(type, entry.Name),
            TarEntryFormat.Ustar => new UstarTarEntry(type, entry.Name),
            _ => new V7TarEntry(type, entry.Name),
        };
        made.Mode = (UnixFileMode)entry.Mode;
        if (entry.IsLink)
            made.LinkName = isShort ? "target" : entry.Name;
        else
            made.DataStream = new MemoryStream(ContentWorld.Bytes(number, entry.Length));
        return made;
    }

    private static byte[] Block(char type, long size)
    {
        var block = new byte[TarHeader.BlockBytes];
        "name"u8.CopyTo(block);
        Encoding.ASCII.GetBytes("0000644\0").CopyTo(block, 100);
        Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0')).CopyTo(block, 124);
        block[156] = (byte)type;
        "ustar\000"u8.CopyTo(block.AsSpan(257));
        block.AsSpan(148, 8).Fill((byte)' ');
        var sum = block.Sum(b => b);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0").CopyTo(block, 148);
        return block;
    }

    private static async Task<List<(TarHeader Header, byte[] Content)>> ReadAsync(Stream archive)
    {
        var entries = new TarEntries(archive);
        var read = new List<(TarHeader, byte[])>();
        var buffer = new byte[300_000];
        while (await entries.NextAsync(CancellationToken.None) is { } header)
        {
            using var content = new MemoryStream();
            while (await entries.ReadAsync(buffer, CancellationToken.None) is > 0 and var count)
                content.Write(buffer.AsSpan(0, count));
            read.Add((header, content.ToArray()));
        }
        return read;
    }

    /// <summary>Gives what it has in pieces of chance.</summary>
    private sealed class PiecewiseStream(byte[] content, int seed) : MemoryStream(content)
    {
        private readonly Random _random = new(seed);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, _random.Next(1, 50_000))], cancellationToken);
    }
}
