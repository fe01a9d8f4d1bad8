using System.Diagnostics;
using System.Globalization;
using Capstan.Testing.Arbiter;

namespace Capstan.Bench.Figures;

/// <summary>Fleets at their servers' doors, simulated with the production core and retry rule.</summary>
internal static class FleetFigures
{
    private static readonly FleetShape Stampede = new(Clients: 200, Servers: 1, Limit: 20, Window: TimeSpan.Zero);

    public static async IAsyncEnumerable<Figure> RunAsync()
    {
        // Figures come one by one, as they are read.
        await Task.Yield();
        foreach (var retry in Enum.GetValues<FleetRetry>())
        {
            var results = Enumerable.Range(1, 7).Select(seed => FleetSimulation.Run(Stampede, retry, seed)).OrderBy(result => result.Makespan / result.Ideal).ToArray();
            var median = results[3];
            yield return new Figure($"stampede of 200 over 20, {retry}, median of 7 seeds",
                Text($"makespan {median.Makespan.TotalSeconds:F1} s = {median.Makespan / median.Ideal:F2} × ideal, {results.Select(result => result.Makespan / result.Central).Order().ElementAt(3):F2} × central queue; peak {results.Max(result => result.Peak)}; refused {results.Average(result => result.Refused / 200.0):F1} per client; wait median {median.MedianWait.TotalSeconds:F1} s, p99 {median.LongWait.TotalSeconds:F1} s"),
                retry == FleetRetry.Capstan ? "≤ 1.15, ≤ 1.10; ≤ 20; ≤ 6; p99 ≤ 4 × median" : "");
        }
        var planned = Enumerable.Range(1, 7).Select(seed => FleetSimulation.Run(Stampede with { Window = FleetShape.MeanHold * (200 / (0.7 * 20)), Cycles = 100, Headroom = 2 }, FleetRetry.Capstan, seed)).ToArray();
        yield return new Figure("planned: 200 over 20 at 70 % use, headroom 2, 100 windows, 7 seeds",
            Text($"refused {planned.Sum(result => result.Refused) * 100.0 / planned.Sum(result => result.Attempts):F2} %; headroom used {planned.Average(result => result.HeadroomShare) * 100:F2} % of the time"), "≤ 1 %; ≤ 1 %");
        var clock = Stopwatch.StartNew();
        var large = FleetSimulation.Run(new FleetShape(100_000, Servers: 50, Limit: 20, Window: TimeSpan.Zero), FleetRetry.Capstan, seed: 1);
        yield return new Figure("stampede of 100,000 over 50 servers of 20",
            Text($"{large.Completed} completed in {large.Makespan.TotalSeconds:F0} s = {large.Makespan / large.Ideal:F2} × ideal; peak {large.Peak} per server; refused {large.Refused / 100_000.0:F0} per client; wait median {large.MedianWait.TotalSeconds:F0} s, p99 {large.LongWait.TotalSeconds:F0} s; simulated in {clock.Elapsed.TotalSeconds:F0} s"), "");
        var day = FleetSimulation.Run(new FleetShape(100_000, Servers: 50, Limit: 20, Window: FleetShape.MeanHold * (2_000 / (0.7 * 20)), Cycles: 3, Headroom: 2), FleetRetry.Capstan, seed: 1);
        yield return new Figure("planned: 100,000 over 50 servers of 20 at 70 % use, 3 windows",
            Text($"refused {day.Refused * 100.0 / day.Attempts:F2} %; headroom used {day.HeadroomShare * 100:F2} % of the time; longest queue of waits p99 {day.LongWait.TotalSeconds:F1} s"), "≤ 1 %; ≤ 1 %");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
