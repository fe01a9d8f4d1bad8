namespace Capstan.Protocol.V1;

/// <summary>What the machine is. Null means "not told or not readable"; what could not be read stands in <see cref="Unread"/>.</summary>
public sealed record HardwareInventory
{
    public int Version { get; init; } = 1;
    /// <summary><c>machine</c>, or the name of the file that replaced the evidence (CAPSTAN_HARDWARE_FILE).</summary>
    public string Evidence { get; init; } = "machine";
    public required ComputerSystem System { get; init; }
    public required OperatingSystemFacts OperatingSystem { get; init; }
    public BiosFacts? Bios { get; init; }
    public BoardFacts? Board { get; init; }
    public ChassisFacts? Chassis { get; init; }
    public IReadOnlyList<Processor> Processors { get; init; } = [];
    public required MemoryFacts Memory { get; init; }
    public IReadOnlyList<Disk> Disks { get; init; } = [];
    public IReadOnlyList<FileSystemFacts> FileSystems { get; init; } = [];
    public IReadOnlyList<NetworkAdapter> NetworkAdapters { get; init; } = [];
    public IReadOnlyList<PciDevice> PciDevices { get; init; } = [];
    public IReadOnlyList<UsbDevice> UsbDevices { get; init; } = [];
    public IReadOnlyList<VideoAdapter> Video { get; init; } = [];
    public IReadOnlyList<LoggedOnUser> LoggedOnUsers { get; init; } = [];
    public IReadOnlyList<UnreadSource> Unread { get; init; } = [];
}

/// <param name="Virtualization">For example <c>kvm</c>, <c>microsoft</c>, <c>container</c>; null on bare metal or when unknown.</param>
public sealed record ComputerSystem(string HostName, string? Domain, string? Manufacturer, string? Model, string? SerialNumber, string? Uuid, string? Virtualization);

/// <param name="BootTime">Unix seconds.</param>
public sealed record OperatingSystemFacts(string Name, string? Version, string? Id, string Kernel, string Architecture, long? BootTime, string? MachineId, string? TimeZone);

public sealed record BiosFacts(string? Vendor, string? Version, string? ReleaseDate);
public sealed record BoardFacts(string? Manufacturer, string? Product, string? Version, string? SerialNumber);
public sealed record ChassisFacts(string? Type, string? Manufacturer, string? SerialNumber, string? AssetTag);

/// <param name="Cores">Physical cores of this package.</param>
/// <param name="Threads">Logical processors of this package.</param>
public sealed record Processor(string Model, string? Vendor, int Cores, int Threads, double? MaxMegahertz, long? CacheBytes);

public sealed record MemoryFacts(long TotalBytes, long SwapBytes, IReadOnlyList<MemoryModule> Modules);
public sealed record MemoryModule(string? Slot, long SizeBytes, string? Type, int? SpeedMegatransfers, string? Manufacturer, string? PartNumber, string? SerialNumber);

/// <param name="Medium"><c>ssd</c>, <c>hdd</c>, <c>virtual</c> or null.</param>
public sealed record Disk(string Name, string? Model, string? SerialNumber, long SizeBytes, string? Medium, string? Bus, IReadOnlyList<Partition> Partitions);
public sealed record Partition(string Name, long SizeBytes, string? Uuid, string? Label);
public sealed record FileSystemFacts(string MountPoint, string Device, string Type, long TotalBytes, long FreeBytes, bool ReadOnly);
public sealed record NetworkAdapter(string Name, string? Mac, string? Driver, bool Up, int? SpeedMegabits, int Mtu, IReadOnlyList<string> Addresses);
public sealed record PciDevice(string Slot, string VendorId, string DeviceId, string Class, string? Vendor, string? Product, string? Driver);
public sealed record UsbDevice(string Path, string VendorId, string ProductId, string? Manufacturer, string? Product, string? SerialNumber);
public sealed record VideoAdapter(string Name, string? Driver, IReadOnlyList<string> Connected);

/// <param name="Since">Unix seconds.</param>
public sealed record LoggedOnUser(string Name, string? Terminal, string? Host, long? Since);
public sealed record UnreadSource(string Source, string Reason);

/// <summary>Installed packages, from the operating system's own databases.</summary>
public sealed record SoftwareInventory
{
    public int Version { get; init; } = 1;
    public required IReadOnlyList<InstalledPackage> Packages { get; init; }
    public IReadOnlyList<UnreadSource> Unread { get; init; } = [];
}

/// <param name="Source"><c>dpkg</c> or <c>rpm</c>.</param>
/// <param name="InstalledAt">Unix seconds; null when the database does not tell.</param>
public sealed record InstalledPackage(string Name, string Version, string? Architecture, string? Publisher, long? InstalledAt, string Source, string? Summary, long? SizeBytes);
