using Capstan.Client;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client;

/// <summary>One client in a temporary directory, and the test's site, around one CAP. The test moves the clock and takes each step.</summary>
internal sealed class ClientFixture : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-client-").FullName;

    /// <param name="binBits">As of <see cref="TestSite"/>.</param>
    /// <param name="directory">Where the client's own lies. Default a temporary one.</param>
    public ClientFixture(IStore cap, IStore? seenByClient = null, string provider = "LOCAL", int binBits = 4, string? directory = null)
    {
        Time = new ManualTime();
        Provider = new StoreProvider(provider, seenByClient ?? cap);
        CapPath = provider == "LOCAL" ? NalPath.FromDirectory("/cap").ToString() : @"MSWNET:\\server\cap\";
        Site = new TestSite(cap, Time, binBits: binBits);
        Site.Describe(new CapEntry { Path = CapPath });
        Options = new ClientOptions { Directory = Path.Combine(directory ?? _root, "client") };
    }

    public ManualTime Time { get; }
    public TestSite Site { get; }
    public StoreProvider Provider { get; }
    public string CapPath { get; }
    /// <summary>For the next installation or opening.</summary>
    public ClientOptions Options { get; set; }
    public string HostName { get; set; } = "host1";
    public Func<HostFacts>? Host { get; set; }
    public Func<CancellationToken, HardwareInventory>? Hardware { get; set; }
    public Func<CancellationToken, Task<SoftwareInventory>>? Software { get; set; }
    public bool ProgramRuns { get; set; }
    /// <summary>Null: no programs are run.</summary>
    public ProgramMachine? Programs { get; set; }
    public IPackageContent? Content { get; set; }
    public Action<string>? Passing { get; set; }
    public CapstanClient? Client { get; private set; }

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public Task InstallAsync(string? token = null, string? cap = null) => CapstanClient.InstallAsync(Options, Parts(), token ?? Site.Token(CapPath), cap, Stop);

    public async Task<CapstanClient> OpenAsync(int seed = 1) => Client = await CapstanClient.OpenAsync(Options, Parts(), Time, new Random(seed), NullLoggerFactory.Instance, Stop);

    /// <summary>Ends the client as a crash between two steps would: nothing is flushed that was not durable already.</summary>
    public async Task CloseAsync()
    {
        if (Client is { } client)
            await client.DisposeAsync();
        Client = null;
    }

    public Task<ClientStatus> StatusAsync() => CapstanClient.ReadStatusAsync(Options, Stop);

    /// <summary>Steps until the client waits, then lets its wait pass; so often.</summary>
    public async Task StepAsync(int waits = 1)
    {
        for (var i = 0; i < waits;)
        {
            var pause = await Client!.Loop.StepAsync(Stop);
            if (pause == TimeSpan.Zero)
                continue;
            Time.Advance(pause);
            i++;
        }
    }

    /// <summary>Does what is due now and stops before the first wait.</summary>
    public async Task SettleAsync()
    {
        while (await Client!.Loop.StepAsync(Stop) == TimeSpan.Zero)
        {
        }
    }

    /// <summary>Installed, asked, approved, first reports sent and acknowledged.</summary>
    public async Task EnrolAsync(long ordinal = 0)
    {
        await Site.PublishAsync(Stop);
        await InstallAsync();
        await OpenAsync();
        await SettleAsync();
        await ApproveAsync(ordinal);
        await StepAsync();
        await SettleAsync();
        await Site.DrainAsync(Stop);
    }

    public async Task ApproveAsync(long ordinal = 0)
    {
        await Site.DrainAsync(Stop);
        if (Site.Items(Documents.ConfigurationRequest).Count == 0)
            Assert.Fail($"no request arrived: {(await StatusAsync()).Waiting}; refused: {string.Join("; ", Site.Refused)}");
        Site.SetPolicy(Site.Items(Documents.ConfigurationRequest)[^1], ordinal: ordinal);
        await Site.PublishAsync(Stop);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Site.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    public ClientParts Parts() => new(
        [Provider],
        () => Host?.Invoke() ?? new HostFacts(HostName, "Test OS 1", ["192.0.2.1"]),
        token => (Hardware ?? (_ => SampleHardware(HostName)))(token),
        token => (Software ?? (_ => Task.FromResult(SampleSoftware("1.0"))))(token))
    {
        ProgramRuns = () => ProgramRuns,
        Programs = Programs,
        Content = Content,
        Passing = Passing,
    };

    public static HardwareInventory SampleHardware(string host) => new()
    {
        System = new ComputerSystem(host, null, "Maker", "Model", null, null, null),
        OperatingSystem = new OperatingSystemFacts("Test OS", "1", "test", "6.0", "x86_64", null, null, null),
        Memory = new MemoryFacts(1 << 30, 0, []),
    };

    public static SoftwareInventory SampleSoftware(string version) => new()
    {
        Packages = [new InstalledPackage("bash", version, "amd64", null, null, "dpkg", null, null)],
    };
}

/// <summary>A provider whose every connection leads to one store; it can refuse, and it counts.</summary>
internal sealed class StoreProvider(string name, IStore store) : IStorageProvider
{
    public string Name => name;
    public string? Refuse { get; set; }

    /// <summary>What it refuses with.</summary>
    public Capstan.Nal.NalError RefuseWith { get; set; } = Capstan.Nal.NalError.Connect;

    /// <summary>Accounts that tried to log on, in order; empty for none.</summary>
    public List<string> Logons { get; } = [];

    /// <summary>The account that may log on, as <c>name/password</c>. Null lets everybody in.</summary>
    public string? Accepts { get; set; }

    /// <summary>Paths that were opened, in order.</summary>
    public List<string> Paths { get; } = [];

    /// <summary>Paths that lead elsewhere.</summary>
    public Dictionary<string, IStore> Elsewhere { get; } = [];

    public int Open { get; private set; }
    public int Opened { get; private set; }

    /// <summary>Connections that were asked for, refused ones included.</summary>
    public int Attempts { get; private set; }

    public string? ServerOf(NalPath path) => name == "LOCAL" ? null : $"{path.Root}:445";

    public ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken)
    {
        Attempts++;
        if (Refuse is { } cause)
            throw new Capstan.Nal.NalException(RefuseWith, cause, request.Path.ToString(), isTransient: true);
        Logons.Add(request.Account?.Name ?? "");
        if (Accepts is { } accepted && accepted != $"{request.Account?.Name}/{request.Account?.Password.Reveal()}")
            throw new Capstan.Nal.NalException(Capstan.Nal.NalError.Authenticate, $"account {request.Account?.Name} is not accepted", request.Path.ToString());
        Open++;
        Opened++;
        return ValueTask.FromResult<IStorageConnection>(new Connection(this, store));
    }

    private sealed class Connection(StoreProvider provider, IStore store) : IStorageConnection
    {
        public ulong? SessionId => null;

        public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
        {
            provider.Paths.Add(path.ToString());
            return ValueTask.FromResult(provider.Elsewhere.GetValueOrDefault(path.ToString(), store));
        }

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
        {
            provider.Open--;
            return ValueTask.FromResult(true);
        }
    }
}
