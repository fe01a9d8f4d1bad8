using Capstan.Client.Inventory.Smbios;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Collects what the machine is, without starting processes. What cannot be read stands in <c>Unread</c>, never as silence.</summary>
/// <remarks>Each class of facts is read alone: one that fails leaves its cause in <c>Unread</c> and never stops the rest. Lists are in a fixed order, so that an unchanged machine gives equal documents
/// (see <see cref="InventoryFingerprint"/>). Thread-safe: each collection has its own state.</remarks>
public sealed class HardwareCollector
{
    private readonly string _root;

    /// <param name="root">Where <c>proc</c>, <c>sys</c> and <c>etc</c> are found: <c>/</c>, or a recorded tree in tests. Sizes of file systems and network addresses come from the kernel, with <c>/</c> only.</param>
    public HardwareCollector(string root, TimeProvider time)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(time);
        _root = root;
    }

    /// <summary>The inventory that a file tells (CAPSTAN_HARDWARE_FILE), in place of the machine's; <see cref="HardwareInventory.Evidence"/> is the file's name.</summary>
    /// <exception cref="ClientException"><c>bad_hardware_file</c>: missing, too large, not an inventory, with the next step.</exception>
    public static HardwareInventory FromFile(string path) => HardwareEvidenceFile.Load(path);

    /// <exception cref="PlatformNotSupportedException">The message is <c>not implemented on &lt;os&gt;</c>.</exception>
    public HardwareInventory Collect(CancellationToken cancellationToken)
    {
        Platform.RequireLinux();
        var tree = new EvidenceTree(_root);
        T Part<T>(string name, Func<T> read, T otherwise)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Isolated(tree, name, read, otherwise);
        }
        var firmware = Part("firmware", () => SmbiosReader.Read(tree), new SmbiosFacts(null, null, null, null, null, null, null, []));
        var cpuinfo = Part("processors", () => tree.ReadText("proc/cpuinfo", ProcessorReader.MaxCpuinfoBytes), null);
        var mounts = Part("mounts", () => MountInfo.Parse(tree.ReadText("proc/self/mountinfo", MountInfo.MaxBytes) ?? ""), []);
        var system = Part("computer system", () => SystemReader.System(tree, firmware, mounts, cpuinfo), new ComputerSystem(Environment.MachineName, null, null, null, null, null, null));
        var operatingSystem = Part("operating system", () => SystemReader.OperatingSystem(tree), new OperatingSystemFacts("Linux", null, null, "unknown", "unknown", null, null, null));
        var processors = Part("processors", () => ProcessorReader.Read(tree, cpuinfo), []);
        var memory = Part("memory", () => MemoryReader.Read(tree, firmware.Modules), new MemoryFacts(0, 0, []));
        var disks = Part("disks", () => DiskReader.Read(tree), []);
        var fileSystems = Part("file systems", () => FileSystemReader.Read(tree, mounts), []);
        var adapters = Part("network adapters", () => NetworkReader.Read(tree), []);
        var pci = Part("PCI devices", () => PciReader.Read(tree), []);
        var usb = Part("USB devices", () => UsbReader.Read(tree), []);
        var video = Part("video", () => VideoReader.Read(tree, pci), []);
        var users = Part("logged-on users", () => UserReader.Read(tree, operatingSystem.Architecture), []);
        return new HardwareInventory
        {
            System = system,
            OperatingSystem = operatingSystem,
            Bios = firmware.Bios,
            Board = firmware.Board,
            Chassis = firmware.Chassis,
            Processors = processors,
            Memory = memory,
            Disks = disks,
            FileSystems = fileSystems,
            NetworkAdapters = adapters,
            PciDevices = pci,
            UsbDevices = usb,
            Video = video,
            LoggedOnUsers = users,
            Unread = tree.Unread,
        };
    }

    /// <summary>A fault of ours or of the system in one class costs this class only; it is named, with its kind and text.</summary>
#pragma warning disable CA1031 // One failing class never stops the rest (design.md 8).
    internal static T Isolated<T>(EvidenceTree tree, string name, Func<T> read, T otherwise)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            tree.Miss(name, $"failed: {error.GetType().Name}: {error.Message}");
            return otherwise;
        }
    }
#pragma warning restore CA1031
}
