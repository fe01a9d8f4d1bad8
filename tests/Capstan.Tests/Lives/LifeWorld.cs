using System.Globalization;
using Capstan.Protocol.Jose;
using Capstan.Testing.Keys;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Lives;

/// <summary>A site, its CAPs and its machines through months, drawn from one seed: production cores, virtual time, storage in memory that misbehaves, and keys of its own.</summary>
/// <remarks>A machine is simulated when it is on, not at each poll of an idle day: between two wakings its clock just goes on.</remarks>
internal sealed partial class LifeWorld : IAsyncDisposable
{
    private static readonly DateTimeOffset Begin = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly int _seed;
    private readonly LifeRules _rules;
    private readonly Random _random;
    private readonly string _root;
    private readonly LifeNetwork _network;
    private readonly LifeSite _site;
    private readonly Capstan.Testing.ManualTime _storageTime = new(Begin);
    private readonly PriorityQueue<Func<Task>, (TimeSpan At, int Number)> _events = new();
    private readonly List<LifeMachine> _machines = [];
    private readonly List<LifeCap> _caps = [];
    private readonly Dictionary<string, BuildFault> _faults = new(StringComparer.Ordinal);
    private readonly List<string> _story = [];
    private TimeSpan _now;
    private int _numbers, _named, _builds;
    private string? _goodBuild;

    public LifeWorld(int seed, LifeRules rules)
    {
        _seed = seed;
        _rules = rules;
        _random = new Random(seed);
        P256.Use(new FakeKeys(new Random(seed)));
        _root = Directory.CreateTempSubdirectory("capstan-life-").FullName;
        Directory.CreateDirectory(Path.Combine(_root, "package"));
        _network = new LifeNetwork(_storageTime);
        _site = new LifeSite(_root, _network, Begin);
    }

    /// <summary>One line that lives this life again.</summary>
    public string Repeat => string.Create(CultureInfo.InvariantCulture, $"{LifeRules.Variable}={_seed},{_rules.Machines},{_rules.Length.TotalDays} dotnet run --project tests/Capstan.Tests -- -class '*LivesTests' -method '*again*'");

    /// <summary>Days of all machines together, wakings, and what was drawn, for the figures.</summary>
    public LifeCounts Counts { get; } = new();

    /// <summary>What happened last, newest last.</summary>
    public string Story => string.Join('\n', _story.TakeLast(120));

    /// <exception cref="LifeException">Something did not hold, or was thrown.</exception>
    public async Task LiveAsync()
    {
        try
        {
            await LiveThroughAsync();
        }
        catch (Exception e) when (e is not LifeException)
        {
            throw new LifeException(this, e.Message, e);
        }
    }

    private async Task LiveThroughAsync()
    {
        await _site.CreateAsync();
        for (var i = 0; i < 2; i++)
            await AddCapAsync();
        await _site.BackUpAsync();
        for (var i = 0; i < _rules.Machines; i++)
            // A few are there from the beginning, others come later.
            At(_rules.Length * (i < _rules.Machines / 2 ? 0 : _random.NextDouble() / 2), NewMachineAsync);
        At(TimeSpan.Zero, SitePassesAsync);
        At(Drawn(_rules.MeanMishap), MishapAsync);
        while (_events.TryDequeue(out var happening, out var when) && when.At < _rules.Length)
        {
            _now = when.At;
            await happening();
        }
        _now = _rules.Length;
        await SettleAsync();
        Counts.MachineDays += _machines.Count * _rules.Length.TotalDays;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines)
            await machine.CloseAsync();
        await _site.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private bool May(Mishaps mishap) => _rules.Mishaps.HasFlag(mishap);

    private void Tell(string what)
    {
        _story.Add(string.Create(CultureInfo.InvariantCulture, $"day {_now.TotalDays:F2}: {what}"));
        Counts.Mishaps++;
    }

    private void At(TimeSpan when, Func<Task> happening) => _events.Enqueue(happening, (when, _numbers++));

    private void After(TimeSpan pause, Func<Task> happening) => At(_now + pause, happening);

    private bool Chance(double share) => _random.NextDouble() < share;

    private TimeSpan Drawn(TimeSpan mean) => mean * -Math.Log(1 - _random.NextDouble());

    private T Pick<T>(IReadOnlyList<T> among) => among[_random.Next(among.Count)];

    /// <summary>A clock that was left alone catches up with the world.</summary>
    private void CatchUp(Capstan.Testing.ManualTime time)
    {
        var elapsed = time.GetElapsedTime(0);
        if (elapsed < _now)
            time.Advance(_now - elapsed);
    }

    private async Task NewMachineAsync()
    {
        var machine = Machine($"pc{++_named}", Chance(0.8) ? Guid(_named) : null);
        Tell($"{machine.Name} is installed{(machine.Uuid is null ? ", and its hardware tells nothing" : "")}");
        CatchUp(_site.Time);
        await machine.InstallAsync(await _site.TokenAsync());
        await machine.StatusAsync();
        At(_now, () => WakingsAsync(machine));
    }

    private LifeMachine Machine(string name, string? uuid)
    {
        var machine = new LifeMachine(name, _root, _network, _faults, uuid, Begin, _random.Next());
        CatchUp(machine.Time);
        _machines.Add(machine);
        return machine;
    }

    private static string Guid(int number) => $"4c4c4544-0043-3010-8052-{number:x12}";

    /// <summary>One waking, and the next after it.</summary>
    private async Task WakingsAsync(LifeMachine machine)
    {
        if (!machine.IsOff)
            await WakeAsync(machine);
        var sleep = Drawn(Chance(0.5) ? _rules.MeanSleep / 4 : _rules.MeanSleep * 1.75);
        After(sleep + TimeSpan.FromMinutes(1), () => WakingsAsync(machine));
    }

    private async Task WakeAsync(LifeMachine machine)
    {
        Counts.Wakings++;
        CatchUp(machine.Time);
        if (Chance(0.3))
            machine.Version++;
        if (Chance(0.05))
            machine.MemoryBytes += 1 << 20;
        if (Chance(0.05))
            machine.FailOnce();
        if (May(Mishaps.Crashes) && Chance(0.04))
        {
            var (operations, after) = (_random.Next(1, 40), Chance(0.5));
            Tell($"{machine.Name} dies {(after ? "after" : "before")} its operation {operations}");
            machine.Doom(operations, after);
        }
        if (May(Mishaps.Crashes) && Chance(0.08))
        {
            var (kind, nth, after, tear) = (Chance(0.5) ? StoreOperations.Read : StoreOperations.Create, _random.Next(1, 6), Chance(0.5), _random.Next(0, 3_000));
            Tell($"{machine.Name}: {kind} {nth} fails, {(after ? "done" : $"torn at {tear}")}");
            machine.Spoil(kind, nth, after, tear);
        }
        if (Chance(0.15))
            await machine.CloseAsync();
        await machine.WakeAsync(Chance(0.1) ? TimeSpan.FromHours(_random.Next(1, 8)) : TimeSpan.FromMinutes(_random.Next(1, 40)));
        await LookForRollbackAsync(machine);
    }

    private async Task SitePassesAsync()
    {
        if (_siteIsOffUntil <= _now)
        {
            CatchUp(_site.Time);
            Counts.Passes++;
            await _site.PassAsync();
            if (Chance(0.3))
                await _site.ApproveAsync();
        }
        After(Drawn(_rules.MeanPause) + TimeSpan.FromMinutes(1), SitePassesAsync);
    }

    private async Task AddCapAsync()
    {
        var cap = _network.Add();
        _caps.Add(cap);
        CatchUp(_site.Time);
        await _site.AddCapAsync(cap);
    }
}

/// <summary>What a life was made of.</summary>
internal sealed class LifeCounts
{
    public double MachineDays { get; set; }
    public long Wakings { get; set; }
    public long Passes { get; set; }
    public long Mishaps { get; set; }
    public long Visits { get; set; }

    public void Add(LifeCounts other)
    {
        MachineDays += other.MachineDays;
        Wakings += other.Wakings;
        Passes += other.Passes;
        Mishaps += other.Mishaps;
        Visits += other.Visits;
    }
}
