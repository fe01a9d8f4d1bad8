using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Nal;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Lives;

/// <summary>What is wrong with a build.</summary>
internal enum BuildFault
{
    None = 0,
    /// <summary>It ends at its start.</summary>
    DoesNotStart = 1,
    /// <summary>It reaches no CAP.</summary>
    IsDeaf = 2,
}

/// <summary>One computer with a production client, for years: its disk, its clock, its cable, its launcher.</summary>
internal sealed class LifeMachine : IAsyncDisposable
{
    private const int MaxTurns = 40, MaxWaits = 2;

    private readonly string _root;
    private readonly IReadOnlyDictionary<string, BuildFault> _faults;
    private readonly Mortality _life = new();
    private readonly LifeProvider _provider;
    private readonly LifeLauncher _launcher;
    private readonly Random _random;
    private readonly List<StoreFault> _storeFaults = [];
    private FaultStore? _faulty;
    private CapstanClient? _client;
    private int _failing;

    /// <param name="root">Directory of all machines of a life.</param>
    /// <param name="uuid">Of its hardware; null for a machine that tells nothing.</param>
    public LifeMachine(string name, string root, LifeNetwork network, IReadOnlyDictionary<string, BuildFault> faults, string? uuid, DateTimeOffset now, int seed)
    {
        Name = name;
        _root = root;
        _faults = faults;
        Uuid = uuid;
        Time = new ManualTime(now);
        _random = new Random(seed);
        _provider = new LifeProvider(network, store => _faulty = Spoiled(new FaultStore(new MortalStore(store, _life), Time)));
        _launcher = new LifeLauncher(Directory, PackageFolder);
        _life.OnDeath = () => LifeDisk.Copy(Directory, Directory + ".dead");
    }

    public string Name { get; }
    public string? Uuid { get; }
    public ManualTime Time { get; }
    public string Directory => Path.Combine(_root, Name);
    public string DeviceId { get; private set; } = "";

    /// <summary>Of its only package.</summary>
    public int Version { get; set; } = 1;
    public long MemoryBytes { get; set; } = 1L << 30;

    /// <summary>Inventories that failed, each with a number of its own.</summary>
    public int Failures { get; private set; }

    /// <summary>It may report something again that it has reported: it was copied, or set back to before it was acknowledged.</summary>
    public bool MayRepeat { get; set; }

    /// <summary>The person whom it belongs to has switched it off.</summary>
    public bool IsOff { get; set; }

    /// <summary>The highest versions that it has taken; a state that was put back begins with those of then.</summary>
    public SeenVersions Seen { get; set; } = SeenVersions.None;

    private string PackageFolder => Path.Combine(_root, "package");

    private ClientOptions Options(string build) => new() { Directory = Directory, Build = new BuildIdentity(build, PackageFolder) };

    public async Task InstallAsync(string token, string? cap = null)
    {
        await CloseAsync();
        await CapstanClient.InstallAsync(Options(ClientBuild.OfPackage), Parts(), token, cap, CancellationToken.None);
    }

    /// <summary>It is on for a while, and does what is due.</summary>
    public async Task WakeAsync(TimeSpan awake)
    {
        if (_client is null)
            await StartAsync();
        var waits = 0;
        for (var turn = 0; turn < MaxTurns; turn++)
        {
            var pause = await _client!.Loop.StepAsync(CancellationToken.None);
            if (_life.IsDead)
            {
                await DieAsync();
                return;
            }
            if (_client!.Loop.MustRestart)
            {
                await CloseAsync();
                await StartAsync();
                continue;
            }
            // Polls of an idle day are all alike: a few of them stand for the rest.
            if (pause > awake || pause > TimeSpan.Zero && ++waits > MaxWaits)
                break;
            Time.Advance(pause);
            awake -= pause;
        }
        _storeFaults.Clear();
        _faulty?.Heal();
    }

    /// <summary>Switched off, or the client's process killed between two steps.</summary>
    public async Task CloseAsync()
    {
        if (_client is { } client)
            await client.DisposeAsync();
        _client = null;
    }

    /// <summary>It dies at this operation on storage, counted from now.</summary>
    public void Doom(int operations, bool after) => _life.Doom(operations, after);

    /// <summary>The next operation of a kind but <paramref name="nth"/> − 1 fails.</summary>
    public void Spoil(StoreOperations operations, int nth, bool after, int? tear)
    {
        _storeFaults.Add(new StoreFault(operations, NalError.Connect) { Nth = nth, After = after, TearAtByte = after ? null : tear });
    }

    /// <summary>The next inventory fails.</summary>
    public void FailOnce() => _failing++;

    public void LoseState() => File.Delete(Path.Combine(Directory, "client.db"));

    /// <summary>Read from its disk.</summary>
    public async Task<ClientStatus> StatusAsync()
    {
        var status = await CapstanClient.ReadStatusAsync(Options(ClientBuild.OfPackage), CancellationToken.None);
        DeviceId = status.DeviceId;
        return status;
    }

    /// <summary>The end of its log.</summary>
    public IEnumerable<string> LastWords() => File.Exists(Log) ? File.ReadLines(Log).TakeLast(20) : [];

    public ValueTask DisposeAsync() => new(CloseAsync());

    private string Log => Path.Combine(Directory, "logs", "ccim.log");

    private async Task StartAsync()
    {
        for (var starts = 0; starts < 20; starts++)
        {
            var build = _launcher.Choose();
            var fault = _faults.GetValueOrDefault(build);
            if (fault == BuildFault.DoesNotStart)
            {
                _launcher.Ended("killed SEGV");
                _launcher.Repair();
                continue;
            }
            _provider.IsDeaf = fault == BuildFault.IsDeaf;
            _client = await CapstanClient.OpenAsync(Options(build), Parts(), Time, new Random(_random.Next()), NullLoggerFactory.Instance, CancellationToken.None);
            await _client.Loop.BeginAsync(CancellationToken.None);
            if (!_client.Loop.MustRestart)
                return;
            await CloseAsync();
        }
        throw new InvalidOperationException($"{Name}: no build gets up");
    }

    /// <summary>What was on the disk at the instant of death is what it wakes up with.</summary>
    private async Task DieAsync()
    {
        await CloseAsync();
        System.IO.Directory.Delete(Directory, recursive: true);
        System.IO.Directory.Move(Directory + ".dead", Directory);
        _life.Revive();
        _storeFaults.Clear();
    }

    private FaultStore Spoiled(FaultStore store)
    {
        foreach (var fault in _storeFaults)
            store.Add(fault);
        return store;
    }

    private ClientParts Parts() => new([_provider], () => new HostFacts(Name, "Test OS 1", ["192.0.2.1"]), _ => Hardware(), _ => Software());

    private HardwareInventory Hardware()
    {
        var sample = ClientFixture.SampleHardware(Name);
        return sample with { System = sample.System with { Uuid = Uuid }, Memory = new MemoryFacts(MemoryBytes, 0, []) };
    }

    private Task<SoftwareInventory> Software()
    {
        if (_failing == 0)
            return Task.FromResult(ClientFixture.SampleSoftware($"{Version}.0"));
        _failing--;
        Failures++;
        throw new IOException($"{Name} cannot read its packages (try {Failures})");
    }
}

/// <summary>What a machine has taken, by its own word.</summary>
/// <param name="DeviceId">Another one begins anew.</param>
/// <param name="Policy">Version of the policy in force.</param>
internal sealed record SeenVersions(string DeviceId, long Policy)
{
    public static SeenVersions None { get; } = new("", 0);
}
