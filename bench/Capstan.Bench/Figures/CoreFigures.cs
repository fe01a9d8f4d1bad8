using System.Diagnostics;
using System.Globalization;
using Capstan.Nal.Arbiter.Core;

namespace Capstan.Bench.Figures;

/// <summary>What the arbiter's core does in a second.</summary>
internal static class CoreFigures
{
    private static readonly ConnectionKey Key = new("MSWNET", "fs1:445", "account", "");
    private static readonly TimeSpan Never = TimeSpan.FromDays(1);

    public static async IAsyncEnumerable<Figure> RunAsync()
    {
        var runs = new List<double>();
        for (var run = 0; run < 7; run++)
            runs.Add(OneCaller(2_000_000));
        yield return new Figure("acquire and release, uncontended, an open connection", Text(runs.Skip(1)), "≥ 1,000,000/s");
        runs.Clear();
        for (var run = 0; run < 7; run++)
            runs.Add(await CallersAsync(16, 200_000));
        yield return new Figure("the same, 16 callers through one lock on one server", Text(runs.Skip(1)), "≥ 300,000/s");
    }

    private static double OneCaller(int pairs)
    {
        var core = Open();
        var actions = new List<ArbiterAction>();
        var clock = Stopwatch.StartNew();
        for (var request = 1; request <= pairs; request++)
            Pair(core, request, actions);
        return pairs / clock.Elapsed.TotalSeconds;
    }

    private static async Task<double> CallersAsync(int callers, int pairsEach)
    {
        var core = Open();
        var gate = new Lock();
        var actions = new List<ArbiterAction>();
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Factory.StartNew(() =>
        {
            for (var pair = 1; pair <= pairsEach; pair++)
            {
                long request = (caller * pairsEach) + pair;
                lock (gate)
                    Request(core, request, actions);
                lock (gate)
                    Release(core, request, actions);
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        return callers * pairsEach / clock.Elapsed.TotalSeconds;
    }

    private static void Pair(ServerCore core, long request, List<ArbiterAction> actions)
    {
        Request(core, request, actions);
        Release(core, request, actions);
    }

    private static void Request(ServerCore core, long request, List<ArbiterAction> actions)
    {
        actions.Clear();
        core.Request(new ConnectionRequest(request, Key with { Place = "" }, "CCIM", KeepWarm: false, MayQueue: true, Never, TimeSpan.Zero), TimeSpan.Zero, actions);
        if (actions is not [ArbiterAction.Grant])
            throw new InvalidOperationException($"Request {request} was not granted at once.");
    }

    private static void Release(ServerCore core, long request, List<ArbiterAction> actions)
    {
        actions.Clear();
        core.Release(request, TimeSpan.Zero, actions);
        if (actions.Count > 0)
            throw new InvalidOperationException($"Request {request} closed the connection.");
    }

    /// <summary>One that lingers: a pair ends with an idle connection, and the next one begins with it.</summary>
    private static ServerCore Open()
    {
        var core = new ServerCore(new ServerRules { Linger = TimeSpan.FromMinutes(1) });
        var actions = new List<ArbiterAction>();
        core.Request(new ConnectionRequest(0, Key, "CCIM", KeepWarm: false, MayQueue: true, Never, TimeSpan.Zero), TimeSpan.Zero, actions);
        core.SlotTaken(1, TimeSpan.Zero, actions);
        core.Connected(1, TimeSpan.Zero, actions);
        core.Release(0, TimeSpan.Zero, actions);
        return core;
    }

    private static string Text(IEnumerable<double> rates) => string.Create(CultureInfo.InvariantCulture, $"{rates.Order().ElementAt(3):N0}/s");
}
