using System.Globalization;
using System.Text;
using Capstan.Nal.Arbiter.Core;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>Every state × event pair of the core, as it behaves: driven, not written down.</summary>
/// <remarks>Request 1 of account <c>one</c> made claim 1; where leases are held it holds one. Events ask as request 2. The rules: budget 1, lingering 60 s, lifetime 1 h
/// (30 s while wanted), longest lease 40 min, so that each limit is met alone.</remarks>
internal static class StateTable
{
    private static readonly ServerRules Rules = new() { Linger = TimeSpan.FromSeconds(60), LongestLease = TimeSpan.FromMinutes(40) };
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private static readonly (string Becomes, string Actions) Nothing = ("as before", "none");

    private static readonly (string Name, Action<CoreRun> Enter)[] States =
    [
        ("absent", _ => { }),
        ("claiming", run => run.Ask(1, CoreRun.One, deadline: Deadline)),
        ("in line", run => InLine(run)),
        ("in line, deserted", run => { InLine(run); run.Release(1); }),
        ("connecting", run => Connecting(run)),
        ("connecting, deserted", run => { Connecting(run); run.Release(1); }),
        ("open", run => run.Open()),
        ("idle", run => run.Open().Release(1)),
        ("idle, kept warm", run => run.Open(keepWarm: true).Release(1)),
        ("draining", run => { run.Open(); run.Tick(Rules.LifetimeWhileWanted, isWanted: true); }),
        ("closing", run => { run.Open().Release(1); run.Broken(1); }),
        ("full: request 1 waits for the next try", run => { Connecting(run); run.ConnectFailed(1, Retry); }),
        ("full, nobody waits", run => { Connecting(run); run.ConnectFailed(1, Retry); run.Release(1); }),
        ("stopped, absent", run => run.Stop()),
        ("stopped while claiming", run => { run.Ask(1, CoreRun.One); run.Stop(); }),
        ("stopped while connecting", run => { Connecting(run); run.Stop(); }),
        ("stopped while closing", run => { run.Open(); run.Stop(); }),
    ];

    private static readonly (string Name, Func<CoreRun, List<ArbiterAction>> Happen)[] Events =
    [
        ("request, same account", run => run.Ask(2, CoreRun.One)),
        ("request, same account, may not queue", run => run.Ask(2, CoreRun.One, mayQueue: false)),
        ("request, other account", run => run.Ask(2, CoreRun.Two)),
        ("request, other account, may not queue", run => run.Ask(2, CoreRun.Two, mayQueue: false)),
        ("release of request 1", run => run.Release(1)),
        ("release of an unknown request", run => run.Release(99)),
        ("slot taken", run => run.SlotTaken(1)),
        ("slot busy", run => run.SlotBusy(1)),
        ("slot failed", run => run.SlotFailed(1)),
        ("connected", run => run.Connected(1)),
        ("connecting failed", run => run.ConnectFailed(1)),
        ("connecting failed, server full", run => run.ConnectFailed(1, run.Now + TimeSpan.FromSeconds(5))),
        ("broken", run => run.Broken(1)),
        ("closed", run => run.Closed(1)),
        ("retired", run => run.Retire(1)),
        ("tick, nothing due", run => run.Tick(run.Now)),
        ("tick, wanted by others", run => run.Tick(run.Now, isWanted: true)),
        ("tick, at the server's next try", run => run.Tick(run.Now + Retry)),
        ("tick, after the request's deadline", run => run.Tick(run.Now + Deadline)),
        ("tick, after lingering", run => run.Tick(run.Now + Rules.Linger)),
        ("tick, after the shorter lifetime, wanted", run => run.Tick(run.Now + Rules.LifetimeWhileWanted, isWanted: true)),
        ("tick, after the longest lease", run => run.Tick(run.Now + Rules.LongestLease)),
        ("tick, after the lifetime", run => run.Tick(run.Now + Rules.Lifetime)),
        ("stop", run => run.Stop()),
    ];

    /// <summary>A table for each state: events with one result share a line.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder();
        foreach (var (state, enter) in States)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n**{state}**\n\n| event | becomes | actions |\n|---|---|---|\n");
            foreach (var row in Events.GroupBy(item => Result(enter, item.Happen), item => item.Name).OrderBy(row => row.Key == Nothing))
                text.Append(CultureInfo.InvariantCulture, $"| {string.Join("; ", row)} | {row.Key.Becomes} | {row.Key.Actions} |\n");
        }
        return text.ToString();
    }

    private static (string Becomes, string Actions) Result(Action<CoreRun> enter, Func<CoreRun, List<ArbiterAction>> happen)
    {
        var run = new CoreRun(Rules);
        enter(run);
        var before = Show(run.Core);
        try
        {
            var actions = string.Join("; ", happen(run).Select(Show));
            var after = Show(run.Core);
            return after == before && actions.Length == 0 ? Nothing : (after == before ? "as before" : after, actions);
        }
        catch (ObjectDisposedException)
        {
            return ("as before", "not accepted: the arbiter was stopped");
        }
    }

    private static void InLine(CoreRun run)
    {
        run.Ask(1, CoreRun.One, deadline: Deadline);
        run.SlotBusy(1);
    }

    private static void Connecting(CoreRun run)
    {
        run.Ask(1, CoreRun.One, deadline: Deadline);
        run.SlotTaken(1);
    }

    /// <summary>The states of all connections, who waits, and whether the server is full.</summary>
    private static string Show(ServerCore core)
    {
        var parts = core.Read().Select(reading => $"{Show(reading.State)}{(reading.Claim == 1 ? "" : " (claim 2)")}{(reading.Key == CoreRun.One ? "" : " for the other account")}{Counts(reading)}").ToList();
        if (core.RetryAt is not null)
            parts.Add("full");
        if (core.Waiting > 0)
            parts.Add(core.Waiting == 1 ? "1 waits" : "2 wait");
        return parts.Count == 0 ? "absent" : string.Join(", ", parts);
    }

    private static string Counts(ConnectionReading reading) => reading.ReferenceCount > 1 ? $" ({reading.ReferenceCount} leases)" : "";

    private static string Show(ConnectionState state) => state switch
    {
        ConnectionState.InLine => "in line",
        _ => state.ToString().ToLowerInvariant(),
    };

    private static string Show(ArbiterAction action) => action switch
    {
        ArbiterAction.ClaimSlot => "claim a slot",
        ArbiterAction.StandInLine => "stand in line",
        ArbiterAction.ReturnSlot => "give the slot back",
        ArbiterAction.Connect connect => $"connect for {connect.Request}",
        ArbiterAction.Close => "close",
        ArbiterAction.Grant grant => $"grant {grant.Request}",
        ArbiterAction.Refuse refuse => $"refuse {refuse.Request}: {refuse.Kind}",
        ArbiterAction.Fail fail => $"fail {fail.Request}",
        ArbiterAction.Lose lose => $"end lease {lose.Request}: {lose.Kind}",
        _ => throw new ArgumentOutOfRangeException(nameof(action), action, "not shown yet"),
    };
}
