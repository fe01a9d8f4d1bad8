using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Journal;

namespace Capstan.Testing.Arbiter;

internal sealed partial class WorldProcess
{
    private void Prepare(Attempt attempt)
    {
        var (server, account) = (attempt.Server, attempt.Key.Account);
        attempt.Looked = world.Clock.Now;
        var known = machine.MayTry(server.Name);
        if (!known.Contains(account))
        {
            // Another process of this machine was refused with it while this one stood in line.
            Failed(attempt, WorldFailure.Logon);
            return;
        }
        var question = new GhostQuestion(account, known.ToHashSet(StringComparer.Ordinal), attempt.Slot, machine.Boot, machine.Uptime, machine.Wall, server.IdleTime);
        var plan = attempt.Plan = GhostRules.Plan(machine.Ghosts(server.Name), question);
        foreach (var (ghost, _) in plan.Gone)
            Forget(server, ghost, isReleased: true);
        if (plan.First is { } first)
        {
            Settle(attempt, first);
        }
        else if (plan.Blocked is not null)
        {
            Failed(attempt, WorldFailure.Other);
        }
        else
        {
            attempt.Record = machine.Write(this, server.Name, account, attempt.Slot);
            Step(world.Between(0.001, 0.005), () => LogOn(attempt));
        }
    }

    private void LogOn(Attempt attempt)
    {
        if (!IsReachable(attempt.Server))
        {
            Step(world.Between(1, 2), () => GiveUp(attempt, mayBeOpen: false, WorldFailure.Other));
            return;
        }
        var plan = attempt.Plan!;
        // From here on they may be counted beside the new one: that is what the rule for connections without an id accepts.
        foreach (var (ghost, _) in plan.WithLogon)
        {
            if (machine.Journal.TryGetValue(ghost.Name, out var released))
                released.IsReleased = true;
        }
        world.Clock.After(world.Delay(), () =>
        {
            var answer = attempt.Server.Logon(machine, attempt.Key.Account, plan.Carry?.Record.Session, attempt.Looked, out var session);
            Counted(session, attempt.Record!, attempt.Server);
            if (session is not null && !IsAlive)
                Hang(session, isHeard: world.Chance(0.5));
            else if (world.IsFault(world.LossChance))
                Step(world.Between(1, 2), () => Silent(attempt, session));
            else
                Step(world.Delay(), () => Answered(attempt, answer, session));
        });
    }

    /// <summary>A session begins to exist: the moment at which a budget can be exceeded.</summary>
    private void Counted(WorldSession? session, WorldRecord record, WorldServer server)
    {
        if (session is null)
            return;
        // A logon that was under way when its process died: nobody will learn its id.
        session.IsLive = IsAlive;
        session.Record = record;
        record.Session = session;
        _sockets.Add(session);
        world.Require(server.Bounded(machine) <= machine.Budget, Rules.Budget, $"{server.Name} counts {server.Bounded(machine)} sessions of machine {machine.Number}, whose budget is {machine.Budget}: {server.Show(machine)}");
    }

    private void Silent(Attempt attempt, WorldSession? session)
    {
        if (session is not null)
        {
            _sockets.Remove(session);
            Hang(session, isHeard: world.Chance(0.7));
        }
        GiveUp(attempt, mayBeOpen: true, WorldFailure.Other);
    }

    private void Answered(Attempt attempt, LogonAnswer answer, WorldSession? session)
    {
        if (answer == LogonAnswer.Full)
        {
            GiveUp(attempt, mayBeOpen: false, WorldFailure.Refused);
            return;
        }
        if (answer == LogonAnswer.WrongPassword)
        {
            machine.Stop(attempt.Server.Name, attempt.Key.Account);
            GiveUp(attempt, mayBeOpen: false, WorldFailure.Logon);
            return;
        }
        Step(world.Between(0.001, 0.005), () =>
        {
            var record = attempt.Record!;
            record.Text = record.Text with { Session = session!.Id, State = ConnectionStates.Open, LastUsed = machine.Wall, Uptime = machine.Uptime };
            foreach (var (ghost, _) in attempt.Plan!.WithLogon)
                Forget(attempt.Server, ghost, isReleased: true);
            if (attempt.Plan.Carry is { } carried)
                Forget(attempt.Server, carried, isReleased: false);
            machine.Resume(attempt.Server.Name, attempt.Key.Account);
            var desk = attempt.Desk;
            desk.Open.Add(attempt.Claim, session);
            desk.LastWait = TimeSpan.Zero;
            desk.Refusals = 0;
            session.Ended = () => Step(world.Between(0, 0.5), () => Broken(desk, attempt.Claim));
            if (!attempt.Server.Counts(session))
                session.Ended();
            Do(desk, actions => desk.Core.Connected(attempt.Claim, world.Clock.Now, actions));
        });
    }

    private void Broken(Desk desk, long claim) => Do(desk, actions => desk.Core.Broken(claim, actions));

    /// <summary>Ends a ghost by a logon of its own account, which has a record of its own.</summary>
    private void Settle(Attempt attempt, Ghost ghost)
    {
        var (server, account) = (attempt.Server, ghost.Record.Account);
        var record = attempt.Record = machine.Write(this, server.Name, account, attempt.Slot);
        Step(world.Between(0.001, 0.005), () =>
        {
            if (!IsReachable(server))
            {
                Step(world.Between(1, 2), () => GiveUp(attempt, mayBeOpen: false, WorldFailure.Other));
                return;
            }
            world.Clock.After(world.Delay(), () =>
            {
                var answer = server.Logon(machine, account, ghost.Record.Session, attempt.Looked, out var session);
                Counted(session, record, server);
                if (session is not null && !IsAlive)
                    Hang(session, isHeard: world.Chance(0.5));
                else if (world.IsFault(world.LossChance))
                    Step(world.Between(1, 2), () => Silent(attempt, session));
                else
                    Step(world.Delay(), () => Settled(attempt, ghost, answer, session));
            });
        });
    }

    private void Settled(Attempt attempt, Ghost ghost, LogonAnswer answer, WorldSession? session)
    {
        var (server, record) = (attempt.Server, attempt.Record!);
        switch (answer)
        {
            case LogonAnswer.WrongPassword:
                machine.Stop(server.Name, ghost.Record.Account);
                Delete(server, record);
                Prepare(attempt);
                break;
            case LogonAnswer.Full:
                GiveUp(attempt, mayBeOpen: false, WorldFailure.Refused);
                break;
            default:
                record.Text = record.Text with { Session = session!.Id, State = ConnectionStates.Open, LastUsed = machine.Wall, Uptime = machine.Uptime };
                Forget(server, ghost, isReleased: false);
                var isAnswered = IsReachable(server);
                if (isAnswered)
                    world.Clock.After(world.Delay(), () => server.End(session));
                Step(isAnswered ? world.Between(0.5, 1) : world.Between(1, 2), () => AfterSettling(attempt, session));
                break;
        }
    }

    private void AfterSettling(Attempt attempt, WorldSession session)
    {
        _sockets.Remove(session);
        if (attempt.Server.Counts(session))
        {
            Hang(session, isHeard: world.Chance(0.7));
            GiveUp(attempt, mayBeOpen: true, WorldFailure.Other);
            return;
        }
        session.IsLive = false;
        Delete(attempt.Server, attempt.Record!);
        Prepare(attempt);
    }

    private bool IsReachable(WorldServer server) => machine.IsLinked && !server.IsDown && !world.IsFault(world.LossChance);

    private void GiveUp(Attempt attempt, bool mayBeOpen, WorldFailure failure)
    {
        var record = attempt.Record!;
        // One without an id says as much as many.
        var isKnown = mayBeOpen && record.Text.Session is null && machine.Journal.Values.Any(other => other.IsGhost && other.Text.Server == record.Text.Server && other.Text.Session is null
            && other.Text.Boot == machine.Boot && other.Text.Slot == record.Text.Slot);
        if (!mayBeOpen || isKnown)
            Delete(attempt.Server, record);
        else
            record.IsLeft = true;
        if (failure == WorldFailure.Refused)
            Full(attempt);
        else
            Failed(attempt, failure);
    }

    private void Full(Attempt attempt)
    {
        var desk = attempt.Desk;
        world.Refusals++;
        desk.LastWait = RetryRule.Wait(world.MeanHold, desk.LastWait, desk.Refusals++, world.Draw());
        GiveBack(desk, attempt.Claim);
        Do(desk, actions => desk.Core.ConnectFailed(attempt.Claim, world.Clock.Now + desk.LastWait, world.Clock.Now, actions));
    }

    private void Failed(Attempt attempt, WorldFailure failure)
    {
        var desk = attempt.Desk;
        GiveBack(desk, attempt.Claim);
        desk.Failure = failure;
        Do(desk, actions => desk.Core.ConnectFailed(attempt.Claim, null, world.Clock.Now, actions));
        desk.Failure = WorldFailure.Other;
    }

    private void Forget(WorldServer server, Ghost ghost, bool isReleased)
    {
        if (!machine.Journal.TryGetValue(ghost.Name, out var record))
            return;
        world.Require(!isReleased || ghost.Record.Session is null || machine.HasJumped || !machine.MayTry(server.Name).Contains(ghost.Record.Account), Rules.Needed,
            $"{record.Name} was let go, although a logon of {ghost.Record.Account} could have ended its session");
        record.IsReleased |= isReleased;
        Delete(server, record);
    }
}
