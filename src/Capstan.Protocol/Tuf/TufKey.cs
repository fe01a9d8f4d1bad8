using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.Tuf;

/// <summary>A public key as TUF metadata carries it: ECDSA P-256, PEM, SHA-256. Immutable.</summary>
internal sealed class TufKey
{
    public const string KeyType = "ecdsa";
    public const string Scheme = "ecdsa-sha2-nistp256";

    /// <summary>SubjectPublicKeyInfo of every P-256 key with an uncompressed point begins with this; one key has one encoding, so that it cannot count twice.</summary>
    private static ReadOnlySpan<byte> P256Prefix => [0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
        0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04];

    private readonly byte[]? _subjectPublicKeyInfo;

    private TufKey(string id, byte[]? subjectPublicKeyInfo)
    {
        Id = id;
        _subjectPublicKeyInfo = subjectPublicKeyInfo;
    }

    public string Id { get; }

    /// <summary>Two names of one key are one key: a threshold counts these. Null for a kind of key that we do not know, which verifies nothing.</summary>
    public string? Identity => _subjectPublicKeyInfo is null ? null : Convert.ToHexString(_subjectPublicKeyInfo);

    /// <remarks>A key of an unknown type or scheme is legal (TUF 4.2) and never counts towards a threshold.</remarks>
    public static TufKey Parse(string id, MetadataElement json)
    {
        var type = json["keytype"].Text();
        var scheme = json["scheme"].Text();
        var pem = json["keyval"]["public"].Text();
        var known = type is KeyType or Scheme && scheme is Scheme;
        return new TufKey(id, known && PemEncoding.TryFind(pem, out var fields) && pem.AsSpan()[fields.Label] is "PUBLIC KEY" ? Decode(pem.AsSpan()[fields.Base64Data]) : null);
    }

    /// <summary>The key id that we give: SHA-256, in hexadecimal, of the canonical form of the key object.</summary>
    public static string IdOf(ECDsa key)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
            Write(writer, key);
        using var parsed = CanonicalJson.Parse(buffer.WrittenMemory, "key");
        return Convert.ToHexStringLower(SHA256.HashData(CanonicalJson.Encode(parsed.RootElement)));
    }

    public static void Write(Utf8JsonWriter writer, ECDsa key)
    {
        writer.WriteStartObject();
        writer.WriteString("keytype", KeyType);
        writer.WriteStartObject("keyval");
        writer.WriteString("public", key.ExportSubjectPublicKeyInfoPem());
        writer.WriteEndObject();
        writer.WriteString("scheme", Scheme);
        writer.WriteEndObject();
    }

    public bool Verify(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        if (_subjectPublicKeyInfo is null)
            return false;
        using var key = P256.Signing();
        try
        {
            key.ImportSubjectPublicKeyInfo(_subjectPublicKeyInfo, out _);
            return key.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            // Not a key, or not a signature, of this kind: it verifies nothing, as a wrong one does.
            return false;
        }
    }

    public static byte[] Sign(ECDsa key, ReadOnlySpan<byte> signed) =>
        key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    private static byte[]? Decode(ReadOnlySpan<char> base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64Chars(base64, bytes, out var length) && length == 91 && bytes.AsSpan().StartsWith(P256Prefix) ? bytes[..length] : null;
    }
}

/// <summary>Whose signatures a role needs.</summary>
/// <param name="Keys">Only keys that the delegator defines; distinct ids.</param>
/// <param name="Threshold">Number of distinct keys; at least 1.</param>
internal sealed record RoleKeys(IReadOnlyList<TufKey> Keys, int Threshold)
{
    public static RoleKeys Parse(MetadataElement json, IReadOnlyDictionary<string, TufKey> keys)
    {
        var ids = json["keyids"].Items().Select(id => id.Text()).ToList();
        if (ids.Distinct(StringComparer.Ordinal).Count() != ids.Count)
            throw json.Malformed("a key id stands twice in one role");
        var threshold = json["threshold"].Number(1);
        // More than the keys there are can never be reached: not an error of form, but nothing verifies.
        return new RoleKeys([.. ids.Where(keys.ContainsKey).Select(id => keys[id])], (int)Math.Min(threshold, int.MaxValue));
    }

    /// <exception cref="ProtocolException"><see cref="ProtocolError.BadSignature"/>.</exception>
    public void Verify(MetadataFile file, string role)
    {
        var valid = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in Keys)
        {
            if (key.Identity is { } identity && !valid.Contains(identity) && file.Signatures.TryGetValue(key.Id, out var signature) && key.Verify(file.CanonicalSigned, signature))
                valid.Add(identity);
        }
        if (valid.Count < Threshold)
        {
            throw new ProtocolException(ProtocolError.BadSignature,
                $"{file.Document} has {valid.Count} of {Threshold} valid signatures by the keys of role {role}.", file.Document);
        }
    }

    /// <summary>The same keys and threshold, in any order.</summary>
    public bool Same(RoleKeys other) =>
        Threshold == other.Threshold && Keys.Select(key => key.Id).ToHashSet(StringComparer.Ordinal).SetEquals(other.Keys.Select(key => key.Id));
}
