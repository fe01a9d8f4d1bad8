namespace Capstan.Fleet;

/// <summary>What became of the cycles of one run. Pure.</summary>
/// <param name="CyclesEach">Cycles that each client was to do.</param>
/// <param name="ByClient">The cycles of each client, in their order: those that ended, and the one that did not.</param>
/// <param name="Connections">Of this process, over the run.</param>
internal sealed record FleetResult(int CyclesEach, IReadOnlyList<IReadOnlyList<FleetCycle>> ByClient, ConnectionHistory Connections)
{
    private IEnumerable<FleetCycle> All => ByClient.SelectMany(cycles => cycles);

    public int Clients => ByClient.Count;

    /// <summary>Clients that finished all their cycles.</summary>
    public int Completed => ByClient.Count(cycles => cycles.Count(cycle => cycle.Ended is not null) == CyclesEach);

    public int CyclesCompleted => All.Count(cycle => cycle.Ended is not null);

    public bool IsComplete => Completed == Clients;

    /// <summary>From the moment at which the first cycle was due to the end of the last; zero when none ended.</summary>
    public TimeSpan Makespan => All.Max(cycle => cycle.Ended) is { } end ? end - All.Min(cycle => cycle.Due) : TimeSpan.Zero;

    public long Attempts => All.Sum(cycle => (long)cycle.Attempts);

    public long Refused => All.Sum(cycle => (long)cycle.Refused);

    /// <summary>The holds of the cycles that ended, as they were drawn, together.</summary>
    public TimeSpan Drawn => All.Where(cycle => cycle.Ended is not null).Aggregate(TimeSpan.Zero, (sum, cycle) => sum + cycle.Hold);

    /// <summary>The wait that this part of all cycles did not exceed (nearest rank); null when no cycle got a connection.</summary>
    /// <param name="part">Above 0, at most 1.</param>
    public TimeSpan? Wait(double part)
    {
        TimeSpan[] waits = [.. All.Select(cycle => cycle.Wait).OfType<TimeSpan>().Order()];
        return waits.Length == 0 ? null : waits[Math.Clamp((int)Math.Ceiling(part * waits.Length) - 1, 0, waits.Length - 1)];
    }
}
