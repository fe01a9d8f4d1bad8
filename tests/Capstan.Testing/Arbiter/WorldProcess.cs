using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Journal;

namespace Capstan.Testing.Arbiter;

/// <summary>Why an attempt failed, as far as a client acts on it.</summary>
internal enum WorldFailure
{
    Refused = 1,
    Logon = 2,
    Other = 3,
}

/// <summary>How a request ended.</summary>
/// <param name="Request">The lease's number; null when there is none.</param>
/// <param name="RetryAt">When a full server is asked again.</param>
internal readonly record struct WorldOutcome(long? Request, WorldFailure Failure = default, TimeSpan? RetryAt = null);

/// <summary>One life of a process: the shell of the production core, in virtual time. It may die before each of its steps.</summary>
/// <remarks>It does what <c>ConnectionArbiter</c> and <c>ConnectionKeeper</c> do, in their order: what they write before and after each message is what this is about.</remarks>
internal sealed partial class WorldProcess(World world, WorldMachine machine)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private readonly Dictionary<WorldServer, Desk> _desks = [];
    private readonly Dictionary<long, Action<WorldOutcome>> _pending = [];
    private readonly HashSet<WorldSession> _sockets = [];
    private long _lastRequest;

    public bool IsAlive { get; private set; } = true;
    public WorldMachine Machine => machine;
    public List<WorldClient> Clients { get; } = [];

    public long Request(WorldServer server, string account, string component, bool keepWarm, bool mayQueue, TimeSpan wait, Action<WorldOutcome> ended)
    {
        var desk = DeskOf(server);
        var request = ++_lastRequest;
        _pending.Add(request, ended);
        world.Requests++;
        var asked = new ConnectionRequest(request, new ConnectionKey("MSWNET", server.Name, account, ""), component, keepWarm, mayQueue, world.Clock.Now + wait, world.Clock.Now);
        Do(desk, actions => desk.Core.Request(asked, world.Clock.Now, actions));
        return request;
    }

    public override string ToString() => $"machine {machine.Number} (accounts {string.Join(", ", machine.Accounts)}; {string.Join(", ", machine.Journal.Values.Select(record => record.Text))}): "
        + string.Join("; ", _desks.Values.SelectMany(desk => desk.Core.Read()));

    /// <summary>Gives a lease back, or withdraws a request.</summary>
    public void Release(WorldServer server, long request)
    {
        if (_pending.Remove(request))
            world.Requests--;
        var desk = DeskOf(server);
        Do(desk, actions => desk.Core.Release(request, world.Clock.Now, actions));
    }

    /// <summary>An orderly end: everything is closed.</summary>
    public void Stop()
    {
        foreach (var desk in _desks.Values)
            Do(desk, actions => desk.Core.Stop(world.Clock.Now, actions));
    }

    /// <summary>kill -9.</summary>
    /// <param name="isHeard">The server hears of it from the kernel, in time.</param>
    public void Kill(bool isHeard)
    {
        if (!IsAlive)
            return;
        IsAlive = false;
        world.Requests -= _pending.Count;
        foreach (var session in _sockets)
            Hang(session, isHeard);
        machine.Bury(this, _desks.Values.SelectMany(desk => desk.Slots.Values.Select(slot => (desk.Server.Name, slot))).ToArray());
        world.Died(this);
    }

    private Desk DeskOf(WorldServer server)
    {
        if (!_desks.TryGetValue(server, out var desk))
            _desks.Add(server, desk = new Desk(server, new ServerCore(new ServerRules { Budget = machine.Budget, Linger = world.Linger, LifetimeWhileWanted = TimeSpan.FromSeconds(10), MaxWaiting = 16 })));
        return desk;
    }

    /// <summary>A step of this process, which may be its last.</summary>
    private void Step(TimeSpan delay, Action act) => world.Clock.After(delay, () =>
    {
        if (!IsAlive)
            return;
        if (world.IsFault(world.CrashChance))
            Kill(isHeard: world.Chance(0.5));
        else
            act();
    });

    private void Do(Desk desk, Action<List<ArbiterAction>> happen)
    {
        var actions = new List<ArbiterAction>();
        happen(actions);
        foreach (var action in actions)
            Perform(desk, action);
        world.Check(machine, desk.Server, desk.Core);
        if (desk.IsTicking || desk.Core.IsEmpty)
            return;
        desk.IsTicking = true;
        world.Clock.After(Beat, () => Tick(desk));
    }

    private void Tick(Desk desk)
    {
        if (!IsAlive)
            return;
        desk.IsTicking = false;
        Do(desk, actions => desk.Core.Tick(desk.Open.Count > 0 && machine.IsWanted(desk.Server.Name), world.Clock.Now, actions));
    }

    private void Perform(Desk desk, ArbiterAction action)
    {
        switch (action)
        {
            case ArbiterAction.ClaimSlot claim:
                Step(world.Between(0, 0.002), () => Claim(desk, claim));
                break;
            case ArbiterAction.StandInLine line:
                machine.StandInLine(desk.Server.Name, this, slot =>
                {
                    desk.Slots.Add(line.Claim, slot);
                    Do(desk, actions => desk.Core.SlotTaken(line.Claim, world.Clock.Now, actions));
                });
                break;
            case ArbiterAction.ReturnSlot back:
                GiveBack(desk, back.Claim);
                break;
            case ArbiterAction.Connect connect:
                var attempt = new Attempt(desk, connect.Claim, connect.Key, desk.Slots[connect.Claim]);
                Step(world.Between(0, 0.001), () => Prepare(attempt));
                break;
            case ArbiterAction.Close close:
                desk.Open.Remove(close.Claim, out var session);
                session!.Ended = null;
                Step(world.Between(0, 0.001), () => Close(desk, close.Claim, session));
                break;
            case ArbiterAction.Grant grant:
                world.Require(desk.Open.Values.Any(open => open.Account == grant.Key.Account), Rules.Needed, "a lease was granted on a connection that is not open");
                End(grant.Request, new WorldOutcome(grant.Request));
                break;
            case ArbiterAction.Refuse refuse:
                End(refuse.Request, new WorldOutcome(null, WorldFailure.Refused, refuse.Reading.RetryAt));
                break;
            case ArbiterAction.Fail fail:
                End(fail.Request, new WorldOutcome(null, desk.Failure));
                break;
            case ArbiterAction.Lose:
                // Its holder gives it back when it is done, as it would have.
                break;
        }
    }

    /// <summary>A request ends once: one that was withdrawn is not told.</summary>
    private void End(long request, WorldOutcome outcome)
    {
        if (!_pending.Remove(request, out var ended))
            throw new WorldException(Rules.Ends, world.Clock.Now, $"request {request} ended twice");
        world.Requests--;
        Step(TimeSpan.Zero, () => ended(outcome));
    }

    private void Claim(Desk desk, ArbiterAction.ClaimSlot claim)
    {
        if (machine.TryTake(desk.Server.Name, claim.Key.Account) is not { } slot)
        {
            Do(desk, actions => desk.Core.SlotBusy(claim.Claim, world.Clock.Now, actions));
            return;
        }
        desk.Slots.Add(claim.Claim, slot);
        Do(desk, actions => desk.Core.SlotTaken(claim.Claim, world.Clock.Now, actions));
    }

    private void GiveBack(Desk desk, long claim)
    {
        if (desk.Slots.Remove(claim, out var slot))
            machine.GiveBack(desk.Server.Name, slot);
    }

    private void Close(Desk desk, long claim, WorldSession session)
    {
        var isAnswered = machine.IsLinked && desk.Server.Counts(session) && !world.IsFault(world.LossChance);
        if (!isAnswered)
        {
            Step(world.Between(1, 2), () => Closed(desk, claim, session, isConfirmed: false));
            return;
        }
        world.Clock.After(world.Delay(), () =>
        {
            desk.Server.End(session);
            if (world.IsFault(world.LossChance))
                Step(world.Between(1, 2), () => Closed(desk, claim, session, isConfirmed: false));
            else
                Step(world.Delay(), () => Closed(desk, claim, session, isConfirmed: true));
        });
    }

    private void Closed(Desk desk, long claim, WorldSession session, bool isConfirmed)
    {
        _sockets.Remove(session);
        if (isConfirmed)
        {
            session.IsLive = false;
            Delete(desk.Server, session.Record!);
        }
        else
        {
            Hang(session, isHeard: world.Chance(0.7));
            session.Record!.IsLeft = true;
        }
        GiveBack(desk, claim);
        Do(desk, actions => desk.Core.Closed(claim, world.Clock.Now, actions));
    }

    /// <summary>A socket of this side is gone. The server hears of it soon, if the cable is in, or counts the session until it was idle for long enough.</summary>
    private void Hang(WorldSession session, bool isHeard)
    {
        session.IsLive = false;
        session.Ended = null;
        world.Clock.After(isHeard && machine.IsLinked ? world.Delay() : session.Server.IdleTime, () => session.Server.End(session));
    }

    /// <summary>A record goes only when the server does not count its session any more, or by a rule for connections without an id.</summary>
    private void Delete(WorldServer server, WorldRecord record)
    {
        world.Require(record.Session is null || record.IsExcused || !server.Counts(record.Session), Rules.Needed,
            $"{record.Name} of machine {machine.Number} was deleted, and {server.Name} still counts its session");
        machine.Journal.Remove(record.Name);
    }

    /// <summary>What is kept for one server beside its core.</summary>
    private sealed class Desk(WorldServer server, ServerCore core)
    {
        public WorldServer Server => server;
        public ServerCore Core => core;
        public Dictionary<long, int> Slots { get; } = [];
        public Dictionary<long, WorldSession> Open { get; } = [];
        public WorldFailure Failure { get; set; } = WorldFailure.Other;
        public TimeSpan LastWait { get; set; }
        public int Refusals { get; set; }
        public bool IsTicking { get; set; }
    }

    private sealed class Attempt(Desk desk, long claim, ConnectionKey key, int slot)
    {
        public Desk Desk => desk;
        public WorldServer Server => desk.Server;
        public long Claim => claim;
        public ConnectionKey Key => key;
        public int Slot => slot;
        public WorldRecord? Record { get; set; }

        /// <summary>When the stopped accounts were looked at.</summary>
        public TimeSpan Looked { get; set; }
        public GhostPlan? Plan { get; set; }
    }
}
