using Capstan.Protocol.V1;
using Capstan.Site.Distribution.Offers;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Offers;

/// <summary>The pure parts of offers: when a roll-out halts, and what counts when on the curve.</summary>
public sealed class OfferRuleTests
{
    [Theory]
    [InlineData(0, 0, 10, false)]
    [InlineData(2, 1, 10, false)]
    [InlineData(2, 2, 100, true)]
    [InlineData(20, 2, 10, true)]
    [InlineData(21, 2, 10, false)]
    [InlineData(1_000, 99, 10, false)]
    [InlineData(1_000, 100, 10, true)]
    [InlineData(5, 5, null, false)]
    public void A_roll_out_halts_when_the_share_is_reached_and_it_is_no_accident(int finished, int failed, int? haltAt, bool expected) =>
        Assert.Equal(expected, HaltRule.Of(finished, failed, haltAt) is not null);

    [Fact]
    public void Times_are_those_of_the_device_but_never_in_the_future_and_stay_where_they_were()
    {
        var state = new AdvertisementState { AdvertisementId = "aaaaaaaa", Revision = 1, State = ProgramState.Succeeded, Since = 900, LastRun = new ProgramRun { Number = 1, PackageVersion = 1, StartedAt = 500, EndedAt = 5_000, Outcome = ProgramRun.Success, ExitCode = 0 } };
        var first = OfferTimes.Of(state, null, 1_000, 0);
        Assert.Equal(new OfferTimes(900, 500, 500, 1_000, 1_000), first);
        var again = OfferTimes.Of(state, StateRow.Of(state, first, 1_000), 9_000, 0);
        Assert.Equal(first, again);
        // Another run is another end; one that begins anew has none.
        var second = OfferTimes.Of(state with { LastRun = state.LastRun with { Number = 2, StartedAt = 2_000, EndedAt = 3_000 } }, StateRow.Of(state, new OfferTimes(900, 500, 500, 1_000, 1_000), 1_000), 9_000, 0);
        Assert.Equal(new OfferTimes(900, 500, 2_000, 3_000, 9_000), second);
        Assert.Equal(new OfferTimes(900, 500, 500, null, null), OfferTimes.Of(state with { State = ProgramState.Waiting }, StateRow.Of(state, new OfferTimes(900, 500, 500, 1_000, 1_000), 1_000), 9_000, 0));
        Assert.Equal(new OfferTimes(900, null, null, null, null), OfferTimes.Of(state with { State = ProgramState.Waiting, LastRun = null }, null, 9_000, 0));
    }

    /// <summary>Whatever was reported: the curve never falls, and ends with what the funnel counts.</summary>
    [Fact]
    public void For_any_reports_the_curve_rises_to_the_figures_of_the_funnel()
    {
        var row = Gen.Elements<string>([.. ProgramState.All]).SelectMany(state => Gen.Choose(0, 1_000).Four().Select(times => new CurveRow(state, times.Item1, times.Item2 % 2 == 0 ? times.Item2 : null, times.Item3 % 2 == 0 ? times.Item3 : null, OfferTimes.IsEnded(state) ? times.Item4 : null)));
        Prop.ForAll(row.ListOf().ToArbitrary(), list =>
        {
            var rows = list.ToList();
            var curve = OfferCurve.Of(rows, rows.Count, 100, 1_000);
            Assert.Equal(OfferCurve.Points, curve.Count);
            foreach (var (before, after) in curve.Zip(curve.Skip(1)))
                Assert.True(before.At <= after.At && before.Received <= after.Received && before.Content <= after.Content && before.Ran <= after.Ran && before.Succeeded <= after.Succeeded && before.Failed <= after.Failed);
            Assert.Equal((rows.Count, rows.Count(entry => entry.AtContent is not null), rows.Count(entry => entry.AtRun is not null)), (curve[^1].Received, curve[^1].Content, curve[^1].Ran));
            Assert.Equal(rows.Count(entry => entry.State is ProgramState.Succeeded or ProgramState.PendingReboot), curve[^1].Succeeded);
            Assert.Equal(rows.Count(entry => entry.State is ProgramState.Failed or ProgramState.Unknown), curve[^1].Failed);
        }).QuickCheckThrowOnFailure();
    }

    /// <summary>Of any rings: what had begun stays, what had not moves as a whole or waits for the one in front of it, and no client would refuse the result.</summary>
    [Fact]
    public void For_any_rings_those_that_had_not_begun_move_and_all_still_rise()
    {
        var steps = Gen.Choose(0, 1_000).ListOf().Where(list => list.Count is > 0 and <= 16);
        Prop.ForAll(steps.SelectMany(list => Gen.Choose(0, 5_000).Four().Select(numbers => (Steps: list.ToList(), Begun: numbers.Item1, By: numbers.Item2 - 2_500))).ToArbitrary(), given =>
        {
            var at = 0L;
            var rings = given.Steps.Select((step, index) => new RolloutRing(index == given.Steps.Count - 1 ? 100 : index + 1, at += step)).ToList();
            var moved = OfferRules.Shift(rings, TimeSpan.FromSeconds(given.By), DateTimeOffset.FromUnixTimeSeconds(given.Begun));
            Assert.Equal(rings.Select(ring => ring.Percent), moved.Select(ring => ring.Percent));
            Assert.True(moved.Zip(moved.Skip(1)).All(pair => pair.First.At <= pair.Second.At));
            foreach (var (before, after) in rings.Zip(moved))
                Assert.True(before.At < given.Begun ? after.At == before.At : after.At >= before.At + given.By && (given.By < 0 || after.At == before.At + given.By));
            Assert.Equal(rings.Select(ring => ring.At - rings[0].At + 7), OfferRules.Anew(rings, DateTimeOffset.FromUnixTimeSeconds(7)).Select(ring => ring.At));
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(0, 1_000, 1_000)]
    [InlineData(7, 1_000, 1_000)]
    [InlineData(1_000, 1_000, 1_001)]
    [InlineData(5_000, 1_000, 5_001)]
    public void A_revision_rises_and_is_at_least_the_time(long last, long now, long next) => Assert.Equal(next, OfferRules.NextRevision(last, DateTimeOffset.FromUnixTimeSeconds(now)));
}
