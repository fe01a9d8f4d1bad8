using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>USB devices of /sys/bus/usb/devices, root hubs included; interfaces ("1-2:1.0") are parts of a device.</summary>
internal static class UsbReader
{
    public static IReadOnlyList<UsbDevice> Read(EvidenceTree tree)
    {
        var devices = new List<UsbDevice>();
        foreach (var name in tree.List("sys/bus/usb/devices"))
        {
            var folder = "sys/bus/usb/devices/" + name;
            if (!name.Contains(':', StringComparison.Ordinal) && tree.ReadAttribute(folder + "/idVendor") is { } vendor && tree.ReadAttribute(folder + "/idProduct") is { } product)
            {
                devices.Add(new UsbDevice(name, vendor, product, tree.ReadAttribute(folder + "/manufacturer"), tree.ReadAttribute(folder + "/product"),
                    FactText.CleanFirmware(tree.ReadAttribute(folder + "/serial"))));
            }
        }
        return devices;
    }
}
