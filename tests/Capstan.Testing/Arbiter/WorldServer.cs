namespace Capstan.Testing.Arbiter;

/// <summary>What a server said to a logon.</summary>
internal enum LogonAnswer
{
    Welcome = 1,
    Full = 2,
    WrongPassword = 3,
}

/// <summary>A session that a server counts.</summary>
internal sealed class WorldSession(WorldServer server, ulong id, WorldMachine machine, string account)
{
    public WorldServer Server => server;
    public ulong Id => id;
    public WorldMachine Machine => machine;
    public string Account => account;

    /// <summary>A living process uses it, or is about to.</summary>
    public bool IsLive { get; set; } = true;

    /// <summary>What the machine wrote down of it; null until it knows it.</summary>
    public WorldRecord? Record { get; set; }

    /// <summary>Told to whoever uses it when the server ends it.</summary>
    public Action? Ended { get; set; }
}

/// <summary>A server that counts sessions, keeps those of dead clients, and locks accounts.</summary>
/// <param name="countsFirst">It refuses for capacity before it ends the previous session that a logon names.</param>
internal sealed class WorldServer(World world, string name, int limit, TimeSpan idleTime, int lockAfter, bool countsFirst)
{
    private readonly Dictionary<ulong, WorldSession> _sessions = [];
    private readonly Dictionary<string, int> _wrong = new(StringComparer.Ordinal);
    private ulong _lastId;

    public string Name => name;
    public int Limit => limit;
    public TimeSpan IdleTime => idleTime;
    public bool IsDown { get; set; }

    /// <summary>Accounts whose password is right.</summary>
    public HashSet<string> Accounts { get; } = new(StringComparer.Ordinal);

    public int Peak { get; private set; }

    public int Count => _sessions.Count;

    public bool Counts(WorldSession session) => _sessions.ContainsKey(session.Id);

    public override string ToString() => $"{name} ({_sessions.Count} of {limit} sessions, accounts {string.Join(", ", Accounts)})";

    /// <param name="since">When the machine looked whether the account may be tried.</param>
    public LogonAnswer Logon(WorldMachine machine, string account, ulong? previous, TimeSpan since, out WorldSession? session)
    {
        session = null;
        var mine = previous is { } id && _sessions.TryGetValue(id, out var before) ? before : null;
        if (countsFirst && _sessions.Count >= limit)
            return LogonAnswer.Full;
        if (!Accounts.Contains(account))
        {
            machine.CheckMayTry(name, account, since);
            // One that the site withdrew is disabled, and cannot be locked.
            var wrong = _wrong[account] = _wrong.GetValueOrDefault(account) + 1;
            world.Require(wrong < lockAfter || account == World.OldAccount, Rules.NoLock, $"{account} is locked at {name} after {wrong} wrong logons");
            return LogonAnswer.WrongPassword;
        }
        if (mine is not null)
        {
            // A server ends what the same user asks it to, whoever that is: all else is the client's care.
            world.Require(mine.Machine == machine && !mine.IsLive, Rules.OnlyOwn, $"a logon of machine {machine.Number} ended session {mine.Id}, which machine {mine.Machine.Number} uses");
            if (mine.Account == account)
                End(mine);
        }
        if (_sessions.Count >= limit)
            return LogonAnswer.Full;
        session = new WorldSession(this, ++_lastId, machine, account);
        _sessions.Add(session.Id, session);
        Peak = Math.Max(Peak, _sessions.Count);
        return LogonAnswer.Welcome;
    }

    /// <summary>Ends a session; again is no effect.</summary>
    public void End(WorldSession session)
    {
        if (!_sessions.Remove(session.Id))
            return;
        var told = session.Ended;
        session.Ended = null;
        told?.Invoke();
    }

    public void Restart()
    {
        foreach (var session in _sessions.Values.ToArray())
            End(session);
    }

    public string Show(WorldMachine machine) => string.Join("; ", _sessions.Values.Where(session => session.Machine == machine)
        .Select(session => $"session {session.Id} of {session.Account}, {(session.IsLive ? "live" : "dead")}, {session.Record?.Name} says {session.Record?.Text.Session} since {session.Record?.Text.Opened:HH:mm:ss.fff}"));

    /// <summary>Sessions of a machine whose number its budget bounds: all but those that a rule for connections without an id let go.</summary>
    public int Bounded(WorldMachine machine)
    {
        var count = 0;
        foreach (var session in _sessions.Values)
        {
            if (session.Machine == machine && (session.IsLive || session.Record is { IsExcused: false }))
                count++;
        }
        return count;
    }
}
