using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Bench.Figures;

/// <summary>A real site on disk with a folder CAP and many approved devices; it takes in when told.</summary>
internal sealed class BusySite : IAsyncDisposable
{
    private readonly string _directory;
    private readonly string _cap;
    private readonly SiteContext _site;
    private readonly ConnectionArbiter _arbiter;
    private readonly WebApplication _app;
    private readonly List<BusyDevice> _devices = [];

    private BusySite(string directory, string cap, SiteContext site)
    {
        _directory = directory;
        _cap = cap;
        _site = site;
        _arbiter = new ConnectionArbiter([new LocalProvider(site.Time)], new ArbiterOptions(), site.Time, site.Random, NullLoggerFactory.Instance);
        _app = SiteHost.Build(site, _arbiter, new ApiToken("bench"), new Uri("http://127.0.0.1:0"), tls: null,
            () => Task.FromException<Uri>(new InvalidOperationException("This site does not listen.")), NullLoggerFactory.Instance);
    }

    /// <param name="capParent">Where the directory of the CAP is made; null for beside the site's.</param>
    public static async Task<BusySite> CreateAsync(int devices, string? capParent, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        var home = new SiteDirectory(Path.Combine(directory, "site"));
        await SiteServer.InitializeAsync(home.Root, "BEN", TimeProvider.System, cancellationToken);
        var database = await SiteDatabase.OpenAsync(home.Database, TimeProvider.System, cancellationToken);
        var site = new BusySite(directory, Path.Combine(capParent ?? directory, Path.GetFileName(directory) + "-cap"), new SiteContext(home.ReadIdentity(), home, SiteKeys.Load(home), database, TimeProvider.System, new Random(1)));
        await site._app.Services.GetRequiredService<Publisher>().StartAsync(cancellationToken);
        var cap = NalPath.FromDirectory(site._cap);
        await site._app.Services.GetRequiredService<CapAdministration>().AddAsync(cap, new CapAdd(cap.ToString()), cancellationToken);
        await site.EnrolAsync(devices, cancellationToken);
        return site;
    }

    /// <summary>A part of the site.</summary>
    public T Get<T>() where T : notnull => _app.Services.GetRequiredService<T>();

    /// <summary>Drops one upload of each device named, and measures the pass that brings all into the store and off the CAP.</summary>
    public async Task<Cost> TakeInAsync(IEnumerable<int> devices, Func<BusyDevice, IReadOnlyList<UploadItem>> items, CancellationToken cancellationToken)
    {
        foreach (var device in devices.Select(number => _devices[number]))
        {
            var (path, content) = device.Next(items(device), _site);
            await File.WriteAllBytesAsync(Path.Combine(_cap, path), content, cancellationToken);
        }
        var access = _app.Services.GetRequiredService<CapAccess>();
        var pass = _app.Services.GetRequiredService<InboxPass>();
        var cap = NalPath.FromDirectory(_cap);
        var cost = await Cost.OfAsync(() => access.UseAsync(cap, "Loader", store => pass.RunAsync(store, cap.ToString(), cancellationToken), cancellationToken));
        var left = Directory.EnumerateFiles(Path.Combine(_cap, Layout.Inbox), "*", SearchOption.AllDirectories).Count();
        var refused = await _app.Services.GetRequiredService<QuarantineStore>().ListAsync(null, 1, cancellationToken);
        if (left > 0 || refused.Count > 0)
            throw new InvalidOperationException($"Not every upload was taken in: {left} lie there still; {(refused is [var one, ..] ? one.Detail : "none was refused")}.");
        return cost;
    }

    /// <summary>Drops files as they are given, and measures passes until nothing is left on the CAP that could be taken in.</summary>
    public async Task<Cost> TakeInAsync(IReadOnlyList<(string Path, byte[] Content)> files, CancellationToken cancellationToken)
    {
        foreach (var (path, content) in files)
            await File.WriteAllBytesAsync(Path.Combine(_cap, path), content, cancellationToken);
        var access = _app.Services.GetRequiredService<CapAccess>();
        var pass = _app.Services.GetRequiredService<InboxPass>();
        var cap = NalPath.FromDirectory(_cap);
        return await Cost.OfAsync(() => access.UseAsync(cap, "Loader", store => pass.RunAsync(store, cap.ToString(), cancellationToken), cancellationToken));
    }

    /// <summary>The next record of each device named, so often, as one would send it: in order, and not on the CAP yet.</summary>
    public IReadOnlyList<(string Path, byte[] Content, Func<(string Path, byte[] Content)> Again)> Make(int devices, int each) =>
        [.. Enumerable.Range(0, devices).SelectMany(number => Enumerable.Range(0, each).Select(_ => _devices[number].NextTwice([_devices[number].Heartbeat()], _site)))];

    /// <summary>How many records are in the ledger, and how many files in quarantine or still on the CAP.</summary>
    public async Task<(long Taken, long Refused, int Left)> CountAsync(CancellationToken cancellationToken)
    {
        var (taken, refused) = await _site.Database.ReadAsync(async connection => (await connection.ExecuteScalarAsync<long>("select count(*) from ledger"),
            await connection.ExecuteScalarAsync<long>("select count(*) from quarantine")), cancellationToken);
        return (taken, refused, Directory.EnumerateFiles(Path.Combine(_cap, Layout.Inbox), "*", SearchOption.AllDirectories).Count());
    }

    /// <summary>Size of the database file with everything in it.</summary>
    public async Task<long> DatabaseBytesAsync(CancellationToken cancellationToken) => await _site.Database.ReadAsync(
        connection => connection.ExecuteScalarAsync<long>("select page_count * page_size from pragma_page_count(), pragma_page_size()"), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _arbiter.DisposeAsync();
        await _site.Database.DisposeAsync();
        _site.Keys.Dispose();
        Directory.Delete(_cap, recursive: true);
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Straight into the store: enrolling is not what is measured.</summary>
    private Task EnrolAsync(int count, CancellationToken cancellationToken) => _site.Database.WriteAsync(async transaction =>
    {
        for (var number = 0; number < count; number++)
        {
            var device = new BusyDevice(number);
            var now = _site.Time.GetUtcNow();
            await DeviceStore.InsertAsync(transaction, new NewDevice(device.Id, device.Key.Thumbprint(), JsonSerializer.Serialize(device.Key, StoreJson.Default.Jwk),
                JsonSerializer.Serialize(_site.Keys.SealingKey, StoreJson.Default.Jwk), "nonce", device.HostName, BusyDevice.OperatingSystem, "0.1.0"), now);
            await DeviceStore.ApproveAsync(transaction, device.Id.Value, null, now, Publisher.CertificateTerm);
            _devices.Add(device);
        }
    }, cancellationToken);
}

/// <summary>One device: its key, its chain, and what it would send.</summary>
internal sealed class BusyDevice
{
    public const string OperatingSystem = "Debian GNU/Linux 13";

    /// <summary>What the fleet has installed: of 900 packages a device has 600.</summary>
    private static readonly InstalledPackage[] Pool = [.. Enumerable.Range(0, 900).Select(n => new InstalledPackage($"libexample{n}-dev", $"1:2.{n}.0-1+deb13u{n % 7}",
        n % 5 == 0 ? "all" : "amd64", "Debian Example Maintainers <pkg-example@lists.example.org>", null, "dpkg", $"Example library number {n}, development files", 1024L * 37 * n))];

    private readonly ECDsa _signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly int _number;
    private long _sequence;
    private string _previous = Upload.NoPrevious;

    public BusyDevice(int number)
    {
        _number = number;
        Key = Jwk.From(_signing);
        Id = DeviceId.FromKey(Key);
    }

    public DeviceId Id { get; }
    public Jwk Key { get; }
    public string HostName => $"pc-{_number:d5}.example.org";

    public UploadItem Heartbeat() => Documents.Heartbeat.ToItem(new Heartbeat
    {
        HostName = HostName,
        OperatingSystem = OperatingSystem,
        ClientVersion = "0.1.0",
        PolicyVersion = _sequence,
        Addresses = ["192.0.2.17", "2001:db8::17"],
        Components = [new ComponentState("hardware-inventory", "ok", null), new ComponentState("software-inventory", "ok", null)],
    });

    public IReadOnlyList<UploadItem> Inventory() => [Heartbeat(), Documents.HardwareInventory.ToItem(Hardware()), Documents.SoftwareInventory.ToItem(new SoftwareInventory
    {
        Packages = [.. Enumerable.Range(0, 600).Select(n => Pool[(_number * 31 + n) % Pool.Length] with { InstalledAt = 1_700_000_000 + _number * 7 + n })],
    })];

    /// <summary>The next record of the chain: the path below the CAP, and the file.</summary>
    public (string Path, byte[] Content) Next(IReadOnlyList<UploadItem> items, SiteContext site)
    {
        var (path, content, _) = NextTwice(items, site);
        return (path, content);
    }

    /// <summary>The same, and how it is sealed again, as a client does that has seen no receipt.</summary>
    public (string Path, byte[] Content, Func<(string Path, byte[] Content)> Again) NextTwice(IReadOnlyList<UploadItem> items, SiteContext site)
    {
        var record = UploadCodec.Sign(new Upload
        {
            SiteCode = site.Site.SiteCode,
            Epoch = site.Site.Epoch,
            Recipient = site.Keys.SealingKey.Thumbprint(),
            DeviceId = Id.Value,
            Sequence = ++_sequence,
            Previous = _previous,
            CreatedAt = 1_700_000_000_000,
            InstallNonce = "nonce",
            Items = items,
        }, _signing);
        _previous = UploadCodec.RecordHash(record);
        var sequence = _sequence;
        var (path, content) = Seal();
        return (path, content, Seal);

        (string, byte[]) Seal()
        {
            var file = UploadCodec.Seal(record, site.Keys.SealingKey);
            return (Layout.Upload(Id, sequence, file), file);
        }
    }

    private HardwareInventory Hardware() => new()
    {
        System = new ComputerSystem(HostName, "example.org", "LENOVO", "ThinkCentre M70q Gen 3", $"PF{_number:d6}", null, null),
        OperatingSystem = new OperatingSystemFacts("Debian GNU/Linux", "13", "debian", "6.12.0-1-amd64", "x86_64", 1_795_000_000, "8f3c", "Europe/Berlin"),
        Bios = new BiosFacts("LENOVO", "M4AKT31A", "2024-05-13"),
        Processors = [new Processor("12th Gen Intel(R) Core(TM) i5-12500T", "GenuineIntel", 6, 12, 4400, 18_874_368)],
        Memory = new MemoryFacts(16_640_000_000, 1_023_406_080, [new MemoryModule("DIMM 0", 17_179_869_184, "DDR4", 3200, "Samsung", "M471A2K43EB1-CWE", null)]),
        Disks = [new Disk("nvme0n1", "SAMSUNG MZVL4512HBLU", "S67WNF0T", 512_110_190_592, "ssd", "nvme", [new Partition("nvme0n1p1", 536_870_912, null, "EFI"), new Partition("nvme0n1p2", 511_500_000_000, "9a31", null)])],
        FileSystems = [new FileSystemFacts("/", "/dev/nvme0n1p2", "ext4", 502_000_000_000, 371_000_000_000, false), new FileSystemFacts("/boot/efi", "/dev/nvme0n1p1", "vfat", 535_000_000, 19_000_000, true)],
        NetworkAdapters = [new NetworkAdapter("enp0s31f6", "52:54:00:12:34:56", "e1000e", true, 1000, 1500, ["192.0.2.17", "2001:db8::17"])],
        PciDevices = [.. Enumerable.Range(0, 20).Select(n => new PciDevice($"00:{n:x2}.0", "8086", $"46{n:x2}", "Bridge", "Intel Corporation", $"Alder Lake PCI device {n}", "pcieport"))],
        UsbDevices = [new UsbDevice("1-2", "046d", "c31c", "Logitech", "USB Keyboard", null)],
        Video = [new VideoAdapter("Alder Lake-S GT1", "i915", ["DP-1"])],
        LoggedOnUsers = [new LoggedOnUser("anna", "tty2", null, 1_795_300_000)],
    };
}
