using Capstan.Client;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site.Keeping;

/// <summary>Production clients and a production site around one folder, through lives of the site: reports, enrolments, retirements, crashes, faults, wrong clocks, backups, restores.</summary>
internal sealed class LivesWorld(int seed) : IAsyncDisposable
{
    private const int MostClients = 4;
    private static readonly TimeSpan Round = TimeSpan.FromMinutes(6);

    private readonly Random _random = new(seed);
    private readonly ManualTime _siteTime = new();
    private readonly ManualTime _clientTime = new();
    private readonly List<LivingClient> _clients = [];
    private readonly List<(string Name, bool WasAheadSince)> _backups = [];
    private readonly List<string> _story = [];
    private SiteHarness _site = null!;
    private int _lives = 1;

    public string Story => $"seed {seed}: {string.Join(", ", _story)}";

    public async Task LiveAsync(int steps)
    {
        _site = await SiteHarness.CreateAsync(_siteTime);
        _site.KeepDirectory = true;
        await _site.AddCapAsync();
        await EnrolAsync();
        await BackUpAsync();
        for (var step = 0; step < steps; step++)
            await StepAsync();
        await RestoreAsync();
        await SettleAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            await client.CloseAsync();
        await _site.CloseAsync();
        Directory.Delete(Path.GetDirectoryName(_site.CapDirectory)!, recursive: true);
    }

    private async Task StepAsync()
    {
        var client = _clients[_random.Next(_clients.Count)];
        switch (_random.Next(16))
        {
            case < 4:
                _story.Add($"{client.Name} reports");
                await client.ReportAsync();
                break;
            case 4:
                _story.Add($"{client.Name} fails");
                await client.FailAsync();
                break;
            case 5 when _clients.Count < MostClients:
                await EnrolAsync();
                break;
            case 6 when _random.Next(3) == 0:
                _story.Add($"{client.Name} is retired");
                await _site.Get<Enrolment>().RetireAsync(client.DeviceId, CancellationToken.None);
                break;
            case 7:
                await BackUpAsync();
                break;
            case 8:
                await RestoreAsync();
                break;
            case 9:
                Jump(_random.Next(3) switch { 0 => 10, 1 => -10, _ => 0 });
                break;
            case 10:
                client.IsOff = !client.IsOff;
                _story.Add($"{client.Name} is {(client.IsOff ? "off" : "on")}");
                break;
            case 11:
                _story.Add($"{client.Name} crashes");
                await client.CloseAsync();
                await client.OpenAsync();
                break;
            case 12:
                _story.Add($"{client.Name} meets a fault");
                client.Spoil(_random);
                break;
            case 13:
                client.Cap.Heal();
                break;
            default:
                await RoundAsync();
                break;
        }
    }

    private async Task RoundAsync()
    {
        _story.Add("round");
        foreach (var client in _clients.Where(client => !client.IsOff))
            await client.SettleAsync();
        await _site.DrainAsync();
        await _site.PublishAsync();
        _siteTime.Advance(Round);
        _clientTime.Advance(Round);
    }

    private async Task EnrolAsync()
    {
        var client = new LivingClient($"pc{_clients.Count + 1}", Path.GetDirectoryName(_site.CapDirectory)!, _site.CapDirectory, _clientTime);
        _story.Add($"{client.Name} enrols");
        await client.InstallAsync((await _site.Get<TokenIssuer>().CreateAsync(new TokenRequest(), CancellationToken.None)).Token);
        _clients.Add(client);
        await RoundAsync();
    }

    private async Task BackUpAsync()
    {
        var name = $"backup{_backups.Count}";
        _story.Add(name);
        await _site.BackUpAsync(name);
        _backups.Add((name, _siteTime.GetUtcNow() > _clientTime.GetUtcNow()));
    }

    private async Task RestoreAsync()
    {
        // The administrator has set the clock right first.
        Jump(0);
        var (name, wasAheadSince) = _backups[_random.Next(_backups.Count)];
        // A clock that ran ahead after the backup left versions that only the CAP tells of.
        var isCapLost = !wasAheadSince && _random.Next(3) == 0;
        _story.Add($"{name} is restored{(isCapLost ? ", the CAP is lost" : "")}");
        await _site.CloseAsync();
        _siteTime.Advance(TimeSpan.FromSeconds(2));
        _clientTime.Advance(TimeSpan.FromSeconds(2));
        _site = await _site.RestoreAsync(name, $"life{++_lives}", isCapLost);
    }

    private void Jump(int years)
    {
        _story.Add($"the site's clock is {years} years off");
        _siteTime.Jump(_clientTime.GetUtcNow().AddYears(years));
        if (years > 0)
            for (var i = 0; i < _backups.Count; i++)
                _backups[i] = _backups[i] with { WasAheadSince = true };
    }

    /// <summary>All is whole and on, an administrator approves whoever asks: at the end both sides say the same.</summary>
    private async Task SettleAsync()
    {
        foreach (var client in _clients)
        {
            client.IsOff = false;
            client.Cap.Heal();
            await client.ReportAsync();
        }
        for (var round = 0; round < 40; round++)
        {
            await RoundAsync();
            foreach (var pending in await _site.Get<DeviceStore>().ListAsync(DeviceState.Pending, null, null, 0, 100, CancellationToken.None))
                await _site.Get<Enrolment>().ApproveAsync(pending.DeviceId, CancellationToken.None);
            if (await FaultAsync() is null)
                return;
        }
        Assert.Fail($"{await FaultAsync()}; {Story}; quarantine: {string.Join(", ", (await _site.QuarantineAsync()).Select(row => $"{row.Reason} {row.Detail}"))}");
    }

    /// <summary>What is not yet as it must be; null when all is.</summary>
    private async Task<string?> FaultAsync()
    {
        var messages = await _site.Get<StatusStore>().ListAsync(null, null, null, 10_000, CancellationToken.None);
        foreach (var client in _clients)
        {
            var status = await client.StatusAsync();
            if (await _site.Get<DeviceStore>().DetailAsync(client.DeviceId, CancellationToken.None) is not { } known)
                return $"{client.Name} is not known ({status.Waiting})";
            if (known.Summary.State != status.State)
                return $"{client.Name} is {status.State}, and {known.Summary.State} at the site ({status.Waiting})";
            var mine = messages.Where(message => message.DeviceId == client.DeviceId).ToList();
            if (mine.Where(message => message.Code == "component_failed").Sum(message => message.Count) is var failures && failures > client.Failures)
                return $"{client.Name} failed {client.Failures} times, and the site has {failures}";
            if (mine.Find(message => message.Code is "chain_forked" or "receipts_invalid" or "identity_shared") is { } alarm)
                return $"{client.Name} says {alarm.Code}: {alarm.Text}";
            if (status.State == "retired")
                continue;
            if (status.Spooled > 0 || status.Sequence != known.Summary.Sequence)
                return $"{client.Name}: {status.Spooled} wait, {status.Sequence} made, the site has {known.Summary.Sequence} ({status.Waiting})";
            var software = await _site.Get<InventoryStore>().SoftwareAsync(known.Row.Number, CancellationToken.None);
            if (software?.Software.Packages.Single().Version != client.Version)
                return $"{client.Name} has {client.Version}, and the site {software?.Software.Packages.Single().Version}";
        }
        return (await _site.QuarantineAsync()).FirstOrDefault(row => row.Reason is not ("wrong_epoch" or "unknown_device" or "device_retired")) is { } odd ? $"{odd.Reason} in quarantine: {odd.Detail}" : null;
    }
}

/// <summary>A production client whose machine a test plays.</summary>
internal sealed class LivingClient
{
    private readonly ManualTime _time;
    private readonly ClientOptions _options;
    private CapstanClient? _client;
    private int _version = 1;
    private bool _fails;

    public LivingClient(string name, string directory, string cap, ManualTime time)
    {
        Name = name;
        _time = time;
        _options = new ClientOptions { Directory = Path.Combine(directory, name) };
        Cap = new FaultStore(new LocalStore(cap, time), time);
    }

    public string Name { get; }
    public FaultStore Cap { get; }
    public bool IsOff { get; set; }
    public string DeviceId { get; private set; } = "";
    public string Version => $"{_version}.0";

    /// <summary>Inventories that failed.</summary>
    public int Failures { get; private set; }

    public async Task InstallAsync(string token)
    {
        await CapstanClient.InstallAsync(_options, token, null, _time, CancellationToken.None);
        await OpenAsync();
        DeviceId = (await StatusAsync()).DeviceId;
    }

    public async Task OpenAsync() => _client = await CapstanClient.OpenAsync(_options, new ClientParts(
        [new StoreProvider("LOCAL", Cap)],
        () => new HostFacts(Name, "Test OS 1", ["192.0.2.1"]),
        _ => ClientFixture.SampleHardware(Name),
        Software), _time, new Random(1), NullLoggerFactory.Instance, CancellationToken.None);

    public async Task CloseAsync()
    {
        if (_client is { } client)
            await client.DisposeAsync();
        _client = null;
    }

    public Task<ClientStatus> StatusAsync() => CapstanClient.ReadStatusAsync(_options, CancellationToken.None);

    public async Task ReportAsync()
    {
        _version++;
        await RunNowAsync();
    }

    public async Task FailAsync()
    {
        _fails = true;
        await RunNowAsync();
        _fails = false;
    }

    /// <summary>Does what is due.</summary>
    public async Task SettleAsync()
    {
        for (var i = 0; i < 8 && await _client!.Loop.StepAsync(CancellationToken.None) == TimeSpan.Zero; i++)
        {
        }
    }

    /// <summary>One of the next operations fails, before or after it is done.</summary>
    public void Spoil(Random random) => Cap.Add(new StoreFault(random.Next(3) == 0 ? StoreOperations.Read : StoreOperations.Create, NalError.Connect)
    {
        Nth = random.Next(1, 6),
        After = random.Next(2) == 0,
    });

    private async Task RunNowAsync()
    {
        if (!IsOff)
            await _client!.RunNowAsync(CancellationToken.None);
    }

    private Task<SoftwareInventory> Software(CancellationToken cancellationToken)
    {
        if (!_fails)
            return Task.FromResult(ClientFixture.SampleSoftware(Version));
        Failures++;
        throw new IOException($"{Name} cannot read its packages (try {Failures})");
    }
}
