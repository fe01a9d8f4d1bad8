using System.Globalization;
using Capstan.Client;
using Capstan.Protocol.V1;

namespace Capstan.Fleet;

/// <summary>What one client of the fleet says of its machine: invented, of a usual size, and the same for the same seed and number. Its software changes with each cycle.</summary>
internal sealed class MadeUpMachine(int seed, int number)
{
    private const int Packages = 60;
    private const long Gigabyte = 1L << 30;

    private static readonly string[] s_models = ["Desk 300", "Desk 500", "Note 14", "Note 15", "Rack 1", "Kiosk 2"];

    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"fleet-{seed:x}-{number:0000}");
    private volatile int _updates;

    /// <summary>An update was installed: the next inventory has something to report.</summary>
    public void Update() => _updates++;

    public HostFacts Host() => new(_name, "Made-up system 1.0", [string.Create(CultureInfo.InvariantCulture, $"198.18.{number / 250 % 250}.{number % 250 + 1}")]);

    public HardwareInventory Hardware(CancellationToken cancellationToken) => new()
    {
        Evidence = "capstan-fleet",
        System = new ComputerSystem(_name, Domain: null, "Made-up", s_models[number % s_models.Length], $"FLEET-{seed}-{number}", Uuid: null, Virtualization: null),
        OperatingSystem = new OperatingSystemFacts("Made-up system", "1.0", "made-up", "6.1.0", "x86_64", BootTime: null, MachineId: null, TimeZone: "UTC"),
        Processors = [new Processor("Made-up processor", "Made-up", Cores: 2 << (number % 3), Threads: 4 << (number % 3), MaxMegahertz: 2_400, CacheBytes: 8 << 20)],
        Memory = new MemoryFacts((4 << (number % 4)) * Gigabyte, SwapBytes: 2 * Gigabyte, [new MemoryModule("DIMM 0", (4 << (number % 4)) * Gigabyte, "DDR4", 3_200, "Made-up", PartNumber: null, SerialNumber: null)]),
        Disks = [new Disk("nvme0n1", "Made-up disk", $"DISK-{seed}-{number}", 256_000_000_000, "ssd", "nvme", [new Partition("nvme0n1p1", 255_000_000_000, Uuid: null, Label: null)])],
        FileSystems = [new FileSystemFacts("/", "/dev/nvme0n1p1", "ext4", 250_000_000_000, 100_000_000_000, ReadOnly: false)],
        NetworkAdapters = [new NetworkAdapter("eth0", string.Create(CultureInfo.InvariantCulture, $"02:00:00:{number >> 16 & 0xff:x2}:{number >> 8 & 0xff:x2}:{number & 0xff:x2}"), "made-up", Up: true, SpeedMegabits: 1_000, Mtu: 1_500, Host().Addresses)],
    };

    public Task<SoftwareInventory> SoftwareAsync(CancellationToken cancellationToken) => Task.FromResult(new SoftwareInventory
    {
        Packages =
        [
            .. Enumerable.Range(0, Packages).Select(package => new InstalledPackage(string.Create(CultureInfo.InvariantCulture, $"package-{package:00}"),
                string.Create(CultureInfo.InvariantCulture, $"1.{(package * 7 + number) % 20}.0"), "amd64", "Made-up", InstalledAt: null, "dpkg", "A package of a made-up machine", (package + 1) * 100_000)),
            new InstalledPackage("updates", string.Create(CultureInfo.InvariantCulture, $"1.{_updates}"), "all", "Made-up", InstalledAt: null, "dpkg", "Changes with each cycle", SizeBytes: null),
        ],
    });
}
