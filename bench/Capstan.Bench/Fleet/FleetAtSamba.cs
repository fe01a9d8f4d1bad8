using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Bench.Figures;
using Capstan.Fleet;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Testing.Servers;

namespace Capstan.Bench.Fleet;

/// <summary>200 real clients at a real server that takes 20, beside loops of <c>smbclient</c>. The server counts.</summary>
/// <param name="seeds">Stampedes of ours; one of each loop.</param>
internal sealed class FleetAtSamba(int seeds)
{
    private const int Clients = 200;
    private const int Limit = 20;
    private const int Headroom = 2;
    private const int PlannedWindows = 3;
    private const string Share = "cap";
    private const string Account = "capa";

    private static readonly HoldRange s_hold = new(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(10));

    /// <summary>At 70 % use of the limit.</summary>
    private static readonly TimeSpan s_window = s_hold.Mean * (Clients / (0.7 * Limit));

    public async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare(Share, ("max connections", $"{Limit}"), ("force user", "root"))] });
        var watch = new ServerWatch(samba, Share);
        var holds = new FleetPlan(FleetStart.AtOnce, 1, s_hold, Seed: 1).DrawHolds(Clients).Select(cycles => cycles[0]).ToList();
        var ideal = holds.Aggregate(TimeSpan.Zero, (sum, hold) => sum + hold) / Limit;
        await foreach (var figure in LoopsAsync(samba, watch, holds, ideal, cancellationToken))
            yield return figure;

        var cap = $"smb://127.0.0.1:{samba.Port}/{Share}/";
        using var site = await ApprovingSite.PublishAsync(samba.FolderOf(Share), new CapEntry { Path = NalPath.Parse(cap).ToString(), Licensing = $"per-server:{Limit}", Headroom = Headroom, MeanHoldSeconds = s_hold.Mean.TotalSeconds }, cancellationToken);
        var options = new FleetOptions
        {
            Cap = NalPath.Parse(cap),
            Token = site.Token(new AccountSecret(Account, SambaServer.PasswordOf(Account))),
            Clients = Clients,
            // Each machine would have a disk of its own: 200 of them on one are no part of the question.
            Parent = "/dev/shm",
        };
        await using var fleet = new ClientFleet(options, () => StorageProviders.All(TimeProvider.System), TimeProvider.System);
        using (var enrolled = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            var serving = site.RunAsync(enrolled.Token);
            var enrolment = await fleet.EnrolAsync(cancellationToken);
            await enrolled.CancelAsync();
            await serving;
            yield return new Figure($"enrolment of {Clients} clients, not part of what follows", Text($"{enrolment.Makespan.TotalSeconds:F0} s, {enrolment.Attempts} attempts, {enrolment.Refused} refused"), "");
        }

        var stampedes = new List<(FleetResult Result, int Peak, double Load)>();
        for (var seed = 1; seed <= seeds; seed++)
        {
            var plan = new FleetPlan(FleetStart.AtOnce, 1, s_hold, seed);
            var (result, peak) = await watch.PeakAsync(() => fleet.RunAsync(plan, cancellationToken));
            stampedes.Add((result, peak, Load()));
            yield return new Figure($"stampede of {Clients} over {Limit}, seed {seed}", Stampede(result, peak), "all; ≤ 20; ≤ 1.15; ≤ 1.10; ≤ 6");
        }
        var ratios = stampedes.Select(run => run.Result.Makespan / Ideal(run.Result.ByClient)).Order().ToList();
        var centrals = stampedes.Select(run => run.Result.Makespan / Central(run.Result.ByClient)).Order().ToList();
        yield return new Figure(Text($"median of {seeds} seeds"), Text($"makespan {ratios[seeds / 2]:F2} × ideal, {centrals[seeds / 2]:F2} × central queue; {stampedes.Average(run => run.Result.Refused / (double)Clients):F1} refused per client"), "≤ 1.15; ≤ 1.10; ≤ 6");

        var (planned, plannedPeak) = await watch.PeakAsync(() => fleet.RunAsync(new FleetPlan(new FleetStart(s_window), PlannedWindows, s_hold, Seed: 1), cancellationToken));
        yield return new Figure(Text($"planned starts, {PlannedWindows} windows of {s_window.TotalSeconds:F1} s (70 % use), headroom {Headroom}"),
            Text($"{planned.CyclesCompleted} cycles, {planned.Refused * 100.0 / planned.Attempts:F2} % of attempts refused; headroom used {planned.Connections.TimeAbove(Limit - Headroom) * 100 / planned.Makespan:F2} % of the time; peak {plannedPeak}; load {Load():F0}"), "≤ 1 %; ≤ 1 %; ≤ 20");
        yield return new Figure("sessions at the server a second after the last", Text($"{await AfterAsync(samba, cancellationToken)}"), "0");
    }

    private static async IAsyncEnumerable<Figure> LoopsAsync(SambaServer samba, ServerWatch watch, IReadOnlyList<TimeSpan> holds, TimeSpan ideal, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var accountFile = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(accountFile, $"username = {Account}\npassword = {SambaServer.PasswordOf(Account)}\n", cancellationToken);
            var loop = new SmbclientLoop(samba.Port, Share, accountFile);
            foreach (var jittered in new[] { false, true })
            {
                var (run, peak) = await watch.PeakAsync(() => loop.RunAsync(holds, jittered, seed: 1, cancellationToken));
                yield return new Figure($"the holds of seed 1, `smbclient` in a loop {(jittered ? "of decorrelated jitter" : "that waits 5 s")}",
                    Text($"makespan {run.Makespan.TotalSeconds:F1} s = {run.Makespan / ideal:F2} × ideal; peak {peak}; {run.Refused / (double)Clients:F1} refused per client, {run.Lost} attempts met something else; load {Load():F0}"), "");
            }
        }
        finally
        {
            File.Delete(accountFile);
        }
    }

    private static async Task<int> AfterAsync(SambaServer samba, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancellationToken);
        return (await samba.StatusAsync()).Sessions.Count;
    }

    private static string Stampede(FleetResult result, int peak) => Text(
        $"{result.Completed} completed in {result.Makespan.TotalSeconds:F1} s = {result.Makespan / Ideal(result.ByClient):F2} × ideal, {result.Makespan / Central(result.ByClient):F2} × central queue; a connection lasted {(result.Connections.Held() - result.Drawn).TotalSeconds / result.CyclesCompleted:F2} s longer than its hold; peak {result.Connections.Peak} by our own count, {peak} by `smbstatus`; {result.Refused / (double)Clients:F1} refused per client; wait p50 {result.Wait(0.5)!.Value.TotalSeconds:F1} s, p99 {result.Wait(0.99)!.Value.TotalSeconds:F1} s; load {Load():F0}");

    /// <summary>N·t/L with the holds that were drawn.</summary>
    private static TimeSpan Ideal(IReadOnlyList<IReadOnlyList<FleetCycle>> clients) => clients.Aggregate(TimeSpan.Zero, (sum, cycles) => sum + cycles[0].Hold) / Limit;

    /// <summary>A perfect central queue with the same holds, which loses no time between two.</summary>
    private static TimeSpan Central(IReadOnlyList<IReadOnlyList<FleetCycle>> clients)
    {
        var free = new PriorityQueue<TimeSpan, TimeSpan>(Enumerable.Repeat((TimeSpan.Zero, TimeSpan.Zero), Limit));
        var end = TimeSpan.Zero;
        foreach (var cycles in clients)
        {
            var until = free.Dequeue() + cycles[0].Hold;
            free.Enqueue(until, until);
            end = until > end ? until : end;
        }
        return end;
    }

    /// <summary>Processes that want a processor, over the last minute: what else the machine does is part of the reading.</summary>
    private static double Load() => double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
