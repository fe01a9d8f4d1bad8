using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory.Smbios;

/// <summary>What firmware says of the machine. Each part is null when its structure is absent.</summary>
internal sealed record SmbiosFacts(string? Manufacturer, string? Model, string? SerialNumber, string? Uuid, BiosFacts? Bios, BoardFacts? Board, ChassisFacts? Chassis,
    IReadOnlyList<MemoryModule> Modules)
{
    /// <param name="version">Of the entry point; null when unknown, then the byte order of 2.6 and later is assumed, as the kernel does for new tables.</param>
    public static SmbiosFacts Of(SmbiosTable table, Version? version)
    {
        var system = table.First(1);
        return new SmbiosFacts(
            // 7.2 System Information
            system?.String(0x04), system?.String(0x05), system?.String(0x07), system is null ? null : UuidOf(system.Bytes(0x08, 16), version),
            // 7.1 BIOS Information
            table.First(0) is { } bios ? new BiosFacts(bios.String(0x04), bios.String(0x05), Date(bios.String(0x08))) : null,
            // 7.3 Baseboard
            table.First(2) is { } board ? new BoardFacts(board.String(0x04), board.String(0x05), board.String(0x06), board.String(0x07)) : null,
            // 7.4 System Enclosure
            table.First(3) is { } chassis ? new ChassisFacts(ChassisType(chassis.Byte(0x05)), chassis.String(0x04), chassis.String(0x07), chassis.String(0x08)) : null,
            ModulesOf(table));
    }

    /// <summary>7.2.1: since 2.6 the first three fields are little-endian; all zeros or all ones mean "not set".</summary>
    internal static string? UuidOf(ReadOnlySpan<byte> bytes, Version? version)
    {
        if (bytes.Length != 16 || !bytes.ContainsAnyExcept((byte)0) || !bytes.ContainsAnyExcept((byte)0xFF))
        {
            return null;
        }
        var bigEndian = version is { } known && known < new Version(2, 6);
        return new Guid(bytes, bigEndian).ToString("D");
    }

    /// <summary>7.1, release date: mm/dd/yy or mm/dd/yyyy, given as yyyy-MM-dd. No PC firmware is older than 1980, so a two-digit year below 80 is of this century. Other forms stay as they are.</summary>
    internal static string? Date(string? text)
    {
        if (text is null)
        {
            return null;
        }
        var parts = text.Split('/');
        if (parts.Length != 3 || FactText.Number(parts[0]) is not { } month || FactText.Number(parts[1]) is not { } day || FactText.Number(parts[2]) is not { } year)
        {
            return text;
        }
        year = parts[2].Trim().Length == 2 ? year + (year < 80 ? 2000 : 1900) : year;
        return year is >= 1980 and <= 9999 && month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth((int)year, (int)month)
            ? new DateOnly((int)year, (int)month, (int)day).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
            : text;
    }

    /// <summary>7.4.1; bit 7 says that a lock is present.</summary>
    internal static string? ChassisType(int? value) => (value & 0x7F) switch
    {
        0x03 => "desktop",
        0x04 => "low-profile desktop",
        0x05 => "pizza box",
        0x06 => "mini tower",
        0x07 => "tower",
        0x08 => "portable",
        0x09 => "laptop",
        0x0A => "notebook",
        0x0B => "hand held",
        0x0C => "docking station",
        0x0D => "all in one",
        0x0E => "sub notebook",
        0x0F => "space-saving",
        0x10 => "lunch box",
        0x11 => "main server chassis",
        0x12 => "expansion chassis",
        0x13 => "sub chassis",
        0x14 => "bus expansion chassis",
        0x15 => "peripheral chassis",
        0x16 => "RAID chassis",
        0x17 => "rack mount chassis",
        0x18 => "sealed-case PC",
        0x19 => "multi-system chassis",
        0x1A => "compact PCI",
        0x1B => "advanced TCA",
        0x1C => "blade",
        0x1D => "blade enclosure",
        0x1E => "tablet",
        0x1F => "convertible",
        0x20 => "detachable",
        0x21 => "IoT gateway",
        0x22 => "embedded PC",
        0x23 => "mini PC",
        0x24 => "stick PC",
        0x01 => "other",
        _ => null,
    };

    private static List<MemoryModule> ModulesOf(SmbiosTable table)
    {
        var modules = new List<MemoryModule>();
        foreach (var device in table.Structures)
        {
            if (device.Type == 17 && SizeOf(device) is var size and > 0)
            {
                modules.Add(new MemoryModule(SlotOf(device), size, MemoryType(device.Byte(0x12)), SpeedOf(device), device.String(0x17), device.String(0x1A), device.String(0x18)));
            }
        }
        return modules;
    }

    /// <summary>7.18, 0Ch: 0 is an empty socket, FFFFh unknown, 7FFFh "see extended size" in MiB (1Ch, 7.18.5); bit 15 set means KiB instead of MiB.</summary>
    private static long SizeOf(SmbiosStructure device) => device.Word(0x0C) switch
    {
        null or 0 or 0xFFFF => 0,
        0x7FFF => ((device.DoubleWord(0x1C) ?? 0) & 0x7FFF_FFFF) * 1024L * 1024,
        { } size when (size & 0x8000) != 0 => (size & 0x7FFF) * 1024L,
        { } size => size * 1024L * 1024,
    };

    /// <summary>Device locator (10h), with the bank (11h) in front when both are told: locators alone repeat on some servers.</summary>
    private static string? SlotOf(SmbiosStructure device) => (device.String(0x11), device.String(0x10)) switch
    {
        ({ } bank, { } slot) when !slot.Contains(bank, StringComparison.OrdinalIgnoreCase) => $"{bank} / {slot}",
        (var bank, var slot) => slot ?? bank,
    };

    /// <summary>15h in MT/s; FFFFh means "see extended speed" (54h, 7.18.6); 0 is unknown.</summary>
    private static int? SpeedOf(SmbiosStructure device) => device.Word(0x15) switch
    {
        null or 0 => null,
        0xFFFF => device.DoubleWord(0x54) is { } extended && (extended & 0x7FFF_FFFF) is var speed and > 0 ? (int)speed : null,
        { } speed => speed,
    };

    /// <summary>7.18.2.</summary>
    internal static string? MemoryType(int? value) => value switch
    {
        0x03 => "DRAM",
        0x04 => "EDRAM",
        0x05 => "VRAM",
        0x06 => "SRAM",
        0x07 => "RAM",
        0x08 => "ROM",
        0x09 => "FLASH",
        0x0F => "SDRAM",
        0x11 => "RDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x19 => "FBD2",
        0x1A => "DDR4",
        0x1B => "LPDDR",
        0x1C => "LPDDR2",
        0x1D => "LPDDR3",
        0x1E => "LPDDR4",
        0x1F => "logical non-volatile",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => null,
    };
}
