using Capstan.Protocol.Tuf;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site;

/// <summary>A site whose clock is wrong by years, and then right again.</summary>
public class ClockTests
{
    [Theory]
    [InlineData(5)]
    [InlineData(-10)]
    public async Task Versions_rise_and_clients_follow_through_a_wrong_clock_and_back(int years)
    {
        var right = new ManualTime();
        var start = right.GetUtcNow();
        var (site, _) = await SiteHarness.EnrolledAsync(right);
        await using var _ = site;
        await site.PublishAsync();
        // The client's own clock is right all the time.
        var clientTime = new ManualTime(start);
        var root = await site.Get<Capstan.Site.Publish.Publisher>().RootAsync(CancellationToken.None);
        var client = new TufClient(new FolderSource(site.CapDirectory), new MemoryTrust(), clientTime);
        await client.TrustRootAsync(root.Hash, root.Version, CancellationToken.None);
        var last = (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;

        foreach (var wall in new[] { start.AddYears(years), start.AddHours(2) })
        {
            right.Jump(wall);
            using var another = await site.EnrolAsync(FormattableString.Invariant($"pc-{wall.Year}"));
            right.Advance(TimeSpan.FromSeconds(60));
            await site.PublishAsync();

            var update = await client.RefreshAsync(complete: true, CancellationToken.None);
            Assert.True(update.TimestampVersion > last);
            Assert.NotEqual(TufState.Stale, update.State);
            last = update.TimestampVersion;
            var suspicious = (await site.ConditionsAsync()).Count(condition => condition.Code == "clock_suspicious");
            // Ahead cannot be told from right; the moment it is set back it can.
            var isBehindWhatWasSigned = years > 0 ? wall < start.AddYears(years) : wall < start;
            Assert.Equal(isBehindWhatWasSigned ? 1 : 0, suspicious);
        }
        Assert.Equal(3, (await site.Get<Capstan.Site.Store.DeviceStore>().CountsAsync(start, CancellationToken.None)).Clients);
    }

    /// <summary>Found by the lives (seed 3): the root ends after ten years, and a time behind its end was signed on and on.</summary>
    [Fact]
    public async Task A_clock_that_ran_beyond_the_end_of_the_root_is_left_behind_when_it_is_right_again()
    {
        var time = new ManualTime();
        var start = time.GetUtcNow();
        var (site, _) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        var root = await site.Get<Capstan.Site.Publish.Publisher>().RootAsync(CancellationToken.None);
        var client = new TufClient(new FolderSource(site.CapDirectory), new MemoryTrust(), new ManualTime(start));
        await client.TrustRootAsync(root.Hash, root.Version, CancellationToken.None);
        var states = new List<TufState>();
        foreach (var wall in (DateTimeOffset[])[start.AddYears(11), start.AddHours(2), start.AddDays(1)])
        {
            time.Jump(wall);
            using var another = await site.EnrolAsync(FormattableString.Invariant($"pc-{wall.Year}-{wall.Day}"));
            time.Advance(TimeSpan.FromMinutes(61));
            await site.PublishAsync();
            states.Add((await client.RefreshAsync(complete: true, CancellationToken.None)).State);
        }
        Assert.Equal([TufState.Stale, TufState.Updated, TufState.Updated], states);
    }

    [Fact]
    public async Task What_was_published_under_a_clock_in_the_past_is_signed_again_when_the_clock_is_right()
    {
        var time = new ManualTime(new DateTimeOffset(1990, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        time.Jump(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        Assert.Equal("timestamp_expiring", (await site.ConditionsAsync()).First(condition => condition.Code.StartsWith("timestamp", StringComparison.Ordinal)).Code);

        time.Advance(TimeSpan.FromHours(1));
        await site.PublishAsync();

        Assert.DoesNotContain(await site.ConditionsAsync(), condition => condition.Code == "timestamp_expiring");
        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
        await site.TakeInAsync(device, device.Heartbeat(policy: 4));
        Assert.Equal(4, (await site.ClientAsync(device)).PolicyVersion);
    }
}
