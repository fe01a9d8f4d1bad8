using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Testing.Fuzz;

/// <summary>What holds for each kind of document: refused with a <see cref="ProtocolException"/>, or written and read again without a change.</summary>
internal static class DocumentFuzz
{
    public static void Fuzz<T>(DocumentKind<T> kind, ReadOnlySpan<byte> data) where T : class
    {
        byte[] once;
        try
        {
            once = kind.Encode(kind.Decode(data));
        }
        catch (ProtocolException)
        {
            return;
        }
        var twice = kind.Encode(kind.Decode(once));
        if (!once.AsSpan().SequenceEqual(twice))
            throw new InvalidOperationException($"{kind.Name} changes when it is read and written: {Encoding.UTF8.GetString(once)} became {Encoding.UTF8.GetString(twice)}");
    }
}

public static class PolicyFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.Policy, data);
}

public static class SiteDescriptionFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.SiteDescription, data);
}

public static class CapListFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.CapList, data);
}

public static class ClientBuildsFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.ClientBuilds, data);
}

public static class HardwareInventoryFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.HardwareInventory, data);
}

public static class SoftwareInventoryFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.SoftwareInventory, data);
}

public static class HeartbeatFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.Heartbeat, data);
}

public static class CapUseFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.CapUse, data);
}

public static class ConfigurationRequestFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data) => DocumentFuzz.Fuzz(Documents.ConfigurationRequest, data);
}

/// <summary>The file (a JWS), and the document inside.</summary>
public static class ReceiptsFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        DocumentFuzz.Fuzz(Documents.Receipts, data);
        try
        {
            ReceiptsCodec.Verify(data, FixedKeys.SiteReceipts.Public, "ABC", 1, "00");
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }
}

/// <summary>The line that an administrator pastes, and the document inside.</summary>
public static class EnrolmentTokenFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        DocumentFuzz.Fuzz(Documents.EnrolmentToken, data);
        try
        {
            EnrolmentToken.Decode(Encoding.UTF8.GetString(data));
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }
}
