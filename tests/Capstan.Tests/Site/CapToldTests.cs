using Capstan.Protocol.V1;
using Capstan.Site.Fleet;
using Capstan.Site.Store;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site;

/// <summary>Whatever a device reports, it counts for one machine.</summary>
public sealed class CapToldTests
{
    private const string Cap = @"MSWNET:\\fs1\cap\";

    [Fact]
    public void What_an_honest_client_tells_counts_as_it_is()
    {
        var (count, told) = CapTold.Accept(null, [Row(1, 3, 9_000, 0), Row(0, 5, 10_000, 2), Row(1, 1, 1_000, 1)]);
        Assert.Equal([Row(0, 5, 10_000, 2), Row(1, 4, 10_000, 1)], count);
        // The hour goes on in the next report.
        (count, told) = CapTold.Accept(told, [Row(1, 2, 4_000, 0), Row(2, 7, 14_000, 0)]);
        Assert.Equal([Row(1, 2, 4_000, 0), Row(2, 7, 14_000, 0)], count);
        Assert.Equal(new CapTold(7_200, 7, 14_000, 0, 3_600), told);
    }

    [Fact]
    public void An_hour_that_was_told_is_over()
    {
        var told = CapTold.Accept(null, [Row(5, 1, 1, 1)]).Told;
        Assert.Empty(CapTold.Accept(told, [Row(4, 9, 9, 9), Row(-3, 9, 9, 9)]).Count);
        Assert.Null(CapTold.Accept(told, [Row(4, 9, 9, 9)]).Told);
    }

    [Fact]
    public void However_often_and_whatever_a_device_tells_no_hour_counts_for_more_than_one_machine() =>
        Prop.ForAll(Gen.ListOf(Gen.ListOf(HostileRow())).ToArbitrary(), reports =>
        {
            CapTold? told = null;
            var sums = new Dictionary<long, CapUseHour>();
            foreach (var report in reports)
            {
                var (count, next) = CapTold.Accept(told, report);
                told = next ?? told;
                foreach (var row in count)
                {
                    var before = sums.GetValueOrDefault(row.Hour, new CapUseHour(Cap, row.Hour, 0, 0, 0));
                    sums[row.Hour] = new CapUseHour(Cap, row.Hour, before.Connections + row.Connections, before.HeldMilliseconds + row.HeldMilliseconds, before.Refused + row.Refused);
                    if (row.Connections < 0 || row.HeldMilliseconds < 0 || row.Refused < 0)
                        return false;
                }
            }
            return sums.Values.All(hour => hour is { Connections: <= CapTold.MostTimes, HeldMilliseconds: <= CapTold.MostMilliseconds, Refused: <= CapTold.MostTimes });
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void CAPs_on_one_server_are_counted_together_by_whatever_name_it_is_called()
    {
        var together = CapServers.Together([State(Cap), State(@"MSWNET:\\fs1.example.com\second\"), State(@"LOCAL:\\srv\cap\"), State(@"MSWNET:\\fs2\cap\"),
            State(@"MSWNET:\\192.0.2.1\third\", """["fs1","FS1.example.com"]"""), State(@"LOCAL:\\srv\other\")]);
        Assert.Equal([Cap, @"MSWNET:\\fs1.example.com\second\", @"MSWNET:\\192.0.2.1\third\"], together[Cap].OrderByDescending(path => path.Length == Cap.Length).ThenByDescending(path => path.Length).ThenBy(path => path, StringComparer.Ordinal));
        Assert.Equal(together[Cap], together[@"MSWNET:\\192.0.2.1\third\"]);
        Assert.Equal([@"MSWNET:\\fs2\cap\"], together[@"MSWNET:\\fs2\cap\"]);
        Assert.Equal([@"LOCAL:\\srv\cap\"], together[@"LOCAL:\\srv\cap\"]);
        Assert.Equal(6, together.Count);
    }

    private static CapState State(string path, string aliases = "[]") => new(path, null, 0, null, 0, null, 0, 0, null, null, null, null) { AliasNames = aliases };

    private static CapUseHour Row(long hour, int connections, long held, int refused) => new(Cap, hour * 3_600, connections, held, refused);

    private static Gen<CapUseHour> HostileRow() =>
        from hour in Gen.Choose(-2, 6)
        from connections in Gen.Elements(0, 1, CapUseHour.MostTimes)
        from held in Gen.Elements(0, 1, CapUseHour.MostMilliseconds)
        from refused in Gen.Elements(0, 1, CapUseHour.MostTimes)
        select Row(hour, connections, held, refused);
}
