using Capstan.Testing.Arbiter;

namespace Capstan.Tests.Nal.Arbiter.Simulation;

/// <summary>200 clients over 20 connections, each held for 2 to 10 s: 10 clients for each slot.</summary>
public sealed class FleetTests
{
    private static readonly FleetShape Stampede = new(Clients: 200, Servers: 1, Limit: 20, Window: TimeSpan.Zero);

    /// <summary>70 % of the limit used, headroom 2, ten windows.</summary>
    private static readonly FleetShape Planned = Stampede with { Window = FleetShape.MeanHold * (200 / (0.7 * 20)), Cycles = 10, Headroom = 2 };

    [Fact]
    public void A_stampede_is_through_almost_as_fast_as_a_perfect_queue_and_nobody_starves()
    {
        var results = Enumerable.Range(1, 7).Select(seed => FleetSimulation.Run(Stampede, FleetRetry.Capstan, seed)).ToArray();
        Assert.All(results, result => Assert.Equal((200, 20), (result.Completed, result.Peak)));
        Assert.InRange(Median(results, result => result.Makespan / result.Ideal), 1, 1.15);
        Assert.InRange(Median(results, result => result.Makespan / result.Central), 1, 1.10);
        Assert.All(results, result => Assert.InRange(result.Refused / 200.0, 0, 6));
        Assert.All(results, result => Assert.InRange(result.LongWait / result.MedianWait, 1, 4));
    }

    [Fact]
    public void Loops_that_know_nothing_are_slower()
    {
        foreach (var loop in new[] { FleetRetry.FixedLoop, FleetRetry.JitteredLoop })
        {
            var results = Enumerable.Range(1, 7).Select(seed => FleetSimulation.Run(Stampede, loop, seed)).ToArray();
            Assert.All(results, result => Assert.Equal((200, 20), (result.Completed, result.Peak)));
            Assert.InRange(Median(results, result => result.Makespan / result.Ideal), 1.2, 10);
        }
    }

    [Fact]
    public void Planned_starts_are_hardly_ever_refused_and_leave_the_headroom_alone()
    {
        var results = Enumerable.Range(1, 7).Select(seed => FleetSimulation.Run(Planned, FleetRetry.Capstan, seed)).ToArray();
        Assert.All(results, result => Assert.Equal(2_000, result.Completed));
        Assert.InRange(results.Sum(result => result.Refused) / (double)results.Sum(result => result.Attempts), 0, 0.01);
        Assert.InRange(results.Average(result => result.HeadroomShare), 0, 0.01);
    }

    private static double Median(IEnumerable<FleetResult> results, Func<FleetResult, double> of) => results.Select(of).Order().ElementAt(3);
}
