using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Jose;

namespace Capstan.Testing.Fuzz;

/// <summary>A JWS that claims to be of the device, with any content type of ours.</summary>
public static class JwsFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using var key = FixedKeys.DeviceSigning.Signing();
        try
        {
            var compact = Encoding.Latin1.GetString(data);
            Jws.PeekEmbeddedKey(compact)?.Thumbprint();
            Jws.Verify(compact, key, "capstan-upload+gzip");
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }
}

/// <summary>A JWE that claims to be for the site.</summary>
public static class JweFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using var key = FixedKeys.SiteSealing.Sealing();
        try
        {
            Jwe.Open(Encoding.Latin1.GetString(data), key, "capstan-record");
        }
        catch (ProtocolException)
        {
            // The one answer to bad input; anything else is a finding.
        }
    }
}
