using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Journal;

namespace Capstan.Testing.Arbiter;

/// <summary>One record of a machine's journal, as it is on disk.</summary>
internal sealed class WorldRecord(string name, ConnectionRecord text, WorldProcess owner)
{
    public string Name => name;
    public ConnectionRecord Text { get; set; } = text;

    /// <summary>Its owner lives, but could not close it.</summary>
    public bool IsLeft { get; set; }

    public bool IsGhost => IsLeft || !owner.IsAlive;

    /// <summary>What the server counts for it; known to this world alone.</summary>
    public WorldSession? Session { get; set; }

    /// <summary>It is over by a rule for connections without a usable id, whatever the server counts.</summary>
    public bool IsReleased { get; set; }

    public bool IsExcused => IsReleased || Text.Session is null;
}

/// <summary>What the processes of a machine share: slots with their line, the journal, stopped accounts, a boot, a wall clock, a cable.</summary>
internal sealed class WorldMachine(World world, int number, int budget)
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);
    private readonly Dictionary<string, Slots> _slots = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Server, string Account), StoppedAccount> _stopped = [];
    private readonly Dictionary<(string Server, string Account), TimeSpan> _stoppedAt = [];
    private TimeSpan _booted;
    private TimeSpan _wallOffset;
    private int _boot;
    private int _lastRecord;

    public int Number => number;
    public int Budget => budget;
    public List<WorldProcess> Processes { get; } = [];
    public Dictionary<string, WorldRecord> Journal { get; } = new(StringComparer.Ordinal);

    /// <summary>In the order in which they are tried.</summary>
    public List<string> Accounts { get; set; } = [];

    public bool IsLinked { get; set; } = true;
    public bool IsDown { get; set; }

    /// <summary>Its clock cannot tell ages any more.</summary>
    public bool HasJumped { get; private set; }

    /// <summary>Nobody holds a slot, or waits for one.</summary>
    public bool IsFree => _slots.Values.All(slots => slots.Line.Count == 0 && !slots.Held.Contains(true));

    public string Boot { get; private set; } = $"boot-{number}-0";
    public TimeSpan Uptime => world.Clock.Now - _booted;
    public DateTimeOffset Wall => Start + world.Clock.Now + _wallOffset;

    public void Reboot()
    {
        Boot = $"boot-{number}-{++_boot}";
        _booted = world.Clock.Now;
    }

    /// <summary>The wall clock is set; nothing but the ages of records sees it.</summary>
    public void Jump(TimeSpan offset) => (_wallOffset, HasJumped) = (offset, true);

    public List<Ghost> Ghosts(string server)
    {
        var ghosts = new List<Ghost>();
        foreach (var record in Journal.Values)
        {
            if (record.IsGhost && record.Text.Server == server)
                ghosts.Add(new Ghost(record.Name, record.Text));
        }
        return ghosts;
    }

    public WorldRecord Write(WorldProcess owner, string server, string account, int slot)
    {
        var now = Wall;
        var record = new WorldRecord($"Resource{++_lastRecord}", new ConnectionRecord
        {
            Path = server,
            Server = server,
            Account = account,
            Slot = slot,
            Owner = "",
            Process = 0,
            ProcessStart = now,
            Boot = Boot,
            Opened = now,
            LastUsed = now,
            Uptime = Uptime,
            State = ConnectionStates.Connecting,
            NextStep = "",
        }, owner);
        Journal.Add(record.Name, record);
        return record;
    }

    public IReadOnlyList<string> MayTry(string server) => StopRules.MayTry(Accounts, _stopped.Values.Where(stop => stop.Server == server), Wall, draw: 0.5, out _);

    public void Stop(string server, string account)
    {
        _stopped[(server, account)] = new StoppedAccount(server, account, "", Wall);
        _stoppedAt[(server, account)] = world.Clock.Now;
    }

    public void Resume(string server, string account)
    {
        _stopped.Remove((server, account));
        _stoppedAt.Remove((server, account));
    }

    /// <summary>Called by a server that refuses a logon: this machine must not have known that it would when it looked. (With a budget of two, another may be under way.)</summary>
    public void CheckMayTry(string server, string account, TimeSpan looked) =>
        world.Require(HasJumped || !_stoppedAt.TryGetValue((server, account), out var stopped) || stopped >= looked || looked - stopped > TimeSpan.FromDays(6),
            Rules.NoLock, $"machine {number} tried {account} at {server} again, although it was refused");

    /// <summary>A slot at once; null when all are held, or somebody waits.</summary>
    public int? TryTake(string server, string account)
    {
        var slots = SlotsOf(server);
        if (slots.Line.Count > 0)
            return null;
        var own = Ghosts(server).Find(ghost => ghost.Record.Account == account && !slots.Held[ghost.Record.Slot]);
        var free = own.Record is not null ? own.Record.Slot : Array.IndexOf(slots.Held, false);
        if (free < 0)
            return null;
        slots.Held[free] = true;
        return free;
    }

    public void StandInLine(string server, WorldProcess process, Action<int> served)
    {
        var slots = SlotsOf(server);
        slots.Line.AddLast((process, served));
        Serve(slots);
    }

    public void GiveBack(string server, int slot)
    {
        var slots = SlotsOf(server);
        world.Require(slots.Held[slot], Rules.Budget, $"slot {slot} of machine {number} was given back by somebody who does not hold it");
        slots.Held[slot] = false;
        Serve(slots);
    }

    public bool IsWanted(string server) => SlotsOf(server).Line.Count > 0;

    /// <summary>The kernel frees the locks of a dead process; the line closes up.</summary>
    public void Bury(WorldProcess process, IEnumerable<(string Server, int Slot)> held)
    {
        foreach (var slots in _slots.Values)
        {
            for (var node = slots.Line.First; node is not null;)
            {
                var next = node.Next;
                if (node.Value.Process == process)
                    slots.Line.Remove(node);
                node = next;
            }
        }
        foreach (var (server, slot) in held)
            GiveBack(server, slot);
    }

    private void Serve(Slots slots)
    {
        while (slots.Line.First is { } first && Array.IndexOf(slots.Held, false) is >= 0 and var free)
        {
            slots.Line.RemoveFirst();
            slots.Held[free] = true;
            var (process, served) = first.Value;
            world.Clock.After(world.Between(0, 0.002), () =>
            {
                if (process.IsAlive)
                {
                    served(free);
                    return;
                }
                // It died as it was served: the kernel frees this lock as well.
                slots.Held[free] = false;
                Serve(slots);
            });
        }
    }

    private Slots SlotsOf(string server)
    {
        if (!_slots.TryGetValue(server, out var slots))
            _slots.Add(server, slots = new Slots(new bool[budget], []));
        return slots;
    }

    private sealed record Slots(bool[] Held, LinkedList<(WorldProcess Process, Action<int> Served)> Line);
}
