using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Display adapters: the cards of /sys/class/drm with their connectors, and PCI display controllers that no driver has claimed as a card.</summary>
internal static class VideoReader
{
    public static IReadOnlyList<VideoAdapter> Read(EvidenceTree tree, IReadOnlyList<PciDevice> pci)
    {
        var entries = tree.List("sys/class/drm");
        var adapters = new List<VideoAdapter>();
        var claimed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var card in entries)
        {
            if (!card.StartsWith("card", StringComparison.Ordinal) || card.Contains('-', StringComparison.Ordinal))
            {
                continue;
            }
            var slot = tree.LinkName($"sys/class/drm/{card}/device");
            PciDevice? device = null;
            foreach (var candidate in pci)
            {
                device = string.Equals(candidate.Slot, slot, StringComparison.Ordinal) ? candidate : device;
            }
            if (device is not null)
            {
                claimed.Add(device.Slot);
            }
            adapters.Add(new VideoAdapter(device is null ? card : NameOf(device), tree.LinkName($"sys/class/drm/{card}/device/driver"), Connected(tree, entries, card)));
        }
        foreach (var device in pci)
        {
            if (!claimed.Contains(device.Slot) && tree.ReadAttribute($"sys/bus/pci/devices/{device.Slot}/class") is { } code && PciReader.Hex(code) >> 16 == PciClass.Display)
            {
                adapters.Add(new VideoAdapter(NameOf(device), device.Driver, []));
            }
        }
        return adapters;
    }

    private static string NameOf(PciDevice device) => (device.Vendor, device.Product) switch
    {
        ({ } vendor, { } product) => $"{vendor} {product}",
        (var vendor, _) => $"{vendor ?? device.Class} ({device.VendorId}:{device.DeviceId})",
    };

    private static List<string> Connected(EvidenceTree tree, IReadOnlyList<string> entries, string card)
    {
        var connectors = new List<string>();
        foreach (var entry in entries)
        {
            if (entry.StartsWith(card + "-", StringComparison.Ordinal) && tree.ReadAttribute($"sys/class/drm/{entry}/status") == "connected")
            {
                connectors.Add(entry[(card.Length + 1)..]);
            }
        }
        return connectors;
    }
}
