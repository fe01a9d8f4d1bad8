using System.Security.Cryptography;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Tells whether an inventory is worth an upload: equal fingerprints mean that nothing which lasts has changed.</summary>
/// <remarks>
/// SHA-256, in lower-case hexadecimal, of the document without what moves on an unchanged machine:
/// free bytes of file systems; logged-on users; the boot time when a boot id is known (the time moves with each setting of the clock, the id only with a boot);
/// adapters of container hosts (<c>veth…</c>), which come and go by the minute. All of these are still uploaded whenever something else changes.
/// A change of the fingerprint's own rules costs one upload per client.
/// </remarks>
public static class InventoryFingerprint
{
    /// <exception cref="Protocol.ProtocolException">No site would take this inventory.</exception>
    public static string Of(HardwareInventory inventory)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        var fileSystems = new List<FileSystemFacts>(inventory.FileSystems.Count);
        foreach (var fileSystem in inventory.FileSystems)
        {
            fileSystems.Add(fileSystem with { FreeBytes = 0 });
        }
        var adapters = new List<NetworkAdapter>(inventory.NetworkAdapters.Count);
        foreach (var adapter in inventory.NetworkAdapters)
        {
            if (!adapter.Name.StartsWith("veth", StringComparison.Ordinal))
            {
                adapters.Add(adapter);
            }
        }
        var lasting = inventory with
        {
            FileSystems = fileSystems,
            NetworkAdapters = adapters,
            LoggedOnUsers = [],
            OperatingSystem = inventory.OperatingSystem.BootId is null ? inventory.OperatingSystem : inventory.OperatingSystem with { BootTime = null },
        };
        return Hash(Documents.HardwareInventory.Encode(lasting));
    }

    /// <exception cref="Protocol.ProtocolException">No site would take this inventory.</exception>
    public static string Of(SoftwareInventory inventory)
    {
        ArgumentNullException.ThrowIfNull(inventory);
        return Hash(Documents.SoftwareInventory.Encode(inventory));
    }

    private static string Hash(byte[] document) => Convert.ToHexStringLower(SHA256.HashData(document));
}
