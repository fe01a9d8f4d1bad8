using System.Net;
using System.Net.Http.Json;
using Capstan.Nal.Paths;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>What stands in the audit log, and what cannot take it away.</summary>
public sealed class AuditTests : ServedSiteTests
{
    [Fact]
    public async Task Who_is_nobody_writes_nothing_into_the_audit_log()
    {
        using var nobody = Browser();
        foreach (var path in new[] { "/api/v1/caps/publish", "/api/v1/nowhere", "/x" })
            Assert.Contains((await nobody.PostAsync(path, null, CancellationToken.None)).StatusCode, new[] { HttpStatusCode.Unauthorized, HttpStatusCode.NotFound, HttpStatusCode.Redirect });
        Assert.Empty((await Api.AuditAsync(null, 100, CancellationToken.None)).Items);
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        Assert.Equal(HttpStatusCode.Redirect, (await nobody.GetAsync("/clients", CancellationToken.None)).StatusCode);
        Assert.Contains("capstan_refused_requests_total{of=\"nobody\"} 2", await Token.GetStringAsync("/metrics", CancellationToken.None), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attempts_to_sign_in_that_are_not_looked_at_write_no_row()
    {
        using var nobody = Browser();
        for (var i = 0; i < 3 * SignInThrottle.Free; i++)
            await BeginSessionAsync(nobody, "anna", "guess");
        Assert.True((await AuditAsync()).Count <= SignInThrottle.Free + 1);
    }

    [Fact]
    public async Task A_change_whose_caller_hangs_up_stands_in_the_audit_log()
    {
        var path = NalPath.FromDirectory(Directory.CreateDirectory(Path.Combine(Folder, "cap")).FullName);
        var cap = path.ToString();
        await Api.AddCapAsync(new CapAdd(cap), CancellationToken.None);
        var hold = new StoreHold();
        // All reads: the site's own passes look at the CAP, too, and must not take the one that the request waits at.
        Storage[path].Add(new StoreFault(StoreOperations.Read, null) { Hold = hold });
        using var caller = new CancellationTokenSource();
        using var wish = JsonContent.Create(new CapAdd(cap, Licensing: "per-server:20"), ApiJson.Default.CapAdd);
        var asked = Token.PostAsync("/api/v1/caps", wish, caller.Token);
        // It is stored, and its row was before.
        await UntilAsync(async () => Assert.Single(await Api.CapsAsync(CancellationToken.None)).Licensing == "per-server:20").Soon();
        Assert.Equal([$"api-token POST /api/v1/caps {cap} 201", "api-token POST /api/v1/caps  0"], await AuditAsync());
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        hold.Release();
        // The request goes on to its end, whatever that is by then.
        await UntilAsync(async () => (await AuditAsync())[1].StartsWith($"api-token POST /api/v1/caps {cap} ", StringComparison.Ordinal)).Soon();
        await StopAsync();
        await ServeAsync();
        Assert.StartsWith($"api-token POST /api/v1/caps {cap} ", (await AuditAsync())[1], StringComparison.Ordinal);

        static async Task UntilAsync(Func<Task<bool>> holds)
        {
            while (!await holds())
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task What_a_role_may_not_change_is_written_once_a_minute_and_not_done()
    {
        await Api.AddUserAsync(new UserAdd("read", "reader", Password), CancellationToken.None);
        using var reader = await SessionAsync("read");
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.Forbidden, (await reader.PostAsync("/api/v1/caps/publish", null, CancellationToken.None)).StatusCode);
        Assert.Equal(["read POST /api/v1/caps/publish  403"], (await AuditAsync()).Skip(2));
        Assert.Contains("capstan_refused_requests_total{of=\"role\"} 3", await Token.GetStringAsync("/metrics", CancellationToken.None), StringComparison.Ordinal);
    }
}

/// <summary>How long rows stay.</summary>
public sealed class AuditLimitTests
{
    [Fact]
    public async Task Refusals_and_age_take_no_change_away_of_the_newest()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        for (var i = 0; i < 6; i++)
            await AddAsync($"change {i}", i == 5 ? AuditStore.Begun : 204);
        for (var i = 0; i < 20; i++)
            await AddAsync($"refusal {i}", 403);
        // Younger than the limit: more than the least stay, and refusals take nothing of them.
        Assert.Equal([.. Named("refusal", 19, 10), .. Named("change", 5, 0)], await PruneAsync());
        // Older: the newest stay all the same, so a clock that jumps takes little.
        time.Advance(AuditStore.DoneFor + TimeSpan.FromDays(1));
        Assert.Equal([.. Named("refusal", 19, 10), .. Named("change", 5, 2)], await PruneAsync());
        await AddAsync("change 6", 200);
        Assert.Equal("change 6", (await PruneAsync())[0]);

        Task AddAsync(string action, int outcome) => site.Context.Database.WriteAsync(
            transaction => AuditStore.AddAsync(transaction, new AuditEntry("anna", "192.0.2.1", action, null, outcome), time.GetUtcNow()), CancellationToken.None);

        async Task<IReadOnlyList<string>> PruneAsync()
        {
            await site.Context.Database.WriteAsync(transaction => AuditStore.PruneAsync(transaction, time.GetUtcNow(), leastDone: 4, mostRefused: 10), CancellationToken.None);
            return [.. (await site.Get<AuditStore>().ListAsync(null, 100, CancellationToken.None)).Select(row => row.Action)];
        }

        static IEnumerable<string> Named(string name, int from, int to) => Enumerable.Range(to, from - to + 1).Reverse().Select(i => $"{name} {i}");
    }

    [Fact]
    public void Of_each_key_one_refusal_a_minute_is_written_down_and_sixty_of_all()
    {
        var time = new ManualTime();
        var tally = new RefusalTally(time);
        Assert.Equal([true, false], [tally.Count("anna"), tally.Count("anna")]);
        Assert.Equal(RefusalTally.MostAMinute - 1, Enumerable.Range(0, 200).Count(i => tally.Count($"user{i}")));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(tally.Count("anna"));
        Assert.Equal(203, tally.Total);
    }
}
