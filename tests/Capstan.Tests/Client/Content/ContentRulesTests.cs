using Capstan.Client.Content;
using Capstan.Nal.Paths;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client.Content;

/// <summary>What decides about content, without a disk or a server.</summary>
public sealed class ContentRulesTests
{
    private static readonly NalPath s_cap = NalPath.Parse(@"MSWNET:\\server1\cap\"), s_other = NalPath.Parse(@"MSWNET:\\server2\cap\");

    [Fact]
    public void Reads_hold_every_chunk_once_in_order_and_no_longer_than_they_may()
    {
        var chunks = Gen.Choose(0, 3).SelectMany(pack => Gen.Choose(0, 40).SelectMany(place => Gen.Choose(1, ContentFormat.MaxChunkBytes)
            .Select(length => Chunk(pack, place * ContentFormat.MaxChunkBytes, length)))).ArrayOf();
        Prop.ForAll(Gen.Zip(chunks, Gen.Choose(1, RangePlanner.MostBytes)).ToArbitrary(), sample =>
        {
            var (needed, most) = sample;
            var sorted = RangePlanner.Sort(needed);
            var read = new List<NeededChunk>();
            while (RangePlanner.Next(sorted, read.Count, most) is { IsEmpty: false } range)
            {
                Assert.True(range.Bytes <= most || range.Chunks.Count == 1);
                Assert.All(range.Chunks, chunk =>
                {
                    Assert.Equal(range.Pack, chunk.Pack);
                    Assert.InRange(chunk.Offset - range.Offset, 0, range.Bytes - chunk.Chunk.StoredBytes);
                });
                // Nothing is read for nothing beyond the gaps.
                Assert.True(range.Bytes <= range.Chunks.Sum(chunk => chunk.Chunk.StoredBytes) + (range.Chunks.Count - 1) * RangePlanner.MostGapBytes);
                read.AddRange(range.Chunks);
            }
            Assert.Equal(needed.ToHashSet(), read.ToHashSet());
            Assert.Equal(needed.Length, read.Count);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(RangePlanner.MostGapBytes, 1)]
    [InlineData(RangePlanner.MostGapBytes + 1, 2)]
    public void A_gap_is_read_through_when_another_read_would_cost_more(int gap, int reads)
    {
        var sorted = RangePlanner.Sort([Chunk(0, 0, 100), Chunk(0, 100 + gap, 100)]);
        Assert.Equal(reads == 1 ? 2 : 1, RangePlanner.Next(sorted, 0, RangePlanner.MostBytes).Chunks.Count);
    }

    [Fact]
    public void A_rate_is_kept_over_any_reads_and_pauses()
    {
        Prop.ForAll(Gen.Zip(Gen.Choose(1_000, 1_000_000), Gen.Zip(Gen.Choose(1, 2_000_000), Gen.Choose(0, 5_000)).ListOf(30)).ToArbitrary(), sample =>
        {
            var (rate, steps) = sample;
            var time = new ManualTime();
            var limiter = new RateLimiter(time);
            var (read, began) = (0L, time.GetTimestamp());
            foreach (var (wanted, pause) in steps)
            {
                time.Advance(TimeSpan.FromMilliseconds(pause));
                time.Advance(limiter.Wait(rate));
                Assert.Equal(TimeSpan.Zero, limiter.Wait(rate));
                var bytes = RateLimiter.MostBytes(rate, wanted);
                limiter.Spend(bytes);
                // What was read before this read was within the rate and one second of it saved up.
                Assert.True(read <= rate * (time.GetElapsedTime(began).TotalSeconds + 1) + 1);
                read += bytes;
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Without_a_rate_nothing_waits_and_a_debt_is_forgiven()
    {
        var limiter = new RateLimiter(new ManualTime());
        limiter.Spend(150_000);
        Assert.Equal(TimeSpan.FromSeconds(1.5), limiter.Wait(100_000));
        Assert.Equal(TimeSpan.Zero, limiter.Wait(0));
        Assert.Equal(TimeSpan.Zero, limiter.Wait(100_000));
    }

    [Fact]
    public void What_was_read_before_a_rate_was_set_is_not_owed_to_it()
    {
        var limiter = new RateLimiter(new ManualTime());
        limiter.Spend(2 * RangePlanner.MostBytes);
        // One chunk is the least that a read takes; a lease is held meanwhile.
        Assert.Equal(TimeSpan.FromSeconds(32), limiter.Wait(2_048));
    }

    [Theory]
    [InlineData(100_000, 100, nameof(LinkSpeed.Unknown))]
    [InlineData(300_000, 1_000, nameof(LinkSpeed.Fast))]
    [InlineData(300_000, 2_400, nameof(LinkSpeed.Fast))]
    [InlineData(300_000, 2_401, nameof(LinkSpeed.Slow))]
    [InlineData(0, 5_000, nameof(LinkSpeed.Slow))]
    [InlineData(0, 1_000, nameof(LinkSpeed.Unknown))]
    [InlineData(300_000, 0, nameof(LinkSpeed.Fast))]
    public void A_way_is_as_fast_as_its_reads_and_unknown_without(long bytes, int milliseconds, string speed)
    {
        var links = new LinkJudge(new ManualTime());
        links.Note(s_cap, bytes, TimeSpan.FromMilliseconds(milliseconds));
        Assert.Equal(speed, links.Of(s_cap, 125_000).ToString());
        Assert.Equal(LinkSpeed.Unknown, links.Of(s_other, 125_000));
    }

    [Fact]
    public void A_way_that_became_slow_is_seen_and_old_reads_say_nothing()
    {
        var time = new ManualTime();
        var links = new LinkJudge(time);
        links.Note(s_cap, 100 << 20, TimeSpan.FromSeconds(1));
        Assert.Equal(LinkSpeed.Fast, links.Of(s_cap, 125_000));
        for (var i = 0; i < 60; i++)
            links.Note(s_cap, 100_000, TimeSpan.FromSeconds(10));
        Assert.Equal(LinkSpeed.Slow, links.Of(s_cap, 125_000));
        time.Advance(LinkJudge.Believed + TimeSpan.FromSeconds(1));
        Assert.Equal(LinkSpeed.Unknown, links.Of(s_cap, 125_000));
    }

    [Fact]
    public void Room_is_made_of_what_was_unused_longest_and_never_of_what_is_kept()
    {
        var versions = Gen.Choose(1, 100).SelectMany(bytes => Gen.Choose(0, 1_000).Select(use => (bytes, use))).ListOf(8);
        Prop.ForAll(Gen.Zip(Gen.Zip(versions, Gen.Choose(0, 255)), Gen.Zip(Gen.Choose(0, 300), Gen.Choose(1, 600))).ToArbitrary(), sample =>
        {
            var ((made, keptBits), (more, limit)) = sample;
            var cached = made.Index().Select(version => new CachedVersion(new PackageKey("abcdefgh", version.Index + 1), version.Item.bytes, version.Item.use)).ToList();
            var kept = cached.Index().Where(version => (keptBits >> version.Index & 1) == 1).Select(version => version.Item.Package).ToHashSet();
            var wanted = new PackageKey("abcdefgh", 1);
            var plan = CacheRules.MakeRoom(cached, wanted, more, kept, limit, freeBytes: long.MaxValue / 2);
            Assert.DoesNotContain(wanted, plan.Remove);
            Assert.Empty(plan.Remove.Intersect(kept));
            var used = cached.Sum(version => version.Bytes);
            var removed = cached.Where(version => plan.Remove.Contains(version.Package)).ToList();
            if (plan.LackingBytes > 0)
            {
                Assert.Empty(plan.Remove);
                Assert.True(cached.Where(version => version.Package == wanted || kept.Contains(version.Package)).Sum(version => version.Bytes) + more > limit);
                return;
            }
            Assert.True(more == 0 || used - removed.Sum(version => version.Bytes) + more <= limit);
            // Not one more than needed, and none that was used later than one that stays.
            if (removed.Count > 0)
            {
                Assert.True(used - removed.Sum(version => version.Bytes) + cached.First(version => version.Package == plan.Remove[^1]).Bytes + more > limit);
                var stays = cached.Where(version => version.Package != wanted && !kept.Contains(version.Package) && !plan.Remove.Contains(version.Package)).ToList();
                Assert.True(stays.Count == 0 || removed.Max(version => version.LastUse) <= stays.Min(version => version.LastUse));
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_disk_without_room_is_told_before_anything_is_read()
    {
        var plan = CacheRules.MakeRoom([], new PackageKey("abcdefgh", 1), 1_000, new HashSet<PackageKey>(), limitBytes: 1_000_000, freeBytes: CacheRules.SpareBytes + 999);
        Assert.Equal(1, plan.LackingBytes);
    }

    [Fact]
    public void What_one_cap_gave_wrong_is_asked_of_others_and_nothing_else_is_given_up()
    {
        var faults = new SourceFaults();
        var (wrong, right, lacking) = (Chunk(0, 0, 10), Chunk(0, 100, 10), Chunk(1, 0, 10));
        faults.AddChunk(s_cap, wrong, "wrong");
        Assert.True(faults.AddPack(s_cap, lacking.Pack, "lacking"));
        Assert.False(faults.AddPack(s_cap, lacking.Pack, "lacking"));
        Assert.False(faults.MayGive(s_cap, wrong));
        Assert.False(faults.MayGive(s_cap, lacking));
        Assert.True(faults.MayGive(s_cap, right));
        Assert.True(faults.MayGive(s_other, wrong));
        Assert.True(faults.MayGive(s_other, lacking));
        Assert.Equal([s_cap], faults.Blamed);
        Assert.Equal($"wrong; {s_cap}: pack {lacking.Pack}: lacking", faults.Text());
        faults.Lose(s_other, "gone");
        Assert.False(faults.MayGive(s_other, right));
    }

    [Fact]
    public async Task The_rate_and_the_speed_of_the_way_bound_each_read()
    {
        var time = new ManualTime();
        var settings = new ContentSettings();
        var gate = new ContentGate(() => settings, new RateLimiter(time), new LinkJudge(time), time);
        // Nothing is known of the way yet.
        Assert.Equal(256 << 10, await gate.PassAsync(s_cap, ContentFixture.Stop));
        gate.Note(s_cap, 256 << 10, TimeSpan.FromSeconds(2.56));
        Assert.Equal(1_024_000, await gate.PassAsync(s_cap, ContentFixture.Stop));
        gate.Note(s_cap, 100 << 20, TimeSpan.FromMilliseconds(1));
        Assert.Equal(RangePlanner.MostBytes, await gate.PassAsync(s_cap, ContentFixture.Stop));
        // A rate that is set now holds for the very next read.
        settings = settings with { BytesPerSecond = 10_000 };
        Assert.Equal(20_000, await gate.PassAsync(s_cap, ContentFixture.Stop));
        time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(20_000, await gate.PassAsync(s_cap, ContentFixture.Stop));
        gate.Note(s_cap, 20_000, TimeSpan.FromMilliseconds(1));
        var armed = time.ArmedAsync(TimeSpan.FromSeconds(1));
        var passing = gate.PassAsync(s_cap, ContentFixture.Stop);
        await armed.WaitAsync(ContentFixture.Stop);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(20_000, await passing.WaitAsync(ContentFixture.Stop));
    }

    private static NeededChunk Chunk(int pack, long offset, int length) =>
        new(ContentHash.Of([(byte)pack]), pack, offset, new StoredChunk(length, length, ContentHash.Of(BitConverter.GetBytes(offset * 7 + pack))), new ChunkPlace(new TargetFile("file", length), 0));
}
