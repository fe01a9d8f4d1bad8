using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Protocol.V1;

namespace Capstan.Bench.Figures;

/// <summary>How fast a site takes in what its clients send: files of a folder CAP, verified, into SQLite on disk, receipts written.</summary>
/// <remarks>All uploads of a round lie on the CAP before its clock starts; making them is not measured. A round is what one pass takes.</remarks>
internal static class IngestFigures
{
    private const int Devices = 4_000;
    private const int Heartbeats = 4_000;
    private const int Inventories = 1_000;
    private const int Rounds = 4;

    /// <param name="cap">Where the folder CAP lies; null for the directory of temporary files, where the database lies, too.</param>
    public static async IAsyncEnumerable<Figure> RunAsync(string? cap, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var site = await BusySite.CreateAsync(Devices, cap, cancellationToken);

        var rounds = new List<Cost>();
        for (var round = 0; round < Rounds; round++)
            rounds.Add(await site.TakeInAsync(Enumerable.Range(0, Heartbeats), device => [device.Heartbeat()], cancellationToken));
        yield return new("heartbeat uploads into SQLite, verified", Reading(rounds, Heartbeats), "≥ 2,000/s on 2 cores");

        // Every device's first full inventory: nothing of it is there to compare with.
        rounds.Clear();
        for (var round = 0; round < Rounds; round++)
            rounds.Add(await site.TakeInAsync(Enumerable.Range(round * Inventories, Inventories), device => device.Inventory(), cancellationToken));
        yield return new("full inventories into SQLite, 600 packages each", Reading(rounds, Inventories), "≥ 500/s on 2 cores");
        yield return new("database per client, with inventory", Text($"{await site.DatabaseBytesAsync(cancellationToken) / (double)Devices / 1e6:0.000} MB"), "≤ 0.5 MB");
    }

    /// <summary>The best round and the median of the processor time; the first round, which compiles, does not count.</summary>
    /// <remarks>The machine is shared: the best round is the one that others disturbed least. Processor time does not depend on them.</remarks>
    private static string Reading(List<Cost> rounds, int files)
    {
        var counted = rounds.Skip(1).ToList();
        var best = counted.Min(round => round.WallSeconds);
        var perFile = counted.Select(round => round.CpuSeconds).Order().ElementAt(counted.Count / 2) / files;
        return Text($"{files / best:0}/s; {perFile * 1e6:0} µs of processor time each, so {Environment.ProcessorCount / perFile:0}/s at full use of {Environment.ProcessorCount} cores");
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
