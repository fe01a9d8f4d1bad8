using System.Data.Common;
using Capstan.Testing;
using Dapper;

namespace Capstan.Tests.Site;

/// <summary>Several groups in one pass: one is read while the one before is stored and the one before that is deleted.</summary>
public class IngestPipelineTests
{
    private const int Devices = 5;
    private const int Each = 60;
    private const int Group = 256;

    [Fact]
    public async Task A_commit_that_fails_deletes_only_what_the_commits_before_it_stored_and_the_next_pass_applies_the_rest_once()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        await site.AddCapAsync();
        var devices = new List<FakeDevice>();
        for (var number = 0; number < Devices; number++)
            devices.Add(await site.EnrolAsync($"pc{number}"));
        var before = await CountAsync(site, "select count(*) from ledger");
        foreach (var device in devices)
        {
            for (var number = 0; number < Each; number++)
            {
                var (path, content, _) = device.Next(device.Heartbeat());
                site.Drop(path, content);
            }
        }
        await SqlAsync(site, $"""
            create table parent (id integer primary key);
            create table child (id integer references parent (id) deferrable initially deferred);
            create trigger refuse after insert on ledger when (select count(*) from ledger) > {before + Group} begin insert into child values (1); end
            """);

        await Assert.ThrowsAnyAsync<DbException>(site.DrainAsync);
        Assert.Equal(before + Group, await CountAsync(site, "select count(*) from ledger"));
        Assert.Equal(Devices * Each - Group, site.Inbox().Count());

        await SqlAsync(site, "drop trigger refuse");
        await site.DrainAsync();
        Assert.Equal(before + Devices * Each, await CountAsync(site, "select count(*) from ledger"));
        Assert.Empty(site.Inbox());
        Assert.Empty(await site.QuarantineAsync());
        foreach (var device in devices)
        {
            Assert.Equal(device.Sequence, (await site.ClientAsync(device)).Sequence);
            device.Dispose();
        }
    }

    private static Task<int> SqlAsync(SiteHarness site, string sql) =>
        site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(sql, null, transaction), CancellationToken.None);

    private static Task<long> CountAsync(SiteHarness site, string sql) =>
        site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), CancellationToken.None);
}
