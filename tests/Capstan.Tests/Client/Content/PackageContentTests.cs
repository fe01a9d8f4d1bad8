using Capstan.Client.Content;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>Versions come here whole, cheaply and from whoever has them.</summary>
public sealed class PackageContentTests
{
    private static readonly PackageKey s_first = new("abcdefgh", 1), s_second = new("abcdefgh", 2);

    private static List<MadeEntry> Sample() =>
    [
        MadeEntry.File("bin/tool", MadeEntry.Noise(1, 300_000), 0b111_101_101),
        MadeEntry.File("data/big", MadeEntry.Noise(2, 2_000_000)),
        MadeEntry.File("data/text", [.. Enumerable.Repeat((byte)'a', 100_000)]),
        MadeEntry.File("data/empty", []),
        MadeEntry.File("read-only/locked", MadeEntry.Noise(3, 10_000), 0b100_100_100),
        MadeEntry.Directory("read-only", 0b101_101_101),
        MadeEntry.Directory("nothing"),
        MadeEntry.File("zeros", new byte[500_000]),
        MadeEntry.File("ünï", "text"u8.ToArray()),
        MadeEntry.Link("bin/link", "../data/big"),
    ];

    [Fact]
    public async Task A_version_comes_here_with_all_that_it_has_and_nothing_else()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var manifest = maker.Make(1, Sample());
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        Assert.False(fixture.Content.Look(s_first).IsComplete);
        var directory = await fixture.ReadyAsync(s_first, manifest);
        ContentFixture.AssertIs(Sample(), directory);
        Assert.Equal(directory, fixture.Content.Look(s_first).Directory);
        Assert.Equal(0, fixture.OpenConnections);
        Assert.Equal(1, fixture.Attempts);
        Assert.Null(await fixture.Content.VerifyAsync(s_first, manifest, ContentFixture.Stop));
        Assert.Equal(fixture.Progress[^1].TotalBytes, fixture.Progress[^1].HereBytes);
        Assert.Null(fixture.Told);
    }

    [Fact]
    public async Task The_next_version_costs_what_changed()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var entries = Sample();
        var first = maker.Make(1, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        await fixture.ReadyAsync(s_first, first);
        // Moved and changed: the chunks of it are the same, but for one or two.
        var big = entries[1].Content.ToArray();
        big[1_000_000] ^= 1;
        entries[1] = MadeEntry.File("moved/big", [1, 2, 3, .. big]);
        var second = maker.Make(2, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        fixture.Cap().Counts.Reset();
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_second, second));
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 1, 5 * 64 << 10);
        Assert.InRange(fixture.Cap().Counts.OperationsOf("read"), 1, 4);
        Assert.True(fixture.Content.Look(s_first).IsComplete);
    }

    [Fact]
    public async Task A_version_that_is_here_needs_no_cap()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var manifest = maker.Make(1, Sample());
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        await fixture.ReadyAsync(s_first, manifest);
        fixture.Known = 0;
        fixture.Restart();
        await fixture.ReadyAsync(s_first, manifest);
    }
}
