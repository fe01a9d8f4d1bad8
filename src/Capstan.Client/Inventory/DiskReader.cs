using System.Text;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Disks of /sys/block that have a device behind them: no loop, RAM, RAID or mapped devices, no empty drives.</summary>
internal static class DiskReader
{
    /// <summary>sysfs counts in sectors of 512 bytes, whatever the disk's own sector is (block/partitions/core.c).</summary>
    private const long SectorBytes = 512;

    public static IReadOnlyList<Disk> Read(EvidenceTree tree)
    {
        var uuids = Names(tree, "dev/disk/by-uuid");
        var labels = Names(tree, "dev/disk/by-label");
        var disks = new List<Disk>();
        foreach (var name in tree.List("sys/block"))
        {
            var folder = "sys/block/" + name;
            // nvme0c0n1 and the like are hidden paths of a multipath disk.
            if (tree.HasDirectory(folder + "/device") && SizeOf(tree, folder) is > 0 and var size && tree.ReadAttribute(folder + "/hidden") != "1")
            {
                disks.Add(DiskOf(tree, name, folder, size, uuids, labels));
            }
        }
        return disks;
    }

    private static Disk DiskOf(EvidenceTree tree, string name, string folder, long size, Dictionary<string, string> uuids, Dictionary<string, string> labels)
    {
        var udev = Udev(tree, folder);
        var vendor = tree.ReadAttribute(folder + "/device/vendor");
        // A virtio or PCI device has its vendor's number there, and no SCSI vendor has such a name.
        vendor = vendor is null || vendor.StartsWith("0x", StringComparison.Ordinal) || vendor == "ATA" ? null : vendor;
        var model = tree.ReadAttribute(folder + "/device/model") ?? tree.ReadAttribute(folder + "/device/name") ?? udev.GetValueOrDefault("ID_MODEL");
        var path = tree.LinkTarget(folder) ?? "";
        var driver = tree.LinkName(folder + "/device/driver");
        var bus = BusOf(path, name, driver);
        var partitions = new List<Partition>();
        foreach (var child in tree.List(folder))
        {
            if (child.StartsWith(name, StringComparison.Ordinal) && tree.HasFile($"{folder}/{child}/partition"))
            {
                var partition = Udev(tree, $"{folder}/{child}");
                partitions.Add(new Partition(child, SizeOf(tree, $"{folder}/{child}"),
                    uuids.GetValueOrDefault(child) ?? partition.GetValueOrDefault("ID_FS_UUID"), labels.GetValueOrDefault(child) ?? partition.GetValueOrDefault("ID_FS_LABEL")));
            }
        }
        partitions.Sort((a, b) => a.Name.Length != b.Name.Length ? a.Name.Length - b.Name.Length : string.CompareOrdinal(a.Name, b.Name)); // sda2 before sda10
        var serial = FactText.CleanFirmware(tree.ReadAttribute(folder + "/device/serial")) ?? FactText.CleanFirmware(tree.ReadAttribute(folder + "/serial"))
            ?? UnitSerial(tree.ReadBytes(folder + "/device/vpd_pg80")) ?? FactText.CleanFirmware(udev.GetValueOrDefault("ID_SERIAL_SHORT"));
        var fullModel = vendor is not null && model is not null && !model.StartsWith(vendor, StringComparison.OrdinalIgnoreCase) ? $"{vendor} {model}" : model ?? vendor;
        return new Disk(name, FactText.CleanFirmware(fullModel), serial, size, MediumOf(bus, vendor, model, tree.ReadAttribute(folder + "/queue/rotational")), bus, partitions);
    }

    /// <summary>A disk that a hypervisor made is neither flash nor platters, whatever its rotational flag says.</summary>
    internal static string? MediumOf(string? bus, string? vendor, string? model, string? rotational)
    {
        if (bus is "virtio" or "xen" or "vmbus" || vendor is "QEMU" or "VMware" or "Msft" or "VBOX" or "Google"
            || model is { } text && (text.StartsWith("QEMU", StringComparison.Ordinal) || text.StartsWith("VBOX", StringComparison.Ordinal) || text.StartsWith("VMware", StringComparison.Ordinal)
                || text is "Virtual Disk" or "Amazon Elastic Block Store" or "PersistentDisk"))
        {
            return "virtual";
        }
        return rotational switch { "0" => "ssd", "1" => "hdd", _ => null };
    }

    /// <summary>By the path of the device in /sys, which names every bus on the way.</summary>
    internal static string? BusOf(string devicePath, string name, string? driver)
    {
        bool Has(string part) => devicePath.Contains(part, StringComparison.Ordinal);
        return Has("/usb") ? "usb"
            : name.StartsWith("nvme", StringComparison.Ordinal) ? "nvme"
            : name.StartsWith("mmcblk", StringComparison.Ordinal) ? "mmc"
            : Has("/ata") ? "ata"
            : name.StartsWith("xvd", StringComparison.Ordinal) || Has("/vbd-") ? "xen"
            : Has("/VMBUS") || Has("/vmbus") ? "vmbus"
            : driver == "virtio_blk" || Has("/virtio") ? "virtio"
            : Has("/target") || Has("/host") ? "scsi"
            : null;
    }

    /// <summary>SCSI unit serial number page (SPC-4 7.8.12): four bytes of header, then the text.</summary>
    private static string? UnitSerial(byte[]? page) =>
        page is { Length: > 4 } && page[1] == 0x80 ? FactText.CleanFirmware(FactText.Clean(page.AsSpan(4, Math.Min(page.Length - 4, (page[2] << 8) | page[3])))) : null;

    private static long SizeOf(EvidenceTree tree, string folder) =>
        FactText.Number(tree.ReadAttribute(folder + "/size")) is > 0 and < long.MaxValue / SectorBytes and var sectors ? sectors * SectorBytes : 0;

    /// <summary>Kernel name → name in a folder of /dev/disk. A device may have several; the first in ordinal order counts.</summary>
    private static Dictionary<string, string> Names(EvidenceTree tree, string folder)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in tree.List(folder))
        {
            if (tree.LinkName($"{folder}/{name}") is { } device && Unescape(name) is { } text)
            {
                result.TryAdd(device, text);
            }
        }
        return result;
    }

    /// <summary>Properties of a block device in udev's database (/run/udev/data/b8:1): lines "E:KEY=value".</summary>
    private static Dictionary<string, string> Udev(EvidenceTree tree, string folder)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!tree.HasDirectory("run/udev/data") || tree.ReadAttribute(folder + "/dev") is not { } number || tree.ReadText("run/udev/data/b" + number) is not { } text)
        {
            return result;
        }
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var equals = line.IndexOf('=');
            if (equals > 2 && line.StartsWith("E:") && FactText.Clean(line[(equals + 1)..].ToString()) is { } value)
            {
                result.TryAdd(line[2..equals].ToString(), value);
            }
        }
        return result;
    }

    /// <summary>udev writes bytes that do not belong in a file name as \xNN.</summary>
    internal static string? Unescape(string name)
    {
        if (!name.Contains('\\', StringComparison.Ordinal))
        {
            return FactText.Clean(name);
        }
        var bytes = new List<byte>(name.Length);
        for (var i = 0; i < name.Length;)
        {
            if (name[i] == '\\' && i + 3 < name.Length && name[i + 1] == 'x' && byte.TryParse(name.AsSpan(i + 2, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var value))
            {
                bytes.Add(value);
                i += 4;
                continue;
            }
            var next = name.IndexOf('\\', i + 1);
            next = next < 0 ? name.Length : next;
            bytes.AddRange(Encoding.UTF8.GetBytes(name[i..next]));
            i = next;
        }
        return FactText.Clean(bytes.ToArray());
    }
}
