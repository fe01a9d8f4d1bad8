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
        problems.Part("system", System, static (problems, part) => part.Check(problems));
        problems.Part("operatingSystem", OperatingSystem, static (problems, part) => part.Check(problems));
        problems.Part("bios", Bios, static (problems, part) => part?.Check(problems));
        problems.Part("board", Board, static (problems, part) => part?.Check(problems));
        problems.Part("chassis", Chassis, static (problems, part) => part?.Check(problems));
        problems.Part("memory", Memory, static (problems, part) => part.Check(problems));
        problems.Each("processors", Processors, static (problems, part) => part.Check(problems));
        problems.Each("disks", Disks, static (problems, part) => part.Check(problems));
        problems.Each("fileSystems", FileSystems, static (problems, part) => part.Check(problems));
        problems.Each("networkAdapters", NetworkAdapters, static (problems, part) => part.Check(problems));
        problems.Each("pciDevices", PciDevices, static (problems, part) => part.Check(problems));
        problems.Each("usbDevices", UsbDevices, static (problems, part) => part.Check(problems));
        problems.Each("video", Video, static (problems, part) => part.Check(problems));
        problems.Each("loggedOnUsers", LoggedOnUsers, static (problems, part) => part.Check(problems));
        problems.Each("unread", Unread, static (problems, part) => part.Check(problems));
    }
}

/// <param name="Virtualization">In the words of systemd-detect-virt, for example <c>kvm</c>, <c>microsoft</c>, <c>docker</c>; <c>vm-other</c> and
/// <c>container-other</c> when the kind is not told; null on bare metal or when unknown.</param>
public sealed record ComputerSystem(string HostName, string? Domain, string? Manufacturer, string? Model, string? SerialNumber, string? Uuid, string? Virtualization)
{
    internal void Check(Problems problems)
    {
        problems.Text("hostName", HostName);
        problems.Text("domain", Domain);
        problems.Text("manufacturer", Manufacturer);
        problems.Text("model", Model);
        problems.Text("serialNumber", SerialNumber);
        problems.Text("uuid", Uuid);
        problems.Text("virtualization", Virtualization);
    }
}

/// <param name="BootTime">Unix seconds.</param>
public sealed record OperatingSystemFacts(string Name, string? Version, string? Id, string Kernel, string Architecture, long? BootTime, string? MachineId, string? TimeZone)
{
    /// <summary>A value made anew at each boot; unlike <see cref="BootTime"/> it does not move when the clock is set.</summary>
    public string? BootId { get; init; }

    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("version", Version);
        problems.Text("id", Id);
        problems.Text("kernel", Kernel);
        problems.Text("architecture", Architecture);
        problems.Text("machineId", MachineId);
        problems.Text("timeZone", TimeZone);
        problems.Text("bootId", BootId);
        problems.Seconds("bootTime", BootTime);
    }
}

public sealed record BiosFacts(string? Vendor, string? Version, string? ReleaseDate)
{
    internal void Check(Problems problems)
    {
        problems.Text("vendor", Vendor);
        problems.Text("version", Version);
        problems.Text("releaseDate", ReleaseDate);
    }
}

public sealed record BoardFacts(string? Manufacturer, string? Product, string? Version, string? SerialNumber)
{
    internal void Check(Problems problems)
    {
        problems.Text("manufacturer", Manufacturer);
        problems.Text("product", Product);
        problems.Text("version", Version);
        problems.Text("serialNumber", SerialNumber);
    }
}

public sealed record ChassisFacts(string? Type, string? Manufacturer, string? SerialNumber, string? AssetTag)
{
    internal void Check(Problems problems)
    {
        problems.Text("type", Type);
        problems.Text("manufacturer", Manufacturer);
        problems.Text("serialNumber", SerialNumber);
        problems.Text("assetTag", AssetTag);
    }
}

/// <param name="Cores">Physical cores of this package.</param>
/// <param name="Threads">Logical processors of this package.</param>
public sealed record Processor(string Model, string? Vendor, int Cores, int Threads, double? MaxMegahertz, long? CacheBytes)
{
    internal void Check(Problems problems)
    {
        problems.Text("model", Model);
        problems.Text("vendor", Vendor);
        problems.Amount("cores", Cores);
        problems.Amount("threads", Threads);
        problems.Amount("maxMegahertz", MaxMegahertz);
        problems.Amount("cacheBytes", CacheBytes);
    }
}

public sealed record MemoryFacts(long TotalBytes, long SwapBytes, IReadOnlyList<MemoryModule> Modules)
{
    internal void Check(Problems problems)
    {
        problems.Amount("totalBytes", TotalBytes);
        problems.Amount("swapBytes", SwapBytes);
        problems.Each("modules", Modules, static (problems, part) => part.Check(problems));
    }
}

public sealed record MemoryModule(string? Slot, long SizeBytes, string? Type, int? SpeedMegatransfers, string? Manufacturer, string? PartNumber, string? SerialNumber)
{
    internal void Check(Problems problems)
    {
        problems.Text("slot", Slot);
        problems.Text("type", Type);
        problems.Text("manufacturer", Manufacturer);
        problems.Text("partNumber", PartNumber);
        problems.Text("serialNumber", SerialNumber);
        problems.Amount("sizeBytes", SizeBytes);
        problems.Amount("speedMegatransfers", SpeedMegatransfers);
    }
}

/// <param name="Medium"><c>ssd</c>, <c>hdd</c>, <c>virtual</c> or null.</param>
public sealed record Disk(string Name, string? Model, string? SerialNumber, long SizeBytes, string? Medium, string? Bus, IReadOnlyList<Partition> Partitions)
{
    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("model", Model);
        problems.Text("serialNumber", SerialNumber);
        problems.Text("medium", Medium);
        problems.Text("bus", Bus);
        problems.Amount("sizeBytes", SizeBytes);
        problems.Each("partitions", Partitions, static (problems, part) => part.Check(problems));
    }
}

public sealed record Partition(string Name, long SizeBytes, string? Uuid, string? Label)
{
    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("uuid", Uuid);
        problems.Text("label", Label);
        problems.Amount("sizeBytes", SizeBytes);
    }
}

/// <param name="TotalBytes">0 when not asked; <see cref="Note"/> says why.</param>
/// <param name="FreeBytes">What is available to unprivileged users.</param>
public sealed record FileSystemFacts(string MountPoint, string Device, string Type, long TotalBytes, long FreeBytes, bool ReadOnly)
{
    /// <summary>Why sizes are missing; null when they are not.</summary>
    public string? Note { get; init; }

    internal void Check(Problems problems)
    {
        problems.Text("mountPoint", MountPoint);
        problems.Text("device", Device);
        problems.Text("type", Type);
        problems.Text("note", Note);
        problems.Amount("totalBytes", TotalBytes);
        problems.Amount("freeBytes", FreeBytes);
    }
}

/// <param name="Up">Administratively up.</param>
/// <param name="Addresses">All IPv4 and IPv6 addresses, without prefix length and scope.</param>
public sealed record NetworkAdapter(string Name, string? Mac, string? Driver, bool Up, int? SpeedMegabits, int Mtu, IReadOnlyList<string> Addresses)
{
    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("mac", Mac);
        problems.Text("driver", Driver);
        problems.Amount("speedMegabits", SpeedMegabits);
        problems.Amount("mtu", Mtu);
        problems.Each("addresses", Addresses, static (problems, text) => problems.Text("", text));
    }
}

/// <param name="VendorId">Four hexadecimal digits, as in pci.ids and usb.ids.</param>
public sealed record PciDevice(string Slot, string VendorId, string DeviceId, string Class, string? Vendor, string? Product, string? Driver)
{
    internal void Check(Problems problems)
    {
        problems.Text("slot", Slot);
        problems.Text("vendorId", VendorId);
        problems.Text("deviceId", DeviceId);
        problems.Text("class", Class);
        problems.Text("vendor", Vendor);
        problems.Text("product", Product);
        problems.Text("driver", Driver);
    }
}

public sealed record UsbDevice(string Path, string VendorId, string ProductId, string? Manufacturer, string? Product, string? SerialNumber)
{
    internal void Check(Problems problems)
    {
        problems.Text("path", Path);
        problems.Text("vendorId", VendorId);
        problems.Text("productId", ProductId);
        problems.Text("manufacturer", Manufacturer);
        problems.Text("product", Product);
        problems.Text("serialNumber", SerialNumber);
    }
}

/// <param name="Connected">Connectors with a display, for example <c>HDMI-A-1</c>.</param>
public sealed record VideoAdapter(string Name, string? Driver, IReadOnlyList<string> Connected)
{
    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("driver", Driver);
        problems.Each("connected", Connected, static (problems, text) => problems.Text("", text));
    }
}

/// <param name="Since">Unix seconds.</param>
public sealed record LoggedOnUser(string Name, string? Terminal, string? Host, long? Since)
{
    internal void Check(Problems problems)
    {
        problems.Text("name", Name);
        problems.Text("terminal", Terminal);
        problems.Text("host", Host);
        problems.Seconds("since", Since);
    }
}

public sealed record UnreadSource(string Source, string Reason)
{
    internal void Check(Problems problems)
    {
        problems.Text("source", Source);
        problems.Text("reason", Reason);
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
        problems.Each("packages", Packages, static (problems, package) => package.Check(problems), MaxPackages);
        problems.Each("unread", Unread, static (problems, source) => source.Check(problems));
    }
}

/// <param name="Source"><c>dpkg</c> or <c>rpm</c>.</param>
/// <param name="InstalledAt">Unix seconds; null when the database does not tell.</param>
public sealed record InstalledPackage(string Name, string Version, string? Architecture, string? Publisher, long? InstalledAt, string Source, string? Summary, long? SizeBytes)
{
    internal void Check(Problems problems)
    {
        problems.Name("name", Name);
        problems.Text("version", Version);
        problems.Text("architecture", Architecture);
        problems.Text("publisher", Publisher);
        problems.Text("source", Source);
        problems.Text("summary", Summary);
        problems.Seconds("installedAt", InstalledAt);
        problems.Amount("sizeBytes", SizeBytes);
    }
}
