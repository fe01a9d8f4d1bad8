using System.Text;
using System.Text.Json.Serialization;

namespace Capstan.Fleet;

/// <summary>What <c>-o json</c> prints (docs/cli.md). Members are added, never renamed or removed. Times are seconds.</summary>
internal sealed record FleetReport
{
    public required int Clients { get; init; }
    public required int Cycles { get; init; }
    public required string Start { get; init; }
    public required string Hold { get; init; }
    public required int Seed { get; init; }
    public required int Completed { get; init; }
    public required int CyclesCompleted { get; init; }
    public required double MakespanSeconds { get; init; }
    public required long Attempts { get; init; }
    public required long Refused { get; init; }
    public required FleetWaits? WaitSeconds { get; init; }
    public required int PeakConnections { get; init; }
    public required double MeanHoldSeconds { get; init; }
    public required EnrolmentReport Enrolment { get; init; }
    public required IReadOnlyList<UnfinishedClient> Unfinished { get; init; }

    /// <param name="result">Of the measured run; null when the enrolment was not finished.</param>
    public static FleetReport Of(FleetOptions options, FleetPlan plan, FleetResult enrolment, FleetResult? result, IReadOnlyList<UnfinishedClient> unfinished) => new()
    {
        Clients = options.Clients,
        Cycles = plan.Cycles,
        Start = plan.Start.ToString(),
        Hold = plan.Hold.ToString(),
        Seed = plan.Seed,
        Completed = result?.Completed ?? 0,
        CyclesCompleted = result?.CyclesCompleted ?? 0,
        MakespanSeconds = Seconds(result?.Makespan ?? TimeSpan.Zero),
        Attempts = result?.Attempts ?? 0,
        Refused = result?.Refused ?? 0,
        WaitSeconds = result?.Wait(0.5) is { } median ? new FleetWaits(Seconds(median), Seconds(result.Wait(0.99)!.Value), Seconds(result.Wait(1)!.Value)) : null,
        PeakConnections = result?.Connections.Peak ?? 0,
        MeanHoldSeconds = result is { CyclesCompleted: > 0 } ? Seconds(result.Connections.Held() / result.CyclesCompleted) : 0,
        Enrolment = new EnrolmentReport(enrolment.Completed, Seconds(enrolment.Makespan), enrolment.Attempts, enrolment.Refused, enrolment.Connections.Peak),
        Unfinished = unfinished,
    };

    /// <summary>For people; may change.</summary>
    public string ToTable()
    {
        var text = new StringBuilder();
        Row("Clients", $"{Clients}, of which {Completed} completed their {Cycles} cycle{(Cycles == 1 ? "" : "s")}");
        Row("Makespan", $"{MakespanSeconds:0.0} s (start {Start}, hold {Hold} s, seed {Seed})");
        Row("Attempts", $"{Attempts}, of which {Refused} were refused for capacity");
        Row("Wait for a connection", WaitSeconds is { } waits ? $"p50 {waits.P50:0.0} s, p99 {waits.P99:0.0} s, worst {waits.Worst:0.0} s" : "nobody got one");
        Row("Connections of this process", $"at most {PeakConnections} at one time, {MeanHoldSeconds:0.00} s each");
        Row("Enrolment before", $"{Enrolment.Completed} clients in {Enrolment.Seconds:0.0} s; {Enrolment.Attempts} attempts, {Enrolment.Refused} refused, at most {Enrolment.PeakConnections} connections");
        foreach (var client in Unfinished)
            Row($"Client {client.Client}", client.Cause);
        return text.ToString().TrimEnd('\n');

        // Every program of ours runs with the invariant culture.
        void Row(string name, string reading) => text.Append(name.PadRight(30)).Append(reading).Append('\n');
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 3);
}

/// <summary>From the moment a cycle was due to its connection.</summary>
internal sealed record FleetWaits(double P50, double P99, double Worst);

/// <summary>What it took before the measured run.</summary>
internal sealed record EnrolmentReport(int Completed, double Seconds, long Attempts, long Refused, int PeakConnections);

/// <param name="Client">Its number in the fleet, from 0.</param>
/// <param name="Cause">What it waits for.</param>
internal sealed record UnfinishedClient(int Client, string Cause);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FleetReport))]
internal sealed partial class FleetJson : JsonSerializerContext;
