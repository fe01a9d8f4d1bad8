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

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Name("evidence", Evidence);
        System.Check("system", problems);
        OperatingSystem.Check("operatingSystem", problems);
        Bios?.Check("bios", problems);
        Board?.Check("board", problems);
        Chassis?.Check("chassis", problems);
        Memory.Check("memory", problems);
        problems.Each("processors", Processors, (member, part) => part.Check(member, problems));
        problems.Each("disks", Disks, (member, part) => part.Check(member, problems));
        problems.Each("fileSystems", FileSystems, (member, part) => part.Check(member, problems));
        problems.Each("networkAdapters", NetworkAdapters, (member, part) => part.Check(member, problems));
        problems.Each("pciDevices", PciDevices, (member, part) => part.Check(member, problems));
        problems.Each("usbDevices", UsbDevices, (member, part) => part.Check(member, problems));
        problems.Each("video", Video, (member, part) => part.Check(member, problems));
        problems.Each("loggedOnUsers", LoggedOnUsers, (member, part) => part.Check(member, problems));
        problems.Each("unread", Unread, (member, part) => part.Check(member, problems));
    }
}

/// <param name="Virtualization">In the words of systemd-detect-virt, for example <c>kvm</c>, <c>microsoft</c>, <c>docker</c>; <c>vm-other</c> and
/// <c>container-other</c> when the kind is not told; null on bare metal or when unknown.</param>
public sealed record ComputerSystem(string HostName, string? Domain, string? Manufacturer, string? Model, string? SerialNumber, string? Uuid, string? Virtualization)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.hostName", HostName);
        problems.Text($"{member}.domain", Domain);
        problems.Text($"{member}.manufacturer", Manufacturer);
        problems.Text($"{member}.model", Model);
        problems.Text($"{member}.serialNumber", SerialNumber);
        problems.Text($"{member}.uuid", Uuid);
        problems.Text($"{member}.virtualization", Virtualization);
    }
}

/// <param name="BootTime">Unix seconds.</param>
public sealed record OperatingSystemFacts(string Name, string? Version, string? Id, string Kernel, string Architecture, long? BootTime, string? MachineId, string? TimeZone)
{
    /// <summary>A value made anew at each boot; unlike <see cref="BootTime"/> it does not move when the clock is set.</summary>
    public string? BootId { get; init; }

    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.version", Version);
        problems.Text($"{member}.id", Id);
        problems.Text($"{member}.kernel", Kernel);
        problems.Text($"{member}.architecture", Architecture);
        problems.Text($"{member}.machineId", MachineId);
        problems.Text($"{member}.timeZone", TimeZone);
        problems.Text($"{member}.bootId", BootId);
        problems.Seconds($"{member}.bootTime", BootTime);
    }
}

public sealed record BiosFacts(string? Vendor, string? Version, string? ReleaseDate)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.vendor", Vendor);
        problems.Text($"{member}.version", Version);
        problems.Text($"{member}.releaseDate", ReleaseDate);
    }
}

public sealed record BoardFacts(string? Manufacturer, string? Product, string? Version, string? SerialNumber)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.manufacturer", Manufacturer);
        problems.Text($"{member}.product", Product);
        problems.Text($"{member}.version", Version);
        problems.Text($"{member}.serialNumber", SerialNumber);
    }
}

public sealed record ChassisFacts(string? Type, string? Manufacturer, string? SerialNumber, string? AssetTag)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.type", Type);
        problems.Text($"{member}.manufacturer", Manufacturer);
        problems.Text($"{member}.serialNumber", SerialNumber);
        problems.Text($"{member}.assetTag", AssetTag);
    }
}

/// <param name="Cores">Physical cores of this package.</param>
/// <param name="Threads">Logical processors of this package.</param>
public sealed record Processor(string Model, string? Vendor, int Cores, int Threads, double? MaxMegahertz, long? CacheBytes)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.model", Model);
        problems.Text($"{member}.vendor", Vendor);
        problems.Amount($"{member}.cores", Cores);
        problems.Amount($"{member}.threads", Threads);
        problems.Amount($"{member}.maxMegahertz", MaxMegahertz);
        problems.Amount($"{member}.cacheBytes", CacheBytes);
    }
}

public sealed record MemoryFacts(long TotalBytes, long SwapBytes, IReadOnlyList<MemoryModule> Modules)
{
    internal void Check(string member, Problems problems)
    {
        problems.Amount($"{member}.totalBytes", TotalBytes);
        problems.Amount($"{member}.swapBytes", SwapBytes);
        problems.Each($"{member}.modules", Modules, (child, part) => part.Check(child, problems));
    }
}

public sealed record MemoryModule(string? Slot, long SizeBytes, string? Type, int? SpeedMegatransfers, string? Manufacturer, string? PartNumber, string? SerialNumber)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.slot", Slot);
        problems.Text($"{member}.type", Type);
        problems.Text($"{member}.manufacturer", Manufacturer);
        problems.Text($"{member}.partNumber", PartNumber);
        problems.Text($"{member}.serialNumber", SerialNumber);
        problems.Amount($"{member}.sizeBytes", SizeBytes);
        problems.Amount($"{member}.speedMegatransfers", SpeedMegatransfers);
    }
}

/// <param name="Medium"><c>ssd</c>, <c>hdd</c>, <c>virtual</c> or null.</param>
public sealed record Disk(string Name, string? Model, string? SerialNumber, long SizeBytes, string? Medium, string? Bus, IReadOnlyList<Partition> Partitions)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.model", Model);
        problems.Text($"{member}.serialNumber", SerialNumber);
        problems.Text($"{member}.medium", Medium);
        problems.Text($"{member}.bus", Bus);
        problems.Amount($"{member}.sizeBytes", SizeBytes);
        problems.Each($"{member}.partitions", Partitions, (child, part) => part.Check(child, problems));
    }
}

public sealed record Partition(string Name, long SizeBytes, string? Uuid, string? Label)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.uuid", Uuid);
        problems.Text($"{member}.label", Label);
        problems.Amount($"{member}.sizeBytes", SizeBytes);
    }
}

/// <param name="TotalBytes">0 when not asked; <see cref="Note"/> says why.</param>
/// <param name="FreeBytes">What is available to unprivileged users.</param>
public sealed record FileSystemFacts(string MountPoint, string Device, string Type, long TotalBytes, long FreeBytes, bool ReadOnly)
{
    /// <summary>Why sizes are missing; null when they are not.</summary>
    public string? Note { get; init; }

    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.mountPoint", MountPoint);
        problems.Text($"{member}.device", Device);
        problems.Text($"{member}.type", Type);
        problems.Text($"{member}.note", Note);
        problems.Amount($"{member}.totalBytes", TotalBytes);
        problems.Amount($"{member}.freeBytes", FreeBytes);
    }
}

/// <param name="Up">Administratively up.</param>
/// <param name="Addresses">All IPv4 and IPv6 addresses, without prefix length and scope.</param>
public sealed record NetworkAdapter(string Name, string? Mac, string? Driver, bool Up, int? SpeedMegabits, int Mtu, IReadOnlyList<string> Addresses)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.mac", Mac);
        problems.Text($"{member}.driver", Driver);
        problems.Amount($"{member}.speedMegabits", SpeedMegabits);
        problems.Amount($"{member}.mtu", Mtu);
        problems.Each($"{member}.addresses", Addresses, (child, text) => problems.Text(child, text));
    }
}

/// <param name="VendorId">Four hexadecimal digits, as in pci.ids and usb.ids.</param>
public sealed record PciDevice(string Slot, string VendorId, string DeviceId, string Class, string? Vendor, string? Product, string? Driver)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.slot", Slot);
        problems.Text($"{member}.vendorId", VendorId);
        problems.Text($"{member}.deviceId", DeviceId);
        problems.Text($"{member}.class", Class);
        problems.Text($"{member}.vendor", Vendor);
        problems.Text($"{member}.product", Product);
        problems.Text($"{member}.driver", Driver);
    }
}

public sealed record UsbDevice(string Path, string VendorId, string ProductId, string? Manufacturer, string? Product, string? SerialNumber)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.path", Path);
        problems.Text($"{member}.vendorId", VendorId);
        problems.Text($"{member}.productId", ProductId);
        problems.Text($"{member}.manufacturer", Manufacturer);
        problems.Text($"{member}.product", Product);
        problems.Text($"{member}.serialNumber", SerialNumber);
    }
}

/// <param name="Connected">Connectors with a display, for example <c>HDMI-A-1</c>.</param>
public sealed record VideoAdapter(string Name, string? Driver, IReadOnlyList<string> Connected)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.driver", Driver);
        problems.Each($"{member}.connected", Connected, (child, text) => problems.Text(child, text));
    }
}

/// <param name="Since">Unix seconds.</param>
public sealed record LoggedOnUser(string Name, string? Terminal, string? Host, long? Since)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.name", Name);
        problems.Text($"{member}.terminal", Terminal);
        problems.Text($"{member}.host", Host);
        problems.Seconds($"{member}.since", Since);
    }
}

public sealed record UnreadSource(string Source, string Reason)
{
    internal void Check(string member, Problems problems)
    {
        problems.Text($"{member}.source", Source);
        problems.Text($"{member}.reason", Reason);
    }
}

/// <summary>Installed packages, from the operating system's own databases.</summary>
public sealed record SoftwareInventory
{
    public int Version { get; init; } = 1;
    public required IReadOnlyList<InstalledPackage> Packages { get; init; }
    public IReadOnlyList<UnreadSource> Unread { get; init; } = [];

    internal const int MaxPackages = 100_000;

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Each("packages", Packages, (member, package) => package.Check(member, problems), MaxPackages);
        problems.Each("unread", Unread, (member, source) => source.Check(member, problems));
    }
}

/// <param name="Source"><c>dpkg</c> or <c>rpm</c>.</param>
/// <param name="InstalledAt">Unix seconds; null when the database does not tell.</param>
public sealed record InstalledPackage(string Name, string Version, string? Architecture, string? Publisher, long? InstalledAt, string Source, string? Summary, long? SizeBytes)
{
    internal void Check(string member, Problems problems)
    {
        problems.Name($"{member}.name", Name);
        problems.Text($"{member}.version", Version);
        problems.Text($"{member}.architecture", Architecture);
        problems.Text($"{member}.publisher", Publisher);
        problems.Text($"{member}.source", Source);
        problems.Text($"{member}.summary", Summary);
        problems.Seconds($"{member}.installedAt", InstalledAt);
        problems.Amount($"{member}.sizeBytes", SizeBytes);
    }
}
