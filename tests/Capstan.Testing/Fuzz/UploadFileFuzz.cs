using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Testing.Fuzz;

/// <summary>An upload at each of its layers: sealed file, signed record, compressed payload, JSON. Seals would otherwise hide what lies beneath from chance.</summary>
public static class UploadFileFuzz
{
    private static readonly string Recipient = FixedKeys.SiteSealing.Public.Thumbprint();

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        Sealed(data);
        Refusable(data, bytes => UploadCodec.Verify(System.Text.Encoding.Latin1.GetString(bytes), null, "ABC", Recipient));
        Refusable(data, bytes => Documents.Upload.Decode(UploadCodec.Decompress(bytes)));
        Refusable(data, bytes => Documents.Upload.Decode(bytes));
    }

    private static void Sealed(ReadOnlySpan<byte> data)
    {
        using var key = FixedKeys.SiteSealing.Sealing();
        Refusable(data, bytes => UploadCodec.Verify(UploadCodec.Open(bytes, key), FixedKeys.DeviceSigning.Public, "ABC", Recipient));
    }

    private static void Refusable(ReadOnlySpan<byte> data, Action<byte[]> decode)
    {
        try
        {
            decode(data.ToArray());
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }
}
