using System.Text.Json;
using Capstan.Fleet;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Fleet;

/// <summary>The figures of a run, from the cycles that were counted.</summary>
public sealed class FleetResultTests
{
    [Fact]
    public void A_run_is_as_long_as_from_the_first_moment_due_to_the_last_end()
    {
        var result = Result(2, [Cycle(5, 6, 9), Cycle(9, 9, 12)], [Cycle(4, 4, 7), Cycle(7, 10, 15)]);
        Assert.Equal((2, 2, 4, TimeSpan.FromSeconds(11)), (result.Clients, result.Completed, result.CyclesCompleted, result.Makespan));
        Assert.True(result.IsComplete);
    }

    [Fact]
    public void A_client_that_did_not_end_one_of_its_cycles_is_not_complete()
    {
        var result = Result(2, [Cycle(0, 0, 1), Cycle(1, 2, null)], [Cycle(0, 0, 1), Cycle(1, 1, 2)], []);
        Assert.Equal((3, 1, 3, false), (result.Clients, result.Completed, result.CyclesCompleted, result.IsComplete));
        Assert.Equal(TimeSpan.Zero, Result(1, [Cycle(0, null, null)]).Makespan);
    }

    [Fact]
    public void Attempts_and_refusals_are_those_of_all_cycles_whether_they_ended_or_not()
    {
        var result = Result(1, [Cycle(0, 3, 4) with { Attempts = 4, Refused = 3 }], [Cycle(0, null, null) with { Attempts = 2, Refused = 2 }]);
        Assert.Equal((6, 5), (result.Attempts, result.Refused));
    }

    [Fact]
    public void A_wait_is_from_the_moment_due_to_the_connection_by_nearest_rank()
    {
        var result = Result(1, [.. Enumerable.Range(1, 200).Select(wait => new[] { Cycle(10, 10 + wait, 300) }), [Cycle(0, null, null)]]);
        Assert.Equal([100, 198, 200], new[] { 0.5, 0.99, 1 }.Select(part => result.Wait(part)!.Value.TotalSeconds));
        Assert.Null(Result(1, [Cycle(0, null, null)]).Wait(0.5));
    }

    [Fact]
    public void The_history_of_connections_knows_peak_time_above_a_level_and_time_held()
    {
        var history = new ConnectionHistory();
        foreach (var (at, by) in new[] { (1, 1), (2, 1), (4, 1), (5, -1), (9, -1), (10, -1) })
            history.Note(TimeSpan.FromSeconds(at), by);
        Assert.Equal((3, 0), (history.Peak, history.Open));
        Assert.Equal([9, 7, 1, 0], new[] { 0, 1, 2, 3 }.Select(level => history.TimeAbove(level).TotalSeconds));
        Assert.Equal(1 + (2 * 2) + 3 + (2 * 4) + 1, history.Held().TotalSeconds);
    }

    [Fact]
    public void The_json_has_the_documented_members()
    {
        var history = new ConnectionHistory();
        history.Note(TimeSpan.FromSeconds(1), 1);
        history.Note(TimeSpan.FromSeconds(3.5), -1);
        var enrolment = Result(1, [Cycle(0, 0, 2) with { Attempts = 3, Refused = 1 }]);
        var options = new FleetOptions { Cap = NalPath.Parse("smb://fs1/cap/"), Token = null!, Clients = 1 };
        var plan = new FleetPlan(FleetStart.AtOnce, 1, HoldRange.None, Seed: 7);

        var done = new FleetResult(1, [[Cycle(0, 1, 3.5) with { Attempts = 2, Refused = 1 }]], history);
        using var json = JsonDocument.Parse(Json(FleetReport.Of(options, plan, enrolment, done, [])));
        var root = json.RootElement;
        Assert.Equal(["clients", "cycles", "start", "hold", "seed", "completed", "cyclesCompleted", "makespanSeconds", "attempts", "refused", "waitSeconds", "peakConnections", "meanHoldSeconds", "enrolment", "unfinished"],
            root.EnumerateObject().Select(member => member.Name));
        Assert.Equal((1, 3.5, 2, 1, 1, 2.5), (root.GetProperty("completed").GetInt32(), root.GetProperty("makespanSeconds").GetDouble(), root.GetProperty("attempts").GetInt32(),
            root.GetProperty("refused").GetInt32(), root.GetProperty("peakConnections").GetInt32(), root.GetProperty("meanHoldSeconds").GetDouble()));
        Assert.Equal("""{"p50":1,"p99":1,"worst":1}""", JsonSerializer.Serialize(root.GetProperty("waitSeconds")));
        Assert.Equal("""{"completed":1,"seconds":2,"attempts":3,"refused":1,"peakConnections":0}""", JsonSerializer.Serialize(root.GetProperty("enrolment")));

        using var stopped = JsonDocument.Parse(Json(FleetReport.Of(options, plan, enrolment, null, [new UnfinishedClient(0, "FS1 is full")])));
        Assert.False(stopped.RootElement.TryGetProperty("waitSeconds", out _));
        Assert.Equal("FS1 is full", stopped.RootElement.GetProperty("unfinished")[0].GetProperty("cause").GetString());
    }

    [Theory]
    [InlineData(NalError.ServerFull, 3)]
    [InlineData(NalError.WaitForSlot, 3)]
    [InlineData(NalError.NotFound, 4)]
    [InlineData(NalError.Authenticate, 5)]
    [InlineData(NalError.AccessDenied, 5)]
    [InlineData(NalError.Connect, 1)]
    [InlineData(null, 1)]
    public void What_an_unfinished_client_met_is_the_exit_code(NalError? error, int expected) => Assert.Equal(expected, ExitCode.Of(error));

    private static string Json(FleetReport report) => JsonSerializer.Serialize(report, FleetJson.Default.FleetReport);

    private static FleetResult Result(int each, params FleetCycle[][] clients) => new(each, clients, new ConnectionHistory());

    private static FleetCycle Cycle(double due, double? connected, double? ended) => new()
    {
        Due = TimeSpan.FromSeconds(due),
        Connected = connected is { } moment ? TimeSpan.FromSeconds(moment) : null,
        Ended = ended is { } end ? TimeSpan.FromSeconds(end) : null,
    };
}
