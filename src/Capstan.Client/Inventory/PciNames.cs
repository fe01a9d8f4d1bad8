using System.Buffers.Text;

namespace Capstan.Client.Inventory;

/// <summary>Looks up vendors and devices in pci.ids: "vvvv  name", then its devices as TAB "dddd  name".</summary>
internal static class PciNames
{
    /// <summary>Bound of the file; it has 1.4 MB in 2026.</summary>
    public const int MaxBytes = 8 * 1024 * 1024;

    public static uint Key(uint vendor, uint device) => ((vendor & 0xFFFF) << 16) | (device & 0xFFFF);

    /// <summary>One pass over the file; only what is wanted becomes a string. A device that is not listed still gets its vendor's name.</summary>
    public static Dictionary<uint, (string? Vendor, string? Device)> Parse(ReadOnlySpan<byte> database, HashSet<uint> wanted)
    {
        var vendors = new HashSet<uint>();
        foreach (var key in wanted)
        {
            vendors.Add(key >> 16);
        }
        var vendorNames = new Dictionary<uint, string?>();
        var result = new Dictionary<uint, (string? Vendor, string? Device)>();
        uint vendor = 0;
        var interesting = false;
        while (database.Length > 0)
        {
            var end = database.IndexOf((byte)'\n');
            var line = end < 0 ? database : database[..end];
            database = end < 0 ? default : database[(end + 1)..];
            if (line.Length < 6 || line[0] == '#')
            {
                continue;
            }
            if (line[0] != '\t')
            {
                // Device classes ("C 03  Display controller") follow the vendors.
                interesting = TryId(line, out vendor) && vendors.Contains(vendor);
                if (interesting)
                {
                    vendorNames.TryAdd(vendor, FactText.Clean(line[4..]));
                }
            }
            else if (interesting && line[1] != '\t' && TryId(line[1..], out var device) && wanted.Contains(Key(vendor, device)))
            {
                result.TryAdd(Key(vendor, device), (vendorNames[vendor], FactText.Clean(line[5..])));
            }
        }
        foreach (var key in wanted)
        {
            if (vendorNames.TryGetValue(key >> 16, out var name))
            {
                result.TryAdd(key, (name, null));
            }
        }
        return result;
    }

    private static bool TryId(ReadOnlySpan<byte> line, out uint id)
    {
        id = 0;
        return line.Length > 4 && line[4] == ' ' && Utf8Parser.TryParse(line[..4], out id, out var consumed, 'x') && consumed == 4;
    }
}
