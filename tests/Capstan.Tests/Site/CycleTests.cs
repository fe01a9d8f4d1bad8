using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

public class CycleTests
{
    [Fact]
    public async Task A_failing_cycle_is_shown_tried_again_and_forgotten_when_it_works()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        var health = new CycleHealth();
        using var stop = new CancellationTokenSource();
        var runs = 0;
        var running = new Cycle("loader", site.Context, health, NullLogger.Instance).RunAsync(() => ++runs switch
        {
            1 or 2 => Task.FromException(new IOException("no room")),
            _ => Task.Delay(Timeout.InfiniteTimeSpan, time, stop.Token),
        }, stop.Token);

        Assert.Equal(new CycleFailure(1, "no room", IsDiskFull: false), health.Read()["loader"]);
        // 1 s, doubled, times at most 1.5.
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal((2, 2L), (runs, health.Read()["loader"].Failures));
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(3, runs);

        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task What_works_again_is_well_again()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        var health = new CycleHealth();
        health.Failed("loader", new CycleFailure(3, "no room", IsDiskFull: true));
        using var stop = new CancellationTokenSource();
        var runs = 0;
        await new Cycle("loader", site.Context, health, NullLogger.Instance).RunAsync(async () =>
        {
            if (++runs == 2)
                await stop.CancelAsync();
        }, stop.Token);
        Assert.Empty(health.Read());
    }
}
