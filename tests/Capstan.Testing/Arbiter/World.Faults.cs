namespace Capstan.Testing.Arbiter;

public sealed partial class World
{
    private void DrawFaults()
    {
        for (var left = _random.Next(8); left > 0; left--)
            Clock.After(Between(0, FaultsEnd.TotalSeconds), DrawFault());
        if (Chance(0.3))
            Clock.After(Between(1, 40), Rotate);
    }

    private Action DrawFault()
    {
        var machine = _machines[_random.Next(_machines.Count)];
        var server = _servers[_random.Next(_servers.Count)];
        return _random.Next(6) switch
        {
            0 => () => RestartServer(server),
            1 => () => Vanish(machine),
            2 => () => Unplug(machine),
            3 => () => machine.Jump(Between(-400 * 86_400.0, 400 * 86_400.0)),
            _ => () => machine.Processes[_random.Next(machine.Processes.Count)].Kill(isHeard: Chance(0.5)),
        };
    }

    private void RestartServer(WorldServer server)
    {
        server.Restart();
        server.IsDown = true;
        Clock.After(Between(0, 5), () => server.IsDown = false);
    }

    /// <summary>The power fails: no process ends in order, and the server hears nothing. The machine comes back.</summary>
    private void Vanish(WorldMachine machine)
    {
        if (machine.IsDown)
            return;
        machine.IsDown = true;
        machine.IsLinked = false;
        foreach (var process in machine.Processes.ToArray())
            process.Kill(isHeard: false);
        Clock.After(Between(1, 60), () =>
        {
            machine.Reboot();
            machine.IsDown = false;
            machine.IsLinked = true;
        });
    }

    private void Unplug(WorldMachine machine)
    {
        if (machine.IsDown)
            return;
        machine.IsLinked = false;
        Clock.After(Between(0, 20), () => machine.IsLinked = !machine.IsDown);
    }

    /// <summary>The site adds an account, waits until every client has it, and withdraws the old one.</summary>
    private void Rotate()
    {
        foreach (var server in _servers)
            server.Accounts.Add(NewAccount);
        Published = [NewAccount, OldAccount];
        Clock.After(TimeSpan.FromSeconds(10), Withdraw);
    }

    private void Withdraw()
    {
        if (_machines.Exists(machine => !machine.Accounts.Contains(NewAccount) && machine.Processes.Exists(process => process.Clients.Exists(client => !client.IsDone))))
        {
            Clock.After(TimeSpan.FromSeconds(5), Withdraw);
            return;
        }
        Published = [NewAccount];
        foreach (var server in _servers)
            server.Accounts.Remove(OldAccount);
    }
}
