using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>PCI functions of /sys/bus/pci/devices, with names from the machine's own pci.ids when it has one.</summary>
internal static class PciReader
{
    private static readonly string[] s_databases = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids"];

    public static IReadOnlyList<PciDevice> Read(EvidenceTree tree)
    {
        var devices = new List<PciDevice>();
        var wanted = new HashSet<uint>();
        foreach (var slot in tree.List("sys/bus/pci/devices"))
        {
            var folder = "sys/bus/pci/devices/" + slot;
            if (Hex(tree.ReadAttribute(folder + "/vendor")) is not { } vendor || Hex(tree.ReadAttribute(folder + "/device")) is not { } device)
            {
                continue;
            }
            wanted.Add(PciNames.Key(vendor, device));
            devices.Add(new PciDevice(slot, Four(vendor), Four(device), PciClass.Name(Hex(tree.ReadAttribute(folder + "/class")) ?? 0), null, null, tree.LinkName(folder + "/driver")));
        }
        if (devices.Count == 0 || Database(tree) is not { } database)
        {
            return devices;
        }
        var names = PciNames.Parse(database, wanted);
        return devices.ConvertAll(d => names.TryGetValue(PciNames.Key(Hex(d.VendorId)!.Value, Hex(d.DeviceId)!.Value), out var name) ? d with { Vendor = name.Vendor, Product = name.Device } : d);
    }

    /// <summary>Hexadecimal digits, with or without 0x.</summary>
    internal static uint? Hex(ReadOnlySpan<char> text) =>
        uint.TryParse(text.StartsWith("0x") ? text[2..] : text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static string Four(uint value) => value.ToString("x4", CultureInfo.InvariantCulture);

    private static byte[]? Database(EvidenceTree tree)
    {
        foreach (var path in s_databases)
        {
            if (tree.ReadBytes(path, PciNames.MaxBytes) is { } bytes)
            {
                return bytes;
            }
        }
        return null;
    }
}
