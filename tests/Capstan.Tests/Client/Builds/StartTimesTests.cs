using Capstan.Client.Configuration;

namespace Capstan.Tests.Client.Builds;

/// <summary>10,000 machines from one image, switched on at one instant: nothing of theirs begins together.</summary>
public sealed class StartTimesTests
{
    private const int Devices = 10_000;

    /// <summary>Largest distance that the starts of random devices have from even ones, once in 1,000 times (Kolmogorov): 1.95 ÷ √n.</summary>
    private static readonly double Chance = 1.95 / Math.Sqrt(Devices);

    [Theory]
    [InlineData(300)]
    [InlineData(3_600)]
    [InlineData(82_800)]
    public void Regular_work_of_enrolled_devices_is_evenly_spread_over_its_interval(int seconds)
    {
        var window = TimeSpan.FromSeconds(seconds);
        var starts = Enumerable.Range(0, Devices).Select(ordinal => EvenPhase.Next(TimeSpan.FromDays(3), window, ordinal, TimeSpan.FromSeconds(12_345)) - TimeSpan.FromDays(3) - window / 2);
        // Far better than by chance: no two are nearer than they must be.
        Assert.InRange(Distance([.. starts.Select(start => start / window)]), 0, 2.0 / Devices * Math.Log2(Devices));
    }

    [Fact]
    public void Builds_are_fetched_at_places_evenly_spread_over_the_time_that_the_site_gives() =>
        Assert.InRange(Distance([.. Enumerable.Range(0, Devices).Select(ordinal => EvenPhase.Fraction(ordinal))]), 0, 2.0 / Devices * Math.Log2(Devices));

    [Fact]
    public void Devices_that_wait_for_approval_ask_again_at_random_in_the_time_that_grows()
    {
        var random = new Random(20261122);
        // Each draws anew each time; after 12 looks nothing is left of the common beginning.
        var waits = Enumerable.Range(0, Devices).Select(_ => Enumerable.Range(0, 6).Sum(poll => Backoff.Approval(poll, localStorage: false, random.NextDouble()).TotalSeconds)).Order().ToArray();
        var (first, last) = (waits[0], waits[^1]);
        Assert.True(last - first > 100, $"{last - first:F0} s between the first and the last");
        // In no second more than 2 % of the fleet.
        Assert.InRange(waits.GroupBy(wait => (int)wait).Max(second => second.Count()), 1, Devices / 50);
    }

    [Fact]
    public void After_a_failure_that_all_have_met_together_the_next_tries_are_uniform()
    {
        var random = new Random(20261122);
        var pauses = Enumerable.Range(0, Devices).Select(_ => Backoff.Retry(TimeSpan.FromMinutes(2), localStorage: false, random.NextDouble()).TotalSeconds).ToArray();
        Assert.InRange(Distance([.. pauses.Select(pause => (pause - 5) / (360 - 5))]), 0, Chance);
    }

    [Fact]
    public void The_order_of_an_older_fleet_and_of_its_newcomers_is_one_sequence() =>
        Assert.Equal(Devices, Enumerable.Range(0, Devices).Select(ordinal => EvenPhase.Fraction(ordinal)).Distinct().Count());

    /// <summary>Kolmogorov's distance of numbers in 0 … 1 from the uniform distribution.</summary>
    private static double Distance(double[] values)
    {
        Array.Sort(values);
        Assert.InRange(values[0], 0, 1);
        Assert.InRange(values[^1], 0, 1);
        return values.Select((value, index) => Math.Max(Math.Abs(value - (double)index / values.Length), Math.Abs(value - (index + 1.0) / values.Length))).Max();
    }
}
