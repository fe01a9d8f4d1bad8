using Capstan.Client.Content;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>What a CAP gave wrong is known over rounds and leases, for a while, and until the site has mended it.</summary>
public sealed class WrongChunksTests
{
    private static readonly PackageKey s_package = new("abcdefgh", 1);
    private static readonly NalPath s_cap = NalPath.Parse(@"MSWNET:\\server1\cap\"), s_other = NalPath.Parse(@"MSWNET:\\server2\cap\");

    private readonly ManualTime _time = new();

    private static NeededChunk Chunk(int pack, int place) =>
        new(ContentHash.Of(BitConverter.GetBytes(pack)), pack, place * 100, new StoredChunk(100, 100, ContentHash.Of(BitConverter.GetBytes(pack * 1_000 + place))), new ChunkPlace(new TargetFile("file", 100), 0));

    private static NeededChunk[] Chunks(int packs, int each) => [.. Enumerable.Range(0, packs).SelectMany(pack => Enumerable.Range(0, each).Select(place => Chunk(pack, place)))];

    [Fact]
    public async Task A_pack_that_is_wrong_is_not_read_with_each_lease_of_a_thin_line_and_comes_as_soon_as_the_site_has_replaced_it()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 2_000_000))];
        var manifest = maker.Make(1, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        var tree = Documents.PackageManifest.Decode(manifest, "x").Tree.ToExtents().Select(extent => extent.Pack).ToHashSet();
        var (wrong, content) = maker.Packs.First(pack => !tree.Contains(pack.Key));
        var path = StorePath.Parse(Layout.Pack(wrong));
        await fixture.Cap().ReplaceAsync(path, content.Reverse().ToArray(), ContentFixture.Stop);
        // Five reads a lease.
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(59));
        ContentOutcome.Waits waits = null!;
        for (var round = 0; round < 14; round++)
        {
            waits = await fixture.WaitsAsync(s_package, manifest);
            if (round > 1)
                Assert.Contains(wrong.ToString(), fixture.Told, StringComparison.Ordinal);
            fixture.Time.Advance(waits.Pause);
        }
        // Everything else is here.
        Assert.Equal(2_000_000, fixture.Content.Look(s_package).HereBytes + content.Length);
        Assert.Contains("content verify", waits.Cause, StringComparison.Ordinal);
        Assert.InRange(fixture.Cap().Counts.BytesReadAt(path.Value), 1, 2 * content.Length);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        fixture.Cap().Counts.Reset();
        fixture.OnRead = null;
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_package, manifest));
        Assert.Equal(content.Length, fixture.Cap().Counts.TotalBytesRead);
        Assert.Null(fixture.Told);
    }

    [Fact]
    public async Task A_CAP_that_gave_nothing_but_wrong_chunks_is_asked_for_little_until_it_gives_a_right_one()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 6_000_000))];
        var manifest = maker.Make(1, entries);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        var tree = Documents.PackageManifest.Decode(manifest, "x").Tree.ToExtents().Select(extent => extent.Pack).ToHashSet();
        foreach (var (pack, content) in maker.Packs.Where(pack => !tree.Contains(pack.Key)))
            await fixture.Cap().ReplaceAsync(StorePath.Parse(Layout.Pack(pack)), content.Reverse().ToArray(), ContentFixture.Stop);
        for (var round = 0; round < 3; round++)
            fixture.Time.Advance((await fixture.WaitsAsync(s_package, manifest)).Pause);
        fixture.Cap().Counts.Reset();
        fixture.Time.Advance((await fixture.WaitsAsync(s_package, manifest)).Pause);
        Assert.InRange(fixture.Cap().Counts.TotalBytesRead, 1, SourceFaults.MostProbes * ContentFormat.MaxChunkBytes);
        Assert.InRange(fixture.Cap().Counts.OperationsOf("read"), 1, SourceFaults.MostProbes);
        // Another version has other packs, which are as they should be.
        List<MadeEntry> others = [MadeEntry.File("other", MadeEntry.Noise(2, 600_000))];
        var other = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        var second = other.Make(2, others);
        await other.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        ContentFixture.AssertIs(others, await fixture.ReadyAsync(new PackageKey("abcdefgh", 2), second));
    }

    [Fact]
    public void What_was_wrong_is_forgotten_in_the_end_whatever_the_wall_clock_says()
    {
        var known = new WrongChunks(_time);
        new SourceFaults(known).AddChunk(s_cap, Chunk(1, 1), "wrong");
        _time.Jump(DateTimeOffset.MaxValue - TimeSpan.FromDays(2));
        _time.Advance(WrongChunks.Believed);
        Assert.False(new SourceFaults(known).MayGive(s_cap, Chunk(1, 1)));
        Assert.True(new SourceFaults(known).MayGive(s_cap, Chunk(1, 2)));
        Assert.True(new SourceFaults(known).MayGive(s_other, Chunk(1, 1)));
        _time.Advance(TimeSpan.FromTicks(1));
        var after = new SourceFaults(known);
        Assert.True(after.MayGive(s_cap, Chunk(1, 1)));
        Assert.Null(after.Text());
    }

    [Fact]
    public void A_chunk_that_came_from_another_CAP_says_nothing_about_the_one_that_was_wrong()
    {
        var known = new WrongChunks(_time);
        var chunk = Chunk(1, 1);
        var round = new SourceFaults(known);
        round.AddChunk(s_cap, chunk, "first wrong");
        round.AddChunk(s_other, chunk, "second wrong");
        round = new SourceFaults(known);
        Assert.True(round.Probe([s_cap, s_other], [chunk]));
        Assert.True(round.MayGive(s_cap, chunk) && round.MayGive(s_other, chunk));
        round.Passed(s_other, [], brought: true);
        round = new SourceFaults(known);
        Assert.False(round.MayGive(s_cap, chunk));
        Assert.True(round.MayGive(s_other, chunk));
        Assert.Equal("first wrong", round.Text());
    }

    [Fact]
    public void A_chunk_is_asked_for_again_once_a_round_and_a_pack_with_a_right_one_is_as_good_as_new()
    {
        var known = new WrongChunks(_time);
        var chunks = Chunks(packs: 10, each: 3);
        var round = new SourceFaults(known);
        foreach (var chunk in chunks)
            round.AddChunk(s_cap, chunk, $"wrong {chunk.PackOrder}");
        // In the round itself nothing is asked for twice.
        Assert.False(round.Probe([s_cap], chunks));
        round = new SourceFaults(known);
        Assert.True(round.Probe([s_cap], chunks));
        var asked = chunks.Where(chunk => round.MayGive(s_cap, chunk)).ToList();
        Assert.Equal(SourceFaults.MostProbes, asked.Count);
        foreach (var chunk in asked.Skip(1))
            Assert.Equal(Wrong.First, round.AddChunk(s_cap, chunk, "wrong again"));
        var left = chunks.Where(chunk => chunk != asked[0]).ToList();
        round.Passed(s_cap, left, brought: true);
        Assert.Equal(left.Where(chunk => chunk.Pack == asked[0].Pack), left.Where(chunk => round.MayGive(s_cap, chunk)));
        // One more may be wrong in this round.
        Assert.True(round.Probe([s_cap], left));
        round.AddChunk(s_cap, left.First(chunk => chunk.Pack != asked[0].Pack && round.MayGive(s_cap, chunk)), "wrong again");
        Assert.False(round.Probe([s_cap], left));
        Assert.Equal(left.Where(chunk => chunk.Pack == asked[0].Pack), left.Where(chunk => new SourceFaults(known).MayGive(s_cap, chunk)));
    }

    [Fact]
    public void A_pack_that_is_gone_is_looked_for_again_in_the_next_round()
    {
        var known = new WrongChunks(_time);
        var chunks = Chunks(packs: 1, each: SourceFaults.MostOfPack + 1);
        var round = new SourceFaults(known);
        foreach (var chunk in chunks)
            round.AddChunk(s_cap, chunk, "wrong");
        round = new SourceFaults(known);
        Assert.DoesNotContain(chunks, chunk => round.MayGive(s_cap, chunk));
        Assert.True(round.Probe([s_cap], chunks));
        Assert.True(round.AddPack(s_cap, chunks[0].Pack, "it is not there"));
        Assert.DoesNotContain(chunks, chunk => round.MayGive(s_cap, chunk));
        Assert.False(round.Probe([s_cap], chunks));
        Assert.True(chunks.All(chunk => new SourceFaults(known).MayGive(s_cap, chunk)));
    }

    [Fact]
    public void A_cap_that_lacks_many_packs_in_turn_is_asked_for_the_rest_when_nobody_else_has_it()
    {
        var round = new SourceFaults(new WrongChunks(_time));
        var chunks = Chunks(packs: 3 * SourceFaults.MostLacking, each: 1);
        foreach (var chunk in chunks[..(SourceFaults.MostLacking - 1)])
            round.AddPack(s_cap, chunk.Pack, "it is not there");
        round.Gave(s_cap);
        foreach (var chunk in chunks[SourceFaults.MostLacking..(2 * SourceFaults.MostLacking)])
        {
            Assert.True(round.MayGive(s_cap, chunk));
            round.AddPack(s_cap, chunk.Pack, "it is not there");
        }
        var rest = chunks[(2 * SourceFaults.MostLacking)..];
        Assert.DoesNotContain(rest, chunk => round.MayGive(s_cap, chunk));
        Assert.All(rest, chunk => Assert.True(round.MayGive(s_other, chunk)));
        Assert.True(round.Probe([s_cap, s_other], rest));
        foreach (var chunk in rest)
        {
            Assert.True(round.MayGive(s_cap, chunk));
            round.AddPack(s_cap, chunk.Pack, "it is not there");
        }
        Assert.False(round.Probe([s_cap, s_other], rest));
        Assert.Equal([(s_cap, 3 * SourceFaults.MostLacking - 1)], round.Lacking);
    }

    [Fact]
    public void What_is_known_has_a_limit()
    {
        var known = new WrongChunks(_time);
        for (var pack = 0; pack < WrongChunks.Most + 10; pack++)
        {
            known.Add(s_cap, Chunk(pack, 0), "wrong");
            _time.Advance(TimeSpan.FromTicks(1));
        }
        Assert.Equal(WrongChunks.Most, known.Now().Count);
        Assert.Contains(Chunk(10, 0).Pack, known.Now().Select(entry => entry.Pack));
        Assert.DoesNotContain(Chunk(9, 0).Pack, known.Now().Select(entry => entry.Pack));
    }
}
