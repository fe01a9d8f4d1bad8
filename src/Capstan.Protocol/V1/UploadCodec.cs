using System.Security.Cryptography;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>Upload ⇄ signed record (JWS) ⇄ sealed file (JWE). Pure; thread-safe. Limits stand here.</summary>
public static class UploadCodec
{
    /// <summary>Longest sealed file: 8 MiB.</summary>
    public const int MaxSealedBytes = 8 << 20;
    /// <summary>Longest JSON after decompression: 32 MiB. Decompression stops there.</summary>
    public const int MaxJsonBytes = 32 << 20;

    /// <summary>Signs: the JWS compact text, whose SHA-256 is the record's hash. Compressed (gzip) before signing.</summary>
    public static string Sign(Upload upload, ECDsa deviceKey) => throw new NotSupportedException("not built yet");

    /// <summary>SHA-256 of the JWS text (ASCII), lower-case hexadecimal.</summary>
    public static string RecordHash(string record) => throw new NotSupportedException("not built yet");

    /// <summary>Seals a signed record to the site: the bytes of the file.</summary>
    public static byte[] Seal(string record, Jwk siteKey) => throw new NotSupportedException("not built yet");

    /// <summary>Opens a file: the signed record inside, still unverified.</summary>
    /// <exception cref="ProtocolException"/>
    public static string Open(ReadOnlySpan<byte> file, ECDiffieHellman siteKey) => throw new NotSupportedException("not built yet");

    /// <summary>Verifies the signature and the bindings that need no state: version, site code, recipient, and that the device id is the key's.</summary>
    /// <remarks>With <paramref name="deviceKey"/> null the embedded key is used: only for uploads whose items include a configuration request.</remarks>
    /// <exception cref="ProtocolException"/>
    public static Upload Verify(string record, Jwk? deviceKey, string siteCode, string recipient) => throw new NotSupportedException("not built yet");
}
