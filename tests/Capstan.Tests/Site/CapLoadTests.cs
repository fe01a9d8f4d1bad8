using Capstan.Site.Fleet;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site;

/// <summary>A limit is told before it is reached.</summary>
public sealed class CapLoadTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("per-server:20", 4, 0.5, 0, 0, 100, "ok")]
    [InlineData("per-server:20", 4, 7, 0, 0, 100, "near")] // a peak of about 16
    [InlineData("per-server:20", 4, 12, 0, 0, 100, "reached")]
    [InlineData("per-server:40", 4, 12, 0, 0, 100, "ok")]
    [InlineData("per-server:20", 4, 0.1, 1, 0, 100, "reached")] // whoever holds the rest
    [InlineData("per-server:20", 0, 0.1, 0, 0, 100_000, "near")] // even once a day too many
    [InlineData("per-seat:50", 0, 12, 0, 44, 100, "ok")]
    [InlineData("per-seat:50", 0, 12, 0, 45, 100, "near")]
    [InlineData("per-seat:50", 0, 12, 0, 50, 100, "near")]
    [InlineData("per-seat:50", 0, 0, 0, 51, 100, "reached")]
    [InlineData("per-seat:50", 0, 0, 1, 3, 100, "reached")] // it counts connections, too
    [InlineData(null, 0, 400, 0, 9_999, 100, "ok")]
    [InlineData(null, 0, 1, 3, 0, 100, "near")]
    public void A_CAP_is_judged_by_what_its_server_counts(string? licensing, int headroom, double mean, long refused, int devices, int clients, string level)
    {
        var judgement = CapLoad.Judge(new CapLoadFacts(@"MSWNET:\\fs1\cap\", licensing, headroom, [Hour(Now.AddHours(-30), mean, refused)], devices, clients, TimeSpan.FromSeconds(2), Now));
        Assert.Equal(level, judgement.Level);
        Assert.Equal(level == CapLoad.Ok, judgement.Text is null);
        Assert.Equal(level == CapLoad.Ok, judgement.NextStep is null);
    }

    [Fact]
    public void The_text_names_what_was_counted_and_what_is_left() => Assert.Equal(
        @"MSWNET:\\fs1\cap\: about 16 connections at one time in the last week; per-server:20 less a headroom of 4 leaves 16.",
        CapLoad.Judge(new CapLoadFacts(@"MSWNET:\\fs1\cap\", "per-server:20", 4, [Hour(Now.AddHours(-1), 7, 0)], 0, 1, TimeSpan.FromSeconds(2), Now)).Text);

    [Fact]
    public void Old_hours_and_old_refusals_are_over()
    {
        IReadOnlyList<CapHour> hours = [Hour(Now.AddDays(-8), 100, 0), Hour(Now.AddDays(-4), 0, 50)];
        Assert.Equal(new CapJudgement("ok", null, null, 0, 0), CapLoad.Judge(new CapLoadFacts("x", "per-server:20", 0, hours, 0, 1, TimeSpan.FromSeconds(2), Now)));
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0.0001, 1, 1)]
    [InlineData(0.5, 500, 4)]
    [InlineData(1, 500, 5)]
    [InlineData(10, 500, 21)]
    [InlineData(10, 12, 12)] // there were no more
    [InlineData(500, 9_999, 571)]
    [InlineData(501, 9_999, 571)]
    public void A_peak_is_what_independent_starts_would_seldom_exceed(double mean, long connections, int peak) => Assert.Equal(peak, ConcurrencyEstimate.Peak(mean, connections));

    [Fact]
    public void A_peak_is_at_least_the_mean_and_grows_with_it() =>
        Prop.ForAll(Gen.Zip(Gen.Choose(0, 2_000_000), Gen.Choose(0, 5_000)).ToArbitrary(), pair =>
        {
            var (mean, connections) = (pair.Item1 / 1_000.0, (long)pair.Item2);
            var peak = ConcurrencyEstimate.Peak(mean, connections);
            return peak >= mean && ConcurrencyEstimate.Peak(mean * 1.5, connections) >= peak - 1;
        }).QuickCheckThrowOnFailure();

    private static CapHour Hour(DateTimeOffset hour, double mean, long refused) => new(hour, 10_000, (long)(mean * TimeSpan.MillisecondsPerHour), refused);
}
