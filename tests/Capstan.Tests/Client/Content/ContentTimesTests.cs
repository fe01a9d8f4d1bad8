using System.Globalization;
using Capstan.Client.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>When content is read, for how long at once, and over which ways.</summary>
public sealed class ContentTimesTests
{
    private static readonly PackageKey s_package = new("abcdefgh", 1);

    private static async Task<(ContentFixture Fixture, ContentMaker Maker, byte[] Manifest, List<MadeEntry> Entries)> PublishedAsync(int caps = 1)
    {
        var fixture = new ContentFixture(caps);
        var maker = new ContentMaker("abcdefgh", packBytes: 256 << 10);
        List<MadeEntry> entries = [MadeEntry.File("big", MadeEntry.Noise(1, 4_000_000))];
        var manifest = maker.Make(1, entries);
        for (var cap = 0; cap < caps; cap++)
            await maker.StoreAsync(fixture.Cap(cap), ContentFixture.Stop);
        return (fixture, maker, manifest, entries);
    }

    private static DailyHours HoursAfter(ContentFixture fixture, TimeSpan from, TimeSpan to)
    {
        var now = TimeOnly.FromDateTime(fixture.Time.GetLocalNow().DateTime);
        return new DailyHours(now.Add(from), now.Add(to));
    }

    [Fact]
    public async Task Outside_of_its_hours_nothing_is_read_unless_a_program_waits_past_its_time()
    {
        var (fixture, _, manifest, entries) = await PublishedAsync();
        await using var owned = fixture;
        fixture.Settings = fixture.Settings with { Hours = HoursAfter(fixture, TimeSpan.FromHours(1), TimeSpan.FromHours(2)) };
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.InRange(waits.Pause, TimeSpan.FromHours(1), TimeSpan.FromMinutes(65));
        Assert.Contains("content.hours", waits.Cause, StringComparison.Ordinal);
        Assert.Equal(0, fixture.Attempts);
        ContentFixture.AssertIs(entries, Assert.IsType<ContentOutcome.Ready>(await fixture.EnsureAsync(s_package, manifest, new ContentNeed(IsDue: true))).Directory);
    }

    [Fact]
    public async Task Hours_that_end_on_the_way_end_the_reading()
    {
        var (fixture, maker, manifest, entries) = await PublishedAsync();
        await using var owned = fixture;
        fixture.Settings = fixture.Settings with { Hours = HoursAfter(fixture, TimeSpan.FromHours(-1), TimeSpan.FromMinutes(1)) };
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(20));
        var waits = await fixture.WaitsAsync(s_package, manifest);
        Assert.Contains("content.hours", waits.Cause, StringComparison.Ordinal);
        Assert.Equal(0, fixture.OpenConnections);
        Assert.InRange(fixture.Cap().Counts.OperationsOf("read"), 3, 5);
        fixture.OnRead = null;
        fixture.Time.Advance(waits.Pause);
        ContentFixture.AssertIs(entries, await fixture.ReadyAsync(s_package, manifest));
        Assert.Equal(maker.Packs.Values.Sum(pack => (long)pack.Length), fixture.Cap().Counts.TotalBytesRead);
    }

    [Fact]
    public async Task A_lease_is_given_back_after_five_minutes_and_the_next_goes_on()
    {
        var (fixture, maker, manifest, entries) = await PublishedAsync();
        await using var owned = fixture;
        var began = fixture.Time.GetUtcNow();
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(50));
        var leases = 0;
        while (await fixture.EnsureAsync(s_package, manifest) is ContentOutcome.Waits waits)
        {
            Assert.InRange(fixture.Time.GetUtcNow() - began, TimeSpan.Zero, TimeSpan.FromMinutes(7));
            Assert.Equal(0, fixture.OpenConnections);
            Assert.InRange(waits.Pause, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(15));
            fixture.Time.Advance(waits.Pause);
            began = fixture.Time.GetUtcNow();
            Assert.InRange(++leases, 1, 20);
        }
        Assert.InRange(leases, 2, 20);
        Assert.Equal(maker.Packs.Values.Sum(pack => (long)pack.Length), fixture.Cap().Counts.TotalBytesRead);
        ContentFixture.AssertIs(entries, fixture.DirectoryOf(s_package));
    }

    [Fact]
    public async Task A_slow_way_is_measured_by_reading_then_avoided_and_tried_again_when_that_is_old()
    {
        var (fixture, _, manifest, entries) = await PublishedAsync();
        await using var owned = fixture;
        fixture.OnRead = _ => fixture.Time.Advance(TimeSpan.FromSeconds(5));
        var need = new ContentNeed(IsDue: false, LinkSpeed.Slow);
        var waits = await fixture.WaitsAsync(s_package, manifest, need);
        Assert.Contains("slow", waits.Cause, StringComparison.Ordinal);
        Assert.Contains("server1", waits.Cause, StringComparison.Ordinal);
        var reads = fixture.Cap().Counts.OperationsOf("read");
        Assert.InRange(reads, 1, 3);
        await fixture.WaitsAsync(s_package, manifest, need);
        Assert.Equal(reads, fixture.Cap().Counts.OperationsOf("read"));
        fixture.OnRead = null;
        fixture.Time.Advance(TimeSpan.FromHours(1) + TimeSpan.FromSeconds(1));
        ContentFixture.AssertIs(entries, Assert.IsType<ContentOutcome.Ready>(await fixture.EnsureAsync(s_package, manifest, need)).Directory);
    }

    [Fact]
    public async Task A_slow_cap_says_nothing_about_another()
    {
        var (fixture, _, manifest, entries) = await PublishedAsync(caps: 2);
        await using var owned = fixture;
        fixture.OnRead = cap => fixture.Time.Advance(cap == 0 ? TimeSpan.FromSeconds(5) : TimeSpan.Zero);
        ContentFixture.AssertIs(entries, Assert.IsType<ContentOutcome.Ready>(await fixture.EnsureAsync(s_package, manifest, new ContentNeed(IsDue: false, LinkSpeed.Slow))).Directory);
        Assert.InRange(fixture.Cap(0).Counts.OperationsOf("read"), 1, 3);
    }

    [Fact]
    public async Task A_read_without_an_answer_ends_and_another_cap_is_asked()
    {
        var (fixture, _, manifest, entries) = await PublishedAsync(caps: 2);
        await using var owned = fixture;
        var hold = new Capstan.Testing.Stores.StoreHold();
        fixture.Stores[0].Faults.Add(new Capstan.Testing.Stores.StoreFault(Capstan.Testing.Stores.StoreOperations.Read, null) { Hold = hold });
        var ensuring = fixture.EnsureAsync(s_package, manifest);
        await hold.Reached.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop);
        // The deadline of the read was armed before it began.
        fixture.Time.Advance(CapPass.LongestRead);
        var ready = Assert.IsType<ContentOutcome.Ready>(await ensuring.WaitAsync(Patience.Limit, TimeProvider.System, ContentFixture.Stop));
        ContentFixture.AssertIs(entries, ready.Directory);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"no answer within {CapPass.LongestRead.TotalSeconds} s"), fixture.Told, StringComparison.Ordinal);
        hold.Release();
    }
}
