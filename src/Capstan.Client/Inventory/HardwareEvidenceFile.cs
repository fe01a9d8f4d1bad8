using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>A hardware inventory that stands in a file, in place of the machine's (for tests and demonstrations; the inventory says so).</summary>
internal static class HardwareEvidenceFile
{
    /// <exception cref="ClientException"><c>bad_hardware_file</c>.</exception>
    public static HardwareInventory Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > Documents.HardwareInventory.MaxBytes)
            {
                throw Bad(path, $"it has {file.Length} bytes, and {Documents.HardwareInventory.MaxBytes} are allowed", null);
            }
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return Parse(bytes, path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Bad(path, error.Message, error);
        }
    }

    /// <summary>Held to the same limits as an inventory that arrives at a site.</summary>
    internal static HardwareInventory Parse(ReadOnlySpan<byte> json, string path)
    {
        try
        {
            return Documents.HardwareInventory.Decode(json) with { Evidence = FactText.Clean(Path.GetFileName(path)) ?? "file" };
        }
        catch (ProtocolException error)
        {
            throw Bad(path, error.Message, error);
        }
    }

    private static ClientException Bad(string path, string reason, Exception? inner) =>
        new($"the hardware file {path} cannot be used: {reason}; give a JSON hardware inventory of version 1, or unset CAPSTAN_HARDWARE_FILE", "bad_hardware_file", inner);
}
