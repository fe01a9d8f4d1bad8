using System.Globalization;
using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;

namespace Capstan.Agent;

/// <summary>A machine's inventories for people and for programs; null for one that could not be collected.</summary>
internal static class InventoryText
{
    /// <summary>An object with the members <c>hardware</c> and <c>software</c>: the documents as a client uploads them.</summary>
    public static string Json(HardwareInventory? hardware, SoftwareInventory? software)
    {
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            Write(writer, "hardware", hardware is null ? null : Documents.HardwareInventory.Encode(hardware));
            Write(writer, "software", software is null ? null : Documents.SoftwareInventory.Encode(software));
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    /// <summary>The facts that a person asks for first; all of them are in the JSON.</summary>
    public static string Table(HardwareInventory? hardware, SoftwareInventory? software) => StatusTable.Table(
    [
        .. hardware is null ? [] : Of(hardware),
        ("Packages", software is null ? "not read" : software.Packages.Count.ToString(CultureInfo.InvariantCulture)),
        .. (hardware?.Unread ?? []).Select(unread => ("Not read", $"{unread.Source}: {unread.Reason}")),
    ]);

    private static List<(string Left, string Right)> Of(HardwareInventory hardware) =>
    [
        ("Host", hardware.System.HostName),
        ("System", Join(hardware.System.Manufacturer, hardware.System.Model)),
        ("Serial number", hardware.System.SerialNumber ?? "unknown"),
        ("Operating system", Join(hardware.OperatingSystem.Name, hardware.OperatingSystem.Architecture)),
        .. hardware.Processors.Select(processor => ("Processor", string.Create(CultureInfo.InvariantCulture, $"{processor.Model}, {processor.Cores} cores"))),
        ("Memory", Size(hardware.Memory.TotalBytes)),
        .. hardware.Disks.Select(disk => ("Disk", $"{disk.Name}: {Join(disk.Model, Size(disk.SizeBytes))}")),
        .. hardware.FileSystems.Select(file => ("File system", $"{file.MountPoint}: {file.Type}, {Size(file.TotalBytes)}")),
        .. hardware.NetworkAdapters.Select(adapter => ("Network adapter", Join(adapter.Name + ":", adapter.Mac))),
    ];

    private static void Write(Utf8JsonWriter writer, string name, byte[]? document)
    {
        writer.WritePropertyName(name);
        if (document is null)
        {
            writer.WriteNullValue();
            return;
        }
        using var parsed = JsonDocument.Parse(document);
        parsed.RootElement.WriteTo(writer);
    }

    private static string Join(string? left, string? right) => (left, right) is (null, null) ? "unknown" : $"{left} {right}".Trim();

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 30):F1} GiB");
}
