using Capstan.Client.Configuration;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client;

/// <summary>What a client notes of its connections and tells the site.</summary>
public sealed class CapUseTests
{
    private const string Fs1 = @"MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\";
    private const string Fs2 = @"MSWNET:\\fs2.example.com\cap\";
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 34, 56, TimeSpan.Zero);
    private static readonly long Hour = new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();

    private static readonly CapList List = new()
    {
        SiteCode = "ABC",
        Caps =
        [
            new CapEntry { Path = Fs1, Licensing = "per-server:20", Headroom = 2, MeanHoldSeconds = 3 },
            new CapEntry { Path = Fs2, Licensing = "per-seat:50", MeanHoldSeconds = 0.25 },
            new CapEntry { Path = @"LOCAL:\\srv\cap\" },
            new CapEntry { Path = @"LOCAL:\\mnt\nas\", Licensing = "per-server:5" },
        ],
    };

    [Fact]
    public void A_contact_is_one_connection_of_the_hour_in_which_it_began() => Assert.Equal(
        [new CapUseHour(Fs1, Hour, 1, 1_500, 0)],
        CapUseRows.Of(List, Trace(), NalPath.Parse("smb://fs1/cap/").WithQualifiers("ABC", isPreferred: false), TimeSpan.FromSeconds(1.5), Noon));

    [Fact]
    public void Refusals_for_capacity_are_counted_whether_or_not_another_server_served() => Assert.Equal(
        [new CapUseHour(Fs1, Hour, 0, 0, 1), new CapUseHour(Fs2, Hour, 1, 10, 0)],
        CapUseRows.Of(List, Trace((Fs1, NalError.ServerFull), (Fs2, null)), NalPath.Parse(Fs2), TimeSpan.FromMilliseconds(10), Noon));

    [Fact]
    public void Other_failures_and_CAPs_of_nobodys_list_are_not_counted() => Assert.Empty(CapUseRows.Of(List,
        Trace((Fs1, NalError.Connect), (Fs2, NalError.WaitForSlot), (@"MSWNET:\\other\cap\", NalError.ServerFull)), NalPath.Parse(@"MSWNET:\\other\cap\"), TimeSpan.Zero, Noon));

    [Fact]
    public void A_folder_is_counted_only_where_it_is_licensed()
    {
        Assert.Empty(CapUseRows.Of(List, Trace(), NalPath.Parse(@"LOCAL:\\srv\cap\"), TimeSpan.Zero, Noon));
        Assert.Equal([new CapUseHour(@"LOCAL:\\mnt\nas\", Hour, 1, 0, 0)], CapUseRows.Of(List, Trace(), NalPath.Parse(@"LOCAL:\\mnt\nas\"), TimeSpan.Zero, Noon));
    }

    [Fact]
    public void Before_there_is_a_list_nothing_is_counted() => Assert.Empty(CapUseRows.Of(null, Trace(), NalPath.Parse(Fs1), TimeSpan.Zero, Noon));

    [Fact]
    public void A_clock_before_1970_has_hours_too() => Assert.Equal(-3_600,
        Assert.Single(CapUseRows.Of(List, Trace(), NalPath.Parse(Fs1), TimeSpan.Zero, DateTimeOffset.UnixEpoch.AddSeconds(-1))).Hour);

    [Fact]
    public void Whatever_is_added_up_is_a_report_that_the_site_can_read() =>
        Prop.ForAll(Gen.Zip(Rows(), Rows()).ToArbitrary(), pair =>
        {
            var sum = CapUseRows.Add(pair.Item1, pair.Item2);
            var read = Documents.CapUse.Decode(Documents.CapUse.Encode(new CapUse { Hours = sum }));
            return read.Hours.SequenceEqual(sum) && sum.DistinctBy(row => (row.Path, row.Hour)).Count() == sum.Count
                && CapUseRows.Add(sum, []).SequenceEqual(sum) && CapUseRows.Add(pair.Item2, pair.Item1).SequenceEqual(sum);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_oldest_hours_give_way() => Assert.Equal(
        Enumerable.Range(100, CapUse.MaxHours).Select(n => n * 3_600L),
        CapUseRows.Add(Enumerable.Range(0, 100 + CapUse.MaxHours).Select(n => new CapUseHour(Fs1, n * 3_600L, 1, 1, 0)), []).Select(row => row.Hour));

    [Fact]
    public void The_state_of_a_waiting_client_names_server_and_limit() => Assert.Equal(
        @"waiting for a connection: FS1 20 of 20, fs2.example.com full, FS3 used by this machine already",
        CapacityWait.Text(Trace((Fs1, NalError.ServerFull), (Fs2, NalError.ServerFull), (@"MSWNET:\\fs3\cap\", NalError.WaitForSlot), (@"MSWNET:\\fs4\cap\", NalError.Connect)), List));

    [Fact]
    public void The_terms_of_a_server_are_the_strictest_of_its_CAPs()
    {
        var servers = CapTerms.Servers(List with
        {
            Caps = [.. List.Caps, new CapEntry { Path = @"MSWNET:\\fs2.example.com\second\", Licensing = "per-server:5", MeanHoldSeconds = 7, Aliases = ["FS2", "fd00::1", "no name"] }],
        });
        Assert.Equal(["fs1:445", "fs2.example.com:445"], servers.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((TimeSpan.Zero, TimeSpan.FromSeconds(3)), (servers["fs1:445"].Linger, servers["fs1:445"].MeanHold));
        Assert.Equal((TimeSpan.Zero, TimeSpan.FromSeconds(7), "fs2:445 [fd00::1]:445"), (servers["fs2.example.com:445"].Linger, servers["fs2.example.com:445"].MeanHold, string.Join(' ', servers["fs2.example.com:445"].Aliases)));
        var seats = CapTerms.Servers(List)["fs2.example.com:445"];
        Assert.Equal((CapTerms.PerSeatLinger, CapTerms.LeastHold), (seats.Linger, seats.MeanHold));
    }

    [Fact]
    public async Task A_day_of_contacts_reaches_the_site_once_and_added_up()
    {
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()), provider: "MSWNET");
        f.Site.Describe(new CapEntry { Path = f.CapPath, Licensing = "per-server:20", MeanHoldSeconds = 100 });
        await f.EnrolAsync();
        var opened = f.Provider.Opened;
        f.Provider.RefuseWith = NalError.ServerFull;
        f.Provider.Refuse = "the server is full";
        // The first wait is for the poll.
        await f.StepAsync(3);
        f.Provider.Refuse = null;
        var end = f.Time.GetUtcNow().AddDays(3);
        while (f.Time.GetUtcNow() < end)
        {
            await f.StepAsync();
            await f.Site.DrainAsync(ClientFixture.Stop);
        }
        var reports = f.Site.Items(Documents.CapUse);
        Assert.InRange(reports.Count, 2, 8);
        var rows = reports.SelectMany(report => report.Hours).ToList();
        Assert.All(rows, row => Assert.Equal(f.CapPath, row.Path));
        Assert.Equal(2, rows.Sum(row => row.Refused));
        // All but those since the last report, and the first of all, when there was no list yet.
        Assert.InRange(rows.Sum(row => row.Connections), 2 * 288 - 60, f.Provider.Opened);
        Assert.True(opened > 0);
    }

    [Fact]
    public async Task A_report_that_waits_in_the_spool_is_added_to_and_not_replaced()
    {
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()));
        await f.InstallAsync();
        using var database = ClientDatabase.Open(f.Options.Directory);
        var log = new CapUseLog(database);
        var spool = new RecordSpool(database);
        log.Note([new CapUseHour(Fs1, Hour, 1, 100, 0)]);
        log.Report();
        log.Note([new CapUseHour(Fs1, Hour, 2, 50, 1)]);
        log.Report();
        log.Report();
        var item = Assert.Single(spool.Items());
        Assert.Equal([new CapUseHour(Fs1, Hour, 3, 150, 1)], Documents.CapUse.Decode(System.Text.Encoding.UTF8.GetBytes(item.Body)).Hours);
        Assert.False(spool.UrgentItems());
    }

    private static NalTrace Trace(params (string Path, NalError? Error)[] candidates) => new("x",
        [.. candidates.Select(candidate => new NalTraceCandidate(candidate.Path, "listed", [], candidate.Error is null ? "used" : "failed", candidate.Error))], TimeSpan.Zero);

    private static Gen<IReadOnlyList<CapUseHour>> Rows() =>
        (from path in Gen.Elements(Fs1, Fs2, new string('x', 4_096))
         from hour in Gen.Choose(-5, 400)
         from connections in Gen.OneOf(Gen.Choose(0, 10), Gen.Constant(CapUseHour.MostTimes))
         from held in Gen.OneOf(Gen.Choose(0, 10_000).Select(n => (long)n), Gen.Constant(CapUseHour.MostMilliseconds))
         from refused in Gen.Choose(0, CapUseHour.MostTimes)
         select new CapUseHour(path, hour * 3_600L, connections, held, refused)).ListOf().Select(rows => (IReadOnlyList<CapUseHour>)rows);
}
