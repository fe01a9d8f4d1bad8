using Capstan.Client.Inventory.Smbios;

namespace Capstan.Testing.Fuzz;

/// <summary>Firmware's tables: the same bytes as table and as entry point; nothing throws, and every text is bounded.</summary>
public static class SmbiosFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var facts = SmbiosFacts.Of(SmbiosTable.Parse(data.ToArray()), SmbiosTable.VersionOf(data));
        FuzzFacts.Check(facts.Manufacturer, facts.Model, facts.SerialNumber, facts.Uuid, facts.Bios?.Vendor, facts.Bios?.Version, facts.Bios?.ReleaseDate,
            facts.Board?.Manufacturer, facts.Board?.Product, facts.Chassis?.Type, facts.Chassis?.AssetTag);
        foreach (var module in facts.Modules)
        {
            FuzzFacts.Check(module.Manufacturer, module.PartNumber, module.SerialNumber, module.Type);
            if (module.SizeBytes <= 0 || module.SpeedMegatransfers <= 0)
            {
                throw new InvalidOperationException($"a module of {module.SizeBytes} bytes at {module.SpeedMegatransfers} MT/s");
            }
        }
    }
}
