using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

public class CapWorkTests
{
    private static CapState Cap(string path) => new(path, null, 10, null, 0, null, 0, 0, null, null, null, null);

    private static CapWork<int> Work(SiteHarness site, List<(string Cap, NalError Error)>? failed = null) => new(site.Context, (cap, _, cause, _) =>
    {
        failed?.Add((cap.Path, ((NalException)cause).Error));
        return Task.CompletedTask;
    }, NullLogger.Instance);

    [Fact]
    public async Task A_hanging_cap_holds_up_no_other_and_is_said_to_fail()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        var failed = new List<(string Cap, NalError Error)>();
        await using var work = Work(site, failed);
        var begunThere = 0;
        var hanging = new TaskCompletionSource<int>();
        Task<int> Do(CapState cap, CancellationToken _)
        {
            if (cap.Path != "hangs")
                return Task.FromResult(7);
            Interlocked.Increment(ref begunThere);
            return hanging.Task;
        }
        IReadOnlyList<CapState> caps = [Cap("hangs"), Cap("works")];

        var ended = new List<string>();
        while (ended.Count == 0)
        {
            // A round ends by the caller's patience, whatever hangs; what works has ended in this one or in a later one.
            var round = work.RunAsync("Testing", caps, Do, CancellationToken.None);
            while (!round.IsCompleted)
            {
                time.Advance(TimeSpan.FromSeconds(1));
                // What works must have had a processor before its own limit has passed by this clock.
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
            }
            ended.AddRange((await round).Select(result => result.Cap.Path));
        }
        Assert.Equal(["works"], ended);
        Assert.Equal(1, begunThere);

        time.Advance(CapWork<int>.Limit);
        await Patience.UntilAsync(() => failed.Count > 0);
        Assert.Equal([("hangs", NalError.Connect)], failed);
        Assert.Equal(["hangs"], work.Unfinished);
        hanging.SetResult(1);
    }

    [Fact]
    public async Task Who_asks_gets_work_that_began_after_they_asked_and_waits_for_no_other_cap()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        await using var work = Work(site);
        var begun = 0;
        var slow = new TaskCompletionSource<int>();
        Task<int> Do(CapState cap, CancellationToken _) => cap.Path != "slow" ? Task.FromResult(3)
            : Interlocked.Increment(ref begun) == 1 ? slow.Task : Task.FromResult(2);
        var underWay = Assert.Single(work.Begin("Testing", [Cap("slow")], Do, isAsked: false));
        Assert.Empty(work.Begin("Testing", [Cap("slow")], Do, isAsked: false));

        var asked = work.Begin("Testing", [Cap("slow"), Cap("free")], Do, isAsked: true);
        await asked[1].Ended;
        Assert.Equal((3, false), (asked[1].Result, asked[0].HasBegun));
        // What has not begun serves the next who asks as well.
        Assert.Same(asked[0], Assert.Single(work.Begin("Testing", [Cap("slow")], Do, isAsked: true)));

        slow.SetResult(1);
        await asked[0].Ended;
        Assert.True(underWay.IsFinished);
        Assert.Equal((2, 2), (asked[0].Result, begun));
        Assert.Equal([1, 2, 3], work.Take().Select(result => result.Result).Order());
        Assert.Empty(work.Unfinished);
    }

    [Fact]
    public async Task What_one_cap_throws_loses_no_result_of_another()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        await using var work = Work(site);
        Task<int> Do(CapState cap, CancellationToken _) => cap.Path == "breaks" ? throw new InvalidOperationException("broken") : Task.FromResult(7);
        await Assert.ThrowsAsync<InvalidOperationException>(() => work.RunAsync("Testing", [Cap("breaks"), Cap("works")], Do, CancellationToken.None));
        Assert.Equal(7, Assert.Single(work.Take()).Result);
    }

    [Fact]
    public async Task The_end_waits_for_what_still_uses_the_site_and_for_what_hangs_not_for_ever()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        var (ends, hangs) = (new TaskCompletionSource<int>(), new TaskCompletionSource<int>());
        var work = Work(site);
        // What has not begun when the end comes never begins.
        var begun = new TaskCompletionSource();
        work.Begin("Testing", [Cap("ends"), Cap("hangs")], (cap, _) => cap.Path == "ends" ? ends.Task : Begun(begun, hangs.Task), isAsked: false);
        await begun.Task;
        var armed = time.ArmedAsync(CapWork<int>.EndPatience);
        var end = work.EndAsync();
        await armed;
        ends.SetResult(1);
        Assert.False(end.IsCompleted);
        time.Advance(CapWork<int>.EndPatience);
        await end;
        Assert.Throws<OperationCanceledException>(() => work.Begin("Testing", [Cap("other")], (_, _) => ends.Task, isAsked: true));
        hangs.SetResult(1);
        await work.DisposeAsync();

        static Task<int> Begun(TaskCompletionSource begun, Task<int> task)
        {
            begun.SetResult();
            return task;
        }
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(-1, true)]
    [InlineData(60, false)]
    [InlineData(15 * 60, false)]
    [InlineData(16 * 60, true)]
    [InlineData(300_000_000, true)]
    public void A_next_try_that_no_right_clock_has_set_counts_for_nothing(int? secondsAhead, bool due)
    {
        const long Now = 1_800_000_000_000;
        var cap = Cap("x") with { NextTry = Now + secondsAhead * 1_000L, DrainNextTry = Now + secondsAhead * 1_000L };
        Assert.Equal(due, cap.IsPublishingDue(Now));
        Assert.Equal(due, cap.IsDrainingDue(Now));
    }

    [Fact]
    public async Task A_failing_publication_does_not_slow_draining()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        var caps = site.Get<CapStore>();
        var cap = Assert.Single(await caps.ListAsync(CancellationToken.None));
        await caps.PublishingFailedAsync(cap.Path, "StorageFull", "no room", time.GetUtcNow(), time.GetUtcNow().AddMinutes(5), CancellationToken.None);
        var device = new FakeDevice(site.Context);
        var (path, content, _) = device.Next(device.Request(await site.TokenAsync()));
        site.Drop(path, content);
        await site.DrainAsync();
        Assert.Equal("approved", (await site.ClientAsync(device)).State);
        var state = Assert.Single(await caps.ListAsync(CancellationToken.None));
        Assert.Equal("no room", state.Failure?.Message);
        await caps.DrainingFailedAsync(cap.Path, cap.LastPublished, "Connect", "gone", time.GetUtcNow(), time.GetUtcNow().AddMinutes(5), CancellationToken.None);
        await caps.PublishedAsync(cap.Path, 1, time.GetUtcNow(), CancellationToken.None);
        Assert.Equal("gone", Assert.Single(await caps.ListAsync(CancellationToken.None)).Failure?.Message);
    }

    [Fact]
    public async Task Superseded_files_stay_while_a_cap_lags_behind()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        await site.AddCapAsync();
        await site.PublishAsync();
        var before = Files(site);
        var cap = Assert.Single(await site.Get<CapStore>().ListAsync(CancellationToken.None));
        // A new client replaces these files, which never reaches the CAP: its next try is always in five minutes.
        await site.EnrolAsync();
        for (var day = 0; day < 16; day++)
        {
            await site.Get<CapStore>().PublishingFailedAsync(cap.Path, "StorageFull", "no room", time.GetUtcNow(), time.GetUtcNow().AddDays(1).AddMinutes(5), CancellationToken.None);
            time.Advance(TimeSpan.FromDays(1));
            await site.PublishAsync();
        }
        Assert.True(Assert.Single(await site.Get<CapStore>().ListAsync(CancellationToken.None)).PublishedVersion
            < (await site.Get<PublishStore>().LoadAsync(CancellationToken.None))!.Value.Version);
        Assert.NotEmpty(await site.Get<PublishStore>().GarbageAsync(time.GetUtcNow().AddDays(-7), Superseded.None, CancellationToken.None));
        Assert.Empty(before.Except(Files(site)));
    }

    private static List<string> Files(SiteHarness site) => [.. Directory.EnumerateFiles(Path.Combine(site.CapDirectory, "metadata"), "*", SearchOption.AllDirectories)];
}
