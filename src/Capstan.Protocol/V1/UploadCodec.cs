using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>Upload ⇄ signed record (JWS) ⇄ sealed file (JWE). Pure; thread-safe. Limits stand here.</summary>
/// <remarks>JSON → gzip → JWS <c>capstan-upload+gzip</c> → JWE <c>capstan-record</c>. Compression is inside what is signed, since implementations refuse JOSE's own <c>zip</c>.</remarks>
public static class UploadCodec
{
    /// <summary>Longest sealed file: 8 MiB.</summary>
    public const int MaxSealedBytes = 8 << 20;
    /// <summary>Longest JSON after decompression: 32 MiB. Decompression stops there.</summary>
    public const int MaxJsonBytes = 32 << 20;

    private const string UploadContentType = "capstan-upload+gzip";
    private const string RecordContentType = "capstan-record";

    /// <summary>Signs: the JWS compact text, whose SHA-256 is the record's hash. Compressed (gzip) before signing.</summary>
    /// <remarks>The key is embedded exactly when the upload holds a configuration request: the site does not know it yet.</remarks>
    /// <exception cref="ProtocolException">Nobody would accept this upload: all problems in one message.</exception>
    public static string Sign(Upload upload, ECDsa deviceKey)
    {
        ArgumentNullException.ThrowIfNull(upload);
        ArgumentNullException.ThrowIfNull(deviceKey);
        return Jws.Sign(Compress(Documents.Upload.Encode(upload)), deviceKey, UploadContentType, embedKey: HasConfigurationRequest(upload));
    }

    /// <summary>SHA-256 of the JWS text (ASCII), lower-case hexadecimal.</summary>
    public static string RecordHash(string record) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(record)));

    /// <summary>Seals a signed record to the site: the bytes of the file.</summary>
    /// <exception cref="ProtocolException"><see cref="ProtocolError.TooLarge"/>: the file would exceed <see cref="MaxSealedBytes"/>.</exception>
    public static byte[] Seal(string record, Jwk siteKey)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(siteKey);
        var file = Encoding.ASCII.GetBytes(Jwe.Seal(Encoding.ASCII.GetBytes(record), siteKey, RecordContentType));
        return file.Length <= MaxSealedBytes ? file : throw TooLarge(file.Length);
    }

    /// <summary>Opens a file: the signed record inside, still unverified.</summary>
    /// <exception cref="ProtocolException"/>
    public static string Open(ReadOnlySpan<byte> file, ECDiffieHellman siteKey) => Open(file, siteKey, Jwk.From(siteKey).Thumbprint());

    /// <param name="file">As above.</param>
    /// <param name="siteKey">As above.</param>
    /// <param name="recipient">Thumbprint of <paramref name="siteKey"/>, computed once by who opens many.</param>
    /// <exception cref="ProtocolException"/>
    public static string Open(ReadOnlySpan<byte> file, ECDiffieHellman siteKey, string recipient)
    {
        ArgumentNullException.ThrowIfNull(siteKey);
        if (file.Length > MaxSealedBytes)
            throw TooLarge(file.Length);
        return Encoding.ASCII.GetString(Jwe.Open(Encoding.ASCII.GetString(file), siteKey, recipient, RecordContentType));
    }

    /// <summary>Verifies the signature and the bindings that need no state: version, site code, recipient, and that the device id is the key's.</summary>
    /// <remarks>
    /// With <paramref name="deviceKey"/> null the embedded key is used: only for uploads whose items include a configuration request.
    /// Epoch, sequence and previous hash are bound by the signature and judged by the caller, who has the state. Bodies of items are not decoded,
    /// except that a configuration request must ask for the very key that signed it.
    /// </remarks>
    /// <param name="record">From <see cref="Open(ReadOnlySpan{byte}, ECDiffieHellman)"/>.</param>
    /// <param name="deviceKey">The known signing key of the device.</param>
    /// <param name="siteCode">Of this site.</param>
    /// <param name="recipient">Thumbprint of the key that opened the file.</param>
    /// <exception cref="ProtocolException"/>
    public static Upload Verify(string record, Jwk? deviceKey, string siteCode, string recipient)
    {
        ArgumentNullException.ThrowIfNull(record);
        var signer = deviceKey ?? Jws.PeekEmbeddedKey(record)
            ?? throw new ProtocolException(ProtocolError.BadSignature, "the record is of a device that is not known and embeds no key");
        using var key = new VerifyingKey(signer);
        return VerifyBy(record, key, isKnown: deviceKey is not null, siteCode, recipient);
    }

    /// <summary>As <see cref="Verify"/>, for a known device whose key is used again.</summary>
    /// <exception cref="ProtocolException"/>
    public static Upload VerifyKnown(string record, VerifyingKey deviceKey, string siteCode, string recipient)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(deviceKey);
        return VerifyBy(record, deviceKey, isKnown: true, siteCode, recipient);
    }

    private static Upload VerifyBy(string record, VerifyingKey key, bool isKnown, string siteCode, string recipient)
    {
        var upload = Documents.Upload.Decode(Decompress(Jws.Verify(record, key, UploadContentType)));

        if (upload.SiteCode != siteCode)
            throw Binding($"site {upload.SiteCode}; this is site {siteCode}");
        if (upload.Recipient != recipient)
            throw Binding("another sealing key than the one that opened it");
        if (upload.DeviceId != key.Device.Value)
            throw Binding("another device than the one whose key signed it");
        if (!isKnown && !HasConfigurationRequest(upload))
            throw Binding("a device that is not known, and does not ask to become known");
        foreach (var item in upload.Items.Where(IsConfigurationRequest))
        {
            if (Documents.ConfigurationRequest.Decode(item).SigningKey != key.Key)
                throw Binding("a configuration request for another key than the one that signed it");
        }
        return upload;
    }

    /// <summary>At most <see cref="MaxJsonBytes"/> are ever produced.</summary>
    /// <exception cref="ProtocolException"/>
    internal static ReadOnlySpan<byte> Decompress(byte[] payload)
    {
        using var gzip = new GZipStream(new MemoryStream(payload), CompressionMode.Decompress);
        using var json = new MemoryStream(Math.Min(payload.Length * 4, MaxJsonBytes));
        var buffer = new byte[16 << 10];
        try
        {
            for (int read; (read = gzip.Read(buffer)) > 0;)
            {
                if (json.Length + read > MaxJsonBytes)
                    throw new ProtocolException(ProtocolError.TooLarge, $"the upload decompresses to more than {MaxJsonBytes} bytes");
                json.Write(buffer, 0, read);
            }
        }
        catch (InvalidDataException e)
        {
            throw new ProtocolException(ProtocolError.Malformed, "the upload is not gzip", inner: e);
        }
        return json.GetBuffer().AsSpan(0, (int)json.Length);
    }

    private static byte[] Compress(byte[] json)
    {
        using var payload = new MemoryStream();
        using (var gzip = new GZipStream(payload, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(json);
        return payload.ToArray();
    }

    private static bool HasConfigurationRequest(Upload upload) => upload.Items.Any(IsConfigurationRequest);

    private static bool IsConfigurationRequest(UploadItem item) => item.Kind == ItemKind.ConfigurationRequest;

    private static ProtocolException Binding(string what) => new(ProtocolError.WrongBinding, $"the record is signed for {what}");

    private static ProtocolException TooLarge(int length) =>
        new(ProtocolError.TooLarge, $"the sealed upload has {length} bytes; the limit is {MaxSealedBytes}");
}
