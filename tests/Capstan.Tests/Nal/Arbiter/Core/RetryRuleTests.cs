using Capstan.Nal.Arbiter.Core;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Arbiter.Core;

public sealed class RetryRuleTests
{
    [Theory]
    [InlineData(60, 0, 0.0, 45.0)]
    [InlineData(60, 0, 0.5, 90.0)]
    [InlineData(60, 1, 0.5, 79.2)]
    [InlineData(60, 4, 0.0, 26.986)]
    [InlineData(60, 15, 0.5, 13.228)]
    [InlineData(60, 16, 0.5, 60.0)]
    [InlineData(60, 1_000_000, 0.25, 45.0)]
    public void With_a_published_hold_it_is_around_a_part_of_it_that_shrinks_with_each_refusal(int hold, int refusals, double draw, double expected) =>
        Assert.Equal(expected, RetryRule.Wait(TimeSpan.FromSeconds(hold), TimeSpan.FromSeconds(77), refusals, draw).TotalSeconds, tolerance: 0.001);

    [Theory]
    [InlineData(0, 1, 2)]
    [InlineData(3_600, 100, 200)]
    public void At_its_limits_it_is_spread_as_well(int hold, double least, double middle)
    {
        Assert.Equal(least, RetryRule.Wait(TimeSpan.FromSeconds(hold), default, 0, draw: 0).TotalSeconds, tolerance: 0.001);
        Assert.Equal(middle, RetryRule.Wait(TimeSpan.FromSeconds(hold), default, 0, draw: 0.5).TotalSeconds, tolerance: 0.001);
    }

    [Theory]
    [InlineData(0, 0.0, 1.0)]
    [InlineData(0, 0.5, 2.0)]
    [InlineData(10, 0.0, 1.0)]
    [InlineData(10, 0.5, 15.5)]
    [InlineData(299, 0.9, 300.0)]
    public void Without_one_it_is_decorrelated_jitter_from_a_second_to_five_minutes(int previous, double draw, double expected) =>
        Assert.Equal(TimeSpan.FromSeconds(expected), RetryRule.Wait(null, TimeSpan.FromSeconds(previous), refusals: 3, draw));

    [Fact]
    public void It_is_never_shorter_than_a_second_nor_longer_than_five_minutes_whatever_is_published() =>
        Prop.ForAll(Gen.Choose(-1_000, 1_000_000).ToArbitrary(), Gen.Choose(0, 1_000).ToArbitrary(), Gen.Choose(0, 999).ToArbitrary(), (hold, previous, draw) =>
        {
            foreach (TimeSpan? published in new TimeSpan?[] { null, TimeSpan.FromSeconds(hold), TimeSpan.MaxValue / 2, TimeSpan.MinValue / 2 })
                Assert.InRange(RetryRule.Wait(published, TimeSpan.FromSeconds(previous), previous, draw / 1_000.0), RetryRule.Shortest, RetryRule.Longest);
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
}
