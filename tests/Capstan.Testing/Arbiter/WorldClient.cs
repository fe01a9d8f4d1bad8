namespace Capstan.Testing.Arbiter;

/// <summary>A component that needs the server some times: it asks, holds, gives back, and asks again after a refusal or a failure.</summary>
internal sealed class WorldClient(World world, WorldServer server, string component, int cycles)
{
    private WorldProcess _process = null!;
    private int _life;
    private int _left = cycles;
    private TimeSpan _since;

    public bool IsDone => _left == 0;

    /// <summary>In its first process, or in the one after a crash.</summary>
    public void Run(WorldProcess process, TimeSpan delay)
    {
        _process = process;
        process.Clients.Add(this);
        _life++;
        if (IsDone)
            return;
        _since = world.Clock.Now + delay;
        Later(delay, Cycle);
    }

    public override string ToString() => $"{component} at {server} on {_process}";

    private void Cycle() => Try(_process.Machine.MayTry(server.Name), 0);

    private void Try(IReadOnlyList<string> accounts, int index)
    {
        if (index >= accounts.Count)
        {
            // All are stopped, or none worked: a device asks again when its pause is over.
            Later(accounts.Count == 0 ? TimeSpan.FromHours(6) : world.Between(1, 4), Cycle);
            return;
        }
        var isOver = false;
        var request = _process.Request(server, accounts[index], component, keepWarm: world.MayKeepWarm && world.Chance(0.2), mayQueue: world.Chance(0.9), world.Between(2, 60), outcome =>
        {
            if (isOver)
                return;
            isOver = true;
            Ended(outcome, accounts, index);
        });
        if (!world.Chance(0.05))
            return;
        Later(world.Between(0, 5), () =>
        {
            // A caller that gives up. Granted in the same moment, the lease goes back with it.
            if (isOver)
                return;
            isOver = true;
            _life++;
            _process.Release(server, request);
            Later(world.Between(0, 2), Cycle);
        });
    }

    private void Ended(WorldOutcome outcome, IReadOnlyList<string> accounts, int index)
    {
        if (outcome.Request is { } lease)
            Hold(lease);
        else if (outcome.Failure == WorldFailure.Logon)
            Try(accounts, index + 1);
        else
            Later(outcome.RetryAt is { } at && at > world.Clock.Now ? at - world.Clock.Now : world.Between(1, 4), Cycle);
    }

    private void Hold(long lease)
    {
        world.Waits.Add(world.Clock.Now - _since);
        // What the site published meanwhile arrives with the first lease.
        _process.Machine.Accounts = [.. world.Published, .. _process.Machine.Accounts.Where(account => account.StartsWith("wrong", StringComparison.Ordinal))];
        Later(world.Hold(), () =>
        {
            _process.Release(server, lease);
            _left--;
            if (IsDone)
            {
                world.Done();
                return;
            }
            var pause = world.Between(0, 10);
            _since = world.Clock.Now + pause;
            Later(pause, Cycle);
        });
    }

    private void Later(TimeSpan delay, Action act)
    {
        var life = _life;
        world.Clock.After(delay, () =>
        {
            if (life == _life && _process.IsAlive)
                act();
        });
    }
}
