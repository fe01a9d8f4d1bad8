using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory.Smbios;

/// <summary>Finds what firmware says: the SMBIOS tables (root only), else the kernel's extract of them, else the device tree.</summary>
internal static class SmbiosReader
{
    public static SmbiosFacts Read(EvidenceTree tree)
    {
        if (tree.ReadBytes("sys/firmware/dmi/tables/DMI", SmbiosTable.MaxBytes) is { Length: > 0 } bytes)
        {
            var table = SmbiosTable.Parse(bytes);
            if (table.Structures.Count > 0)
            {
                return SmbiosFacts.Of(table, SmbiosTable.VersionOf(tree.ReadBytes("sys/firmware/dmi/tables/smbios_entry_point")));
            }
            tree.Miss("/sys/firmware/dmi/tables/DMI", "not an SMBIOS table; the kernel's extract is used instead");
        }
        if (tree.HasDirectory("sys/class/dmi/id"))
        {
            return FromKernel(tree);
        }
        if (tree.HasDirectory("proc/device-tree"))
        {
            return new SmbiosFacts(null, Firmware(tree, "proc/device-tree/model"), Firmware(tree, "proc/device-tree/serial-number"), null, null, null, null, []);
        }
        tree.Miss("smbios", "this machine shows neither SMBIOS tables nor a device tree (usual in containers and micro VMs); nothing to do");
        return new SmbiosFacts(null, null, null, null, null, null, null, []);
    }

    private static SmbiosFacts FromKernel(EvidenceTree tree)
    {
        string? Id(string name) => Firmware(tree, "sys/class/dmi/id/" + name);
        var chassisType = tree.ReadAttribute("sys/class/dmi/id/chassis_type") is { } type && FactText.Number(type) is >= 0 and <= 255 and var number
            ? SmbiosFacts.ChassisType((int)number)
            : null;
        var uuid = Guid.TryParse(Id("product_uuid"), out var parsed) && parsed != Guid.Empty && parsed != Guid.AllBitsSet ? parsed.ToString("D") : null;
        return new SmbiosFacts(Id("sys_vendor"), Id("product_name"), Id("product_serial"), uuid,
            new BiosFacts(Id("bios_vendor"), Id("bios_version"), SmbiosFacts.Date(Id("bios_date"))),
            new BoardFacts(Id("board_vendor"), Id("board_name"), Id("board_version"), Id("board_serial")),
            new ChassisFacts(chassisType, Id("chassis_vendor"), Id("chassis_serial"), Id("chassis_asset_tag")),
            []);
    }

    private static string? Firmware(EvidenceTree tree, string path) => FactText.CleanFirmware(tree.ReadAttribute(path));
}
