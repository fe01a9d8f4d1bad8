using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Protocol.V1;

namespace Capstan.Bench.Figures;

/// <summary>How fast a site takes in what its clients send: files of a folder CAP, verified, into SQLite on disk, receipts written.</summary>
internal static class IngestFigures
{
    private const int Devices = 2_000;
    private const int Heartbeats = 2_000;
    private const int Inventories = 500;

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var site = await BusySite.CreateAsync(Devices, cancellationToken);

        var rounds = new List<Cost>();
        for (var round = 0; round < 4; round++)
            rounds.Add(await site.TakeInAsync(Enumerable.Range(0, Heartbeats), device => [device.Heartbeat()], cancellationToken));
        yield return new("heartbeat uploads into SQLite, verified", Reading(rounds, Heartbeats), "≥ 2,000/s on 2 cores");

        // Every device's first full inventory: nothing of it is there to compare with.
        rounds.Clear();
        for (var round = 0; round < 4; round++)
            rounds.Add(await site.TakeInAsync(Enumerable.Range(round * Inventories, Inventories), device => device.Inventory(), cancellationToken));
        yield return new("full inventories into SQLite, 600 packages each", Reading(rounds, Inventories), "≥ 500/s on 2 cores");
        yield return new("database per client, with inventory", Text($"{await site.DatabaseBytesAsync(cancellationToken) / (double)Devices / 1e6:0.000} MB"), "≤ 0.5 MB");
    }

    /// <summary>The median round; the first one, which compiles, does not count. Processor time tells what the machine could do if it had nothing else to do.</summary>
    private static string Reading(List<Cost> rounds, int files)
    {
        var median = rounds.Skip(1).OrderBy(round => round.WallSeconds).ElementAt((rounds.Count - 1) / 2);
        var perFile = median.CpuSeconds / files;
        return Text($"{files / median.WallSeconds:0}/s; {perFile * 1e6:0} µs of processor time each, so {Environment.ProcessorCount / perFile:0}/s at full use of {Environment.ProcessorCount} cores");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What one round took.</summary>
internal sealed record Cost(double WallSeconds, double CpuSeconds)
{
    public static async Task<Cost> OfAsync(Func<Task> work)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        await work();
        return new Cost(clock.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
    }
}
