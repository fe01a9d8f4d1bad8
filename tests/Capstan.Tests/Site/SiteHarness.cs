using System.Security.Cryptography;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>A real site with a folder CAP in a directory of its own; the web application is built, not listening. Passes run when a test says so.</summary>
internal sealed class SiteHarness : IAsyncDisposable
{
    /// <summary>16 bins of policies: to sign and write a real site's 256 takes longer than most tests. Sites that are served (<see cref="ServedSiteTests"/>, the server tests) have them all.</summary>
    private const int PolicyBinBits = 4;

    private readonly WebApplication _app;
    private readonly ConnectionArbiter _arbiter;

    private SiteHarness(string directory, SiteContext context, ConnectionArbiter arbiter, WebApplication app)
    {
        Directory = directory;
        CapDirectory = Path.Combine(directory, "cap");
        Context = context;
        _arbiter = arbiter;
        _app = app;
    }

    public string Directory { get; }

    /// <summary>Leaves the directory to whoever opens it next. Default: it is deleted.</summary>
    public bool KeepDirectory { get; set; }

    /// <summary>Default <c>cap</c> in the site's directory.</summary>
    public string CapDirectory { get; set; }

    public NalPath Cap => NalPath.FromDirectory(CapDirectory);
    public SiteContext Context { get; }

    /// <summary>All that the site serves.</summary>
    public IEnumerable<RouteEndpoint> Endpoints => ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>();

    public T Get<T>() where T : notnull => _app.Services.GetRequiredService<T>();

    public static async Task<SiteHarness> CreateAsync(TimeProvider time, string code = "ABC", Func<IStorageProvider, IStorageProvider>? wrap = null, string? directory = null)
    {
        directory ??= System.IO.Directory.CreateTempSubdirectory("capstan-site-").FullName;
        await NewSite.InitializeAsync(Path.Combine(directory, "site"), code, time);
        var harness = await OpenAsync(directory, time, wrap);
        await harness.Get<Publisher>().StartAsync(CancellationToken.None);
        return harness;
    }

    public static async Task<SiteHarness> OpenAsync(string directory, TimeProvider time, Func<IStorageProvider, IStorageProvider>? wrap = null)
    {
        var home = new SiteDirectory(Path.Combine(directory, "site"));
        var random = new Random(1);
        var database = await SiteDatabase.OpenAsync(home.Database, time, CancellationToken.None);
        await Capstan.Site.Keeping.KeyRotation.FinishAsync(home, database, time, CancellationToken.None);
        var context = new SiteContext(home.ReadIdentity(), home, SiteKeys.Load(home), database, time, random) { PolicyBinBits = PolicyBinBits };
        IStorageProvider provider = new LocalProvider(time);
        var arbiter = new ConnectionArbiter([wrap?.Invoke(provider) ?? provider], new ArbiterOptions(), time, random, NullLoggerFactory.Instance);
        var app = SiteHost.Build(context, arbiter, new ApiToken("test"), new Uri("http://127.0.0.1:0"), tls: null, () => Task.FromException<Uri>(new InvalidOperationException()), NullLoggerFactory.Instance);
        return new SiteHarness(directory, context, arbiter, app);
    }

    /// <summary>A site with its CAP and one approved device.</summary>
    public static async Task<(SiteHarness Site, FakeDevice Device)> EnrolledAsync(TimeProvider time, Func<IStorageProvider, IStorageProvider>? wrap = null)
    {
        var site = await CreateAsync(time, wrap: wrap);
        await site.AddCapAsync();
        return (site, await site.EnrolAsync());
    }

    /// <summary>One more device, by the way that real ones take.</summary>
    public async Task<FakeDevice> EnrolAsync(string hostName = "pc1")
    {
        var device = new FakeDevice(Context, hostName);
        await TakeInAsync(device, device.Request(await TokenAsync()));
        Assert.Equal("approved", (await ClientAsync(device)).State);
        return device;
    }

    /// <summary>Drops the device's next record and drains.</summary>
    public async Task TakeInAsync(FakeDevice device, params IReadOnlyList<UploadItem> items)
    {
        var (path, content, _) = device.Next(items);
        Drop(path, content);
        await DrainAsync();
    }

    public async Task<IReadOnlyList<HealthCondition>> ConditionsAsync() => await Get<HealthReader>().ReadAsync(CancellationToken.None);

    /// <summary>The one condition that is not the reminder about the root key, which every new site has.</summary>
    public async Task<HealthCondition> OnlyConditionAsync() => Assert.Single(await ConditionsAsync(), condition => condition.Code != "root_key_online");

    public async Task<CapState> CapStateAsync() => Assert.Single(await Get<CapStore>().ListAsync(CancellationToken.None));

    public Task<long> VersionAsync() => Get<PublishStore>().VersionAsync(CancellationToken.None);

    /// <summary>What a new client that reads the CAP trusts.</summary>
    /// <exception cref="ProtocolException">What lies there does not verify.</exception>
    public async Task<long> VersionOnCapAsync()
    {
        var client = await ClientOfCapAsync(new MemoryTrust());
        return (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;
    }

    public async Task<TufClient> ClientOfCapAsync(MemoryTrust trust)
    {
        var root = await Get<Publisher>().RootAsync(CancellationToken.None);
        var client = new TufClient(new FolderSource(CapDirectory), trust, Context.Time);
        await client.TrustRootAsync(root.Hash, root.Version, CancellationToken.None);
        return client;
    }

    /// <summary>The policy of a device as the CAP shows it.</summary>
    public async Task<Policy> PolicyAsync(FakeDevice device)
    {
        var client = await ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, CancellationToken.None);
        return Documents.Policy.Decode((await client.ReadTargetAsync(Layout.PolicyTarget(device.Id), Documents.Policy.MaxBytes, CancellationToken.None))!.Content.Span);
    }

    public async Task AddCapAsync() => await Get<CapAdministration>().AddAsync(Cap, new CapAdd(Cap.ToString()), CancellationToken.None);

    public Task<bool> DrainAsync() => Get<InboxLoader>().RunOnceAsync(null, CancellationToken.None);

    public Task PublishAsync() => Get<Publisher>().PassAsync(CancellationToken.None);

    public Task EvaluateAsync() => Get<Capstan.Site.Collections.CollectionEvaluator>().PassAsync(CancellationToken.None);

    public async Task<EnrolmentToken> TokenAsync(int uses = 1, int seconds = 3600) =>
        EnrolmentToken.Decode((await Get<TokenIssuer>().CreateAsync(new TokenRequest(uses, seconds, "test"), CancellationToken.None)).Token);

    public string Drop(string relative, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(CapDirectory, relative);
        File.WriteAllBytes(path, content);
        return path;
    }

    public IEnumerable<string> Inbox() => System.IO.Directory.EnumerateFiles(Path.Combine(CapDirectory, "inbox"), "*", SearchOption.AllDirectories);

    public async Task<IReadOnlyList<QuarantineRow>> QuarantineAsync() => await Get<QuarantineStore>().ListAsync(null, 10_000, CancellationToken.None);

    public async Task<ClientSummary> ClientAsync(FakeDevice device) => (await Get<DeviceStore>().DetailAsync(device.Id.Value, CancellationToken.None))!.Value.Summary;

    public async Task<Receipt> ReceiptAsync(FakeDevice device)
    {
        var bytes = await File.ReadAllBytesAsync(Path.Combine(CapDirectory, Layout.ReceiptsFile(device.Id.Bin)));
        return ReceiptsCodec.Verify(bytes, Context.Keys.ReceiptsKey, Context.Site.SiteCode, 1, device.Id.Bin).Devices.Single(row => row.DeviceId == device.Id.Value);
    }

    /// <summary>Ends as a killed process does: nothing is flushed or finished on purpose.</summary>
    public async Task CloseAsync()
    {
        var ending = _app.DisposeAsync().AsTask();
        await (Context.Time is ManualTime time ? time.RescueAsync(ending) : ending);
        await _arbiter.DisposeAsync();
        await Context.Database.DisposeAsync();
        Context.Keys.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        if (!KeepDirectory)
            System.IO.Directory.Delete(Directory, recursive: true);
    }
}

/// <summary>A CAP read as a client does, around everything that a test injects into the site's own way.</summary>
internal sealed class FolderSource(string directory) : ITufSource
{
    public async ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        var file = Path.Combine(directory, path);
        return File.Exists(file) ? await File.ReadAllBytesAsync(file, cancellationToken) : null;
    }
}

/// <summary>A client's keys and chain, for making uploads.</summary>
internal sealed class FakeDevice : IDisposable
{
    private readonly ECDsa _signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDiffieHellman _sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
    private readonly SiteContext _site;

    /// <summary>The same device, whose site has another epoch or other keys now.</summary>
    public FakeDevice For(SiteContext site)
    {
        var same = new FakeDevice(site, HostName, _signing.ExportPkcs8PrivateKey()) { Sequence = Sequence, Previous = Previous };
        return same;
    }

    private FakeDevice(SiteContext site, string hostName, byte[] signingKey)
    {
        _site = site;
        HostName = hostName;
        _signing.ImportPkcs8PrivateKey(signingKey, out _);
        Id = DeviceId.FromPublicKey(_signing.ExportSubjectPublicKeyInfo());
    }

    public FakeDevice(SiteContext site, string hostName = "pc1")
    {
        _site = site;
        HostName = hostName;
        Id = DeviceId.FromPublicKey(_signing.ExportSubjectPublicKeyInfo());
    }

    public DeviceId Id { get; }
    public string HostName { get; }
    public long Sequence { get; set; }
    public string Previous { get; set; } = Upload.NoPrevious;

    /// <summary>Who makes its records, as they say.</summary>
    public string InstallNonce { get; set; } = "bm9uY2Vub25jZW5vbmNlbm9uY2Vub25jZW5vbmNlMTI";
    public string? Instance { get; set; }

    /// <summary>For which epoch it signs. Default the site's.</summary>
    public long? Epoch { get; set; }

    /// <summary>The signing key, for what only its owner can say.</summary>
    public ECDsa Key => _signing;

    public UploadItem Request(EnrolmentToken token, FormerIdentity? former = null) => Documents.ConfigurationRequest.ToItem(new ConfigurationRequest
    {
        TokenId = token.TokenId,
        TokenSecret = token.Secret,
        SigningKey = Jwk.From(_signing),
        SealingKey = Jwk.From(_sealing),
        HostName = HostName,
        OperatingSystem = "Debian GNU/Linux 13",
        ClientVersion = "0.1.0",
        Former = former,
    });

    public UploadItem Heartbeat(long policy = 0, long? accounts = null) => Documents.Heartbeat.ToItem(new Heartbeat
    {
        HostName = HostName,
        OperatingSystem = "Debian GNU/Linux 13",
        ClientVersion = "0.1.0",
        PolicyVersion = policy,
        Addresses = ["192.0.2.1"],
        Components = [new ComponentState("hardware-inventory", "ok", null)],
        AccountsRevision = accounts,
    });

    /// <summary>What a policy seals to this device.</summary>
    public PolicySecrets Open(string secrets) => PolicySecretsCodec.Open(secrets, _sealing);

    /// <summary>The next record of the chain, as the file that goes to the inbox.</summary>
    public (string Path, byte[] Content, string Hash) Next(params IReadOnlyList<UploadItem> items)
    {
        var record = UploadCodec.Sign(new Upload
        {
            SiteCode = _site.Site.SiteCode,
            Epoch = Epoch ?? _site.Site.Epoch,
            Recipient = _site.Keys.SealingKey.Thumbprint(),
            DeviceId = Id.Value,
            Sequence = ++Sequence,
            Previous = Previous,
            CreatedAt = _site.Time.GetUtcNow().ToUnixTimeMilliseconds(),
            InstallNonce = InstallNonce,
            Instance = Instance,
            Items = items,
        }, _signing);
        Previous = UploadCodec.RecordHash(record);
        var content = UploadCodec.Seal(record, _site.Keys.SealingKey);
        return (Layout.Upload(Id, Sequence, content), content, Previous);
    }

    public void Dispose()
    {
        _signing.Dispose();
        _sealing.Dispose();
    }
}
