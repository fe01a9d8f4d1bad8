using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;

namespace Capstan.Tests.Site.Offers;

/// <summary>Figures of advertisements are kept by differences: they are what counting would give, and cost what has changed.</summary>
public sealed class OfferCountTests : OfferWorld
{
    private const string Counted =
        """
        select a.advertisement_id as id, count(*) as targeted,
               sum(case when s.state is not null or (d.policy_pending = 0 and d.policy_version >= d.policy_signed_version and d.advertisements like '%"' || a.advertisement_id || '"%') then 1 else 0 end) as has_policy,
               count(s.at_content) as has_content, count(s.at_run) as ran, coalesce(sum(case when s.state in ('succeeded', 'pending-reboot') then 1 else 0 end), 0) as succeeded,
               coalesce(sum(case when s.state in ('failed', 'unknown') then 1 else 0 end), 0) as failed, coalesce(sum(case when s.state = 'running' then 1 else 0 end), 0) as running,
               coalesce(sum(case when s.state in ('received', 'waiting', 'downloading', 'ready') then 1 else 0 end), 0) as waiting,
               coalesce(sum(case when s.heard_end >= a.counts_from then 1 else 0 end), 0) as ended, coalesce(sum(case when s.heard_end >= a.counts_from and s.state in ('failed', 'unknown') then 1 else 0 end), 0) as failing
        from advertisement a
        join collection_member m on m.collection_id = a.collection_id
        join device d on d.number = m.device_number
        left join advertisement_state s on s.advertisement_id = a.advertisement_id and s.device_number = d.number
        where a.ended_at is null group by a.advertisement_id
        """;

    /// <summary>Each step is one that changes a figure somewhere: a report, a membership, a policy that was read, another collection, a new count.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Figures_kept_by_differences_are_those_that_counting_gives(int seed)
    {
        var random = new Random(seed);
        var devices = new List<FakeDevice>();
        for (var n = 0; n < 4; n++)
            devices.Add(await Site.EnrolAsync($"pc{n}"));
        foreach (var name in new[] { "One", "Two" })
            await Collections.CreateAsync(new CollectionCreate(name), Stop);
        var ids = new List<string>();
        foreach (var to in new[] { "One", "Two", "All Systems" })
            ids.Add((await Offers.CreateAsync(new AdvertisementCreate("Firefox", to, Rules: new AdvertisementRules(HaltAt: 100)), Stop)).AdvertisementId!);
        for (var step = 0; step < 60; step++)
        {
            var device = devices[random.Next(devices.Count)];
            var id = ids[random.Next(ids.Count)];
            switch (random.Next(8))
            {
                case 0:
                    await Collections.MembersAsync(random.Next(2) == 0 ? "One" : "Two", new CollectionMembersChange(Add: [device.Id.Value]), Stop);
                    break;
                case 1:
                    await Collections.EditAsync(random.Next(2) == 0 ? "One" : "Two", new CollectionEdit($"host = \"pc{random.Next(4)}\"", Confirmed: true), Stop);
                    break;
                case 2:
                    await PublishAsync();
                    break;
                case 3:
                    var version = await CountAsync($"select coalesce(policy_signed_version, 1) from device where device_id = '{device.Id.Value}'");
                    await Site.TakeInAsync(device, Documents.Heartbeat.ToItem(Documents.Heartbeat.Decode(device.Heartbeat()) with { PolicyVersion = version }));
                    break;
                case 4:
                    await Offers.EditAsync(id, new AdvertisementEdit(Collection: new[] { "One", "Two", "All Systems" }[random.Next(3)], Confirmed: true), Stop);
                    break;
                case 5:
                    await Offers.HaltAsync(id, null, Stop);
                    Clock.Advance(TimeSpan.FromMinutes(1));
                    await Offers.ResumeAsync(id, Stop);
                    break;
                default:
                    await ReportAsync(device, [.. ids.Where(_ => random.Next(3) > 0).Select(each => State(each, ProgramState.All[random.Next(ProgramState.All.Count)]) with { LastRun = random.Next(2) == 0 ? null : Run(random.Next(1, 3), random.Next(2)) })]);
                    break;
            }
            await AssertCountedAsync(step);
        }
        await AssertCountedAsync(step: 60);
        Assert.True(await CountAsync("select count(*) from advertisement_state") > 0);
    }

    [Fact]
    public async Task A_report_that_says_the_same_writes_nothing_and_one_that_differs_writes_what_differs()
    {
        var device = await Site.EnrolAsync("pc1");
        var ids = new List<string>();
        for (var n = 0; n < 20; n++)
            ids.Add(await OfferAsync());
        await PublishAsync();
        var report = new ProgramsReport { MadeAt = Clock.GetUtcNow().ToUnixTimeMilliseconds(), Advertisements = [.. ids.Select(id => State(id, ProgramState.Waiting, "window"))] };
        // Rows and figures, and once that nothing is behind any more.
        Assert.Equal(20 + 20 + 1, await WritesAsync(report));
        Assert.Equal(0, await WritesAsync(report with { MadeAt = report.MadeAt + 60_000 }));
        Assert.Equal(1 + 1, await WritesAsync(report with { Advertisements = [.. report.Advertisements.Skip(1), State(ids[0], ProgramState.Succeeded) with { LastRun = Run(1, 0) }] }));

        Task<int> WritesAsync(ProgramsReport said) => Site.Context.Database.WriteAsync(async transaction =>
        {
            var number = await transaction.Connection!.ExecuteScalarAsync<long>("select number from device where device_id = @id", new { id = device.Id.Value }, transaction);
            var before = await transaction.Connection!.ExecuteScalarAsync<int>("select total_changes()", null, transaction);
            await OfferIntake.SaveAsync(transaction, number, said, Clock.GetUtcNow());
            return await transaction.Connection!.ExecuteScalarAsync<int>("select total_changes()", null, transaction) - before;
        }, Stop);
    }

    /// <summary>One that has succeeded somewhere, has a removal, and is offered no more.</summary>
    private async Task<(FakeDevice Device, string Id, PackageAdministration Packages)> TakenBackAsync()
    {
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install") with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }, Replace: true), Stop);
        var device = await Site.EnrolAsync("pc1");
        var id = await OfferAsync();
        await PublishAsync();
        await ReportAsync(device, State(id, ProgramState.Succeeded) with { LastRun = Run(1, 0) });
        await Offers.RemoveAsync(id, new AdvertisementRemoval(Confirmed: true), Stop);
        return (device, id, Site.Get<PackageAdministration>());
    }

    [Fact]
    public async Task A_package_stays_while_clients_need_it_to_take_away_what_it_installed()
    {
        var (device, id, packages) = await TakenBackAsync();
        await SqlAsync($"insert into content_version values ('{Package}', 2, 1, 1, 1, '', x'00', null, 0)");
        Assert.Equal("package_in_use", await CodeAsync(() => packages.RemoveAsync(Package, 1, Stop)));
        // It never had the other version.
        await packages.RemoveAsync(Package, 2, Stop);
        await ReportAsync(device, State(id, ProgramState.Waiting, "removal") with { LastRun = Run(1, 0) });
        Assert.Equal("package_in_use", await CodeAsync(() => packages.RemoveAsync("Firefox", null, Stop)));
        await ReportAsync(device);
        await packages.RemoveAsync("Firefox", null, Stop);
        Assert.Equal(1, await CountAsync("select count(*) from advertisement_state where is_told = 0"));
    }

    [Fact]
    public async Task A_package_does_not_wait_for_ever_for_a_client_that_is_gone()
    {
        var (_, _, packages) = await TakenBackAsync();
        Clock.Advance(TimeSpan.FromDays(29));
        Assert.Equal("package_in_use", await CodeAsync(() => packages.RemoveAsync("Firefox", null, Stop)));
        Clock.Advance(TimeSpan.FromDays(2));
        await packages.RemoveAsync("Firefox", null, Stop);
    }

    private async Task AssertCountedAsync(int step)
    {
        var expected = (await Site.Context.Database.ReadAsync(connection => connection.QueryAsync<CountedRow>(Counted), Stop)).ToDictionary(row => row.Id, StringComparer.Ordinal);
        foreach (var (id, funnel) in await Site.Get<OfferCounts>().FunnelsAsync(null, Stop))
        {
            var row = expected.GetValueOrDefault(id, new CountedRow());
            Assert.Equal((step, new AdvertisementFunnel((int)row.Targeted, (int)row.HasPolicy, (int)row.HasContent, (int)row.Ran, (int)row.Succeeded, (int)row.Failed, (int)row.Running, (int)row.Waiting)), (step, funnel));
            Assert.Equal((step, row.Ended, row.Failing), (step, await CountAsync($"select ended_since from advertisement_count where advertisement_id = '{id}'"), await CountAsync($"select failed_since from advertisement_count where advertisement_id = '{id}'")));
        }
    }

    private sealed class CountedRow
    {
        public string Id { get; set; } = "";
        public long Targeted { get; set; }
        public long HasPolicy { get; set; }
        public long HasContent { get; set; }
        public long Ran { get; set; }
        public long Succeeded { get; set; }
        public long Failed { get; set; }
        public long Running { get; set; }
        public long Waiting { get; set; }
        public long Ended { get; set; }
        public long Failing { get; set; }
    }
}
