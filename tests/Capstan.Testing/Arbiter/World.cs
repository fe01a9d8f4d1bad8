using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Nal.Arbiter.Core;

namespace Capstan.Testing.Arbiter;

/// <summary>Clients, machines and servers on virtual time, all drawn from one seed, around the production core and rules of the arbiter.</summary>
/// <remarks>Safety is looked at where it can be lost: at each decision of a core, each session that a server makes or ends, each record that is deleted. Progress at the end: every client
/// has finished, nothing is open. Faults end after a while, so that progress can be asked for.</remarks>
public sealed partial class World
{
    internal const string OldAccount = "old";
    private const string NewAccount = "new";
    private static readonly TimeSpan FaultsEnd = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan End = TimeSpan.FromHours(2);
    private readonly Random _random;
    private readonly List<WorldServer> _servers = [];
    private readonly List<WorldMachine> _machines = [];
    private readonly List<WorldClient> _clients = [];
    private int _done;

    /// <param name="clients">At most so many.</param>
    public World(int seed, int clients)
    {
        _random = new Random(seed);
        var count = 1 + _random.Next(clients);
        var machines = 1 + _random.Next(Math.Min(count, 1 + (clients / 3)));
        Linger = Chance(0.3) ? TimeSpan.FromSeconds(5) : TimeSpan.Zero;
        MeanHold = Chance(0.6) ? TimeSpan.FromSeconds(3) : null;
        CrashChance = Chance(0.5) ? Draw() * 0.01 : 0;
        LossChance = Chance(0.5) ? Draw() * 0.1 : 0;
        for (var number = 0; number <= _random.Next(2); number++)
            _servers.Add(new WorldServer(this, $"fs{number}:445", 1 + _random.Next(machines + 2), Between(30, 120), lockAfter: 10, countsFirst: Chance(0.3)) { Accounts = { OldAccount } });
        for (var number = 0; number < machines; number++)
            AddMachine(number);
        MayKeepWarm = _servers.TrueForAll(server => server.Limit >= _machines.Sum(machine => machine.Budget));
        for (var number = 0; number < count; number++)
        {
            var client = new WorldClient(this, _servers[_random.Next(_servers.Count)], $"c{number}", cycles: 1 + _random.Next(3));
            _clients.Add(client);
            var processes = _machines[number < machines ? number : _random.Next(machines)].Processes;
            client.Run(processes[_random.Next(processes.Count)], Between(0, 20));
        }
        DrawFaults();
    }

    internal WorldClock Clock { get; } = new();
    internal TimeSpan Linger { get; }
    internal TimeSpan? MeanHold { get; }
    /// <summary>What is kept warm takes a licence from the others: only where there is one for everybody.</summary>
    internal bool MayKeepWarm { get; }

    internal double CrashChance { get; }
    internal double LossChance { get; }

    /// <summary>Accounts that the site publishes now.</summary>
    internal IReadOnlyList<string> Published { get; private set; } = [OldAccount];

    /// <summary>Requests that have not ended.</summary>
    internal int Requests { get; set; }

    internal int Refusals { get; set; }

    /// <summary>How long each lease was waited for, from the first wish for it.</summary>
    internal List<TimeSpan> Waits { get; } = [];

    /// <summary>Events that happened.</summary>
    public long Steps => Clock.Steps;

    /// <exception cref="WorldException">A rule was broken.</exception>
    public void Run()
    {
        while (_done < _clients.Count)
        {
            Require(Clock.Step() && Clock.Now < End, Rules.Progress, $"{_clients.Count - _done} of {_clients.Count} clients have not finished: {string.Join("; ", _clients.Where(client => !client.IsDone))}");
        }
        foreach (var process in _machines.SelectMany(machine => machine.Processes))
            process.Stop();
        while (Clock.Step())
        {
        }
        Require(Requests == 0, Rules.Ends, $"{Requests} requests have not ended");
        Require(_servers.TrueForAll(server => server.Count == 0), Rules.Needed, "something is still open after everything stopped");
        Require(_machines.TrueForAll(machine => machine.IsFree), Rules.Budget, "a slot is held after everything stopped");
    }

    internal double Draw() => _random.NextDouble();

    internal bool Chance(double chance) => _random.NextDouble() < chance;

    internal bool IsFault(double chance) => chance > 0 && Clock.Now < FaultsEnd && Chance(chance);

    internal TimeSpan Between(double least, double most) => TimeSpan.FromSeconds(least + ((most - least) * _random.NextDouble()));

    /// <summary>One way over the network, and the work at its end.</summary>
    internal TimeSpan Delay() => Between(0.0005, Chance(0.05) ? 0.5 : 0.02);

    internal TimeSpan Hold() => Between(0.05, 6);

    internal void Require(bool holds, string rule, [InterpolatedStringHandlerArgument(nameof(holds))] ref BrokenText what)
    {
        if (!holds)
            throw new WorldException(rule, Clock.Now, what.Text);
    }

    internal void Require(bool holds, string rule, string what)
    {
        if (!holds)
            throw new WorldException(rule, Clock.Now, what);
    }

    /// <summary>Invariants 1 and 2, as a core sees them.</summary>
    internal void Check(WorldMachine machine, WorldServer server, ServerCore core)
    {
        var count = 0;
        foreach (var reading in core.Read())
        {
            count++;
            var isNeeded = reading.State switch
            {
                ConnectionState.Open or ConnectionState.Draining => reading.ReferenceCount > 0,
                ConnectionState.Idle => reading.ReferenceCount == 0 && (reading.PersistenceCount > 0 || Clock.Now - reading.LastUsed < Linger + TimeSpan.FromSeconds(1.5)),
                _ => reading.ReferenceCount == 0,
            };
            Require(isNeeded, Rules.Needed, $"machine {machine.Number} at {server.Name}: {reading}");
        }
        Require(count <= machine.Budget, Rules.Budget, $"a process of machine {machine.Number} has {count} connections at {server.Name}");
    }

    internal void Done() => _done++;

    /// <summary>It is started again after a while, when its machine runs.</summary>
    internal void Died(WorldProcess process) => Clock.After(Between(0.1, 5), () => Restart(process));

    private void Restart(WorldProcess process)
    {
        var machine = process.Machine;
        if (machine.IsDown)
        {
            Clock.After(TimeSpan.FromSeconds(1), () => Restart(process));
            return;
        }
        machine.Processes.Remove(process);
        var next = new WorldProcess(this, machine);
        machine.Processes.Add(next);
        foreach (var client in process.Clients)
            client.Run(next, Between(0, 3));
    }

    private void AddMachine(int number)
    {
        var machine = new WorldMachine(this, number, budget: Chance(0.8) ? 1 : 2) { Accounts = [OldAccount] };
        if (Chance(0.3))
            machine.Accounts.Insert(_random.Next(2), $"wrong-{number}");
        for (var process = 0; process <= _random.Next(3); process++)
            machine.Processes.Add(new WorldProcess(this, machine));
        _machines.Add(machine);
    }

    /// <summary>A text that is made only when something is broken: this is asked a million times.</summary>
    [InterpolatedStringHandler]
    internal ref struct BrokenText
    {
        private DefaultInterpolatedStringHandler _text;

        public BrokenText(int literalLength, int formattedCount, bool holds, out bool isNeeded)
        {
            isNeeded = !holds;
            _text = holds ? default : new(literalLength, formattedCount, CultureInfo.InvariantCulture);
        }

        public string Text => _text.ToStringAndClear();

        public void AppendLiteral(string text) => _text.AppendLiteral(text);

        public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);
    }
}
