using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Capstan.Protocol.Tuf;

/// <summary>Writes and signs metadata. Pure, except that ECDSA signatures differ each time.</summary>
internal static class MetadataWriter
{
    private const string SpecificationVersion = "1.0.31";
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="rolesByKey">Public keys of the four top-level roles.</param>
    public static byte[] Root(IReadOnlyDictionary<string, IReadOnlyList<ECDsa>> rolesByKey, int rootThreshold, IReadOnlyList<ECDsa> signers, long version, DateTimeOffset expires) =>
        Sign(signers, TufRole.Root, version, expires, writer =>
        {
            writer.WriteBoolean("consistent_snapshot", true);
            writer.WriteStartObject("keys");
            foreach (var (id, key) in rolesByKey.Values.SelectMany(keys => keys).Select(key => (Id: TufKey.IdOf(key), Key: key)).DistinctBy(key => key.Id, StringComparer.Ordinal))
            {
                writer.WritePropertyName(id);
                TufKey.Write(writer, key);
            }
            writer.WriteEndObject();
            writer.WriteStartObject("roles");
            foreach (var (role, keys) in rolesByKey)
            {
                writer.WriteStartObject(role);
                WriteRoleKeys(writer, [.. keys.Select(TufKey.IdOf)], role is TufRole.Root ? rootThreshold : 1);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        });

    public static byte[] Timestamp(ECDsa signer, long version, DateTimeOffset expires, DateTimeOffset signedAt, long snapshotVersion, ReadOnlySpan<byte> snapshot)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(snapshot));
        var length = snapshot.Length;
        return Sign([signer], TufRole.Timestamp, version, expires, writer =>
        {
            writer.WriteStartObject("meta");
            writer.WriteStartObject("snapshot.json");
            WriteHashAndLength(writer, hash, length);
            writer.WriteNumber("version", snapshotVersion);
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteNumber(TimestampMetadata.SignedAtMember, signedAt.ToUnixTimeSeconds());
        });
    }

    public static byte[] Snapshot(ECDsa signer, long version, DateTimeOffset expires, IEnumerable<(string Role, long Version)> roles) =>
        Sign([signer], TufRole.Snapshot, version, expires, writer =>
        {
            writer.WriteStartObject("meta");
            foreach (var (role, roleVersion) in roles)
            {
                writer.WriteStartObject(role + ".json");
                writer.WriteNumber("version", roleVersion);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        });

    /// <param name="delegations">Writes the members of <c>delegations</c>; null for a role that delegates nothing.</param>
    public static byte[] Targets(ECDsa signer, long version, DateTimeOffset expires, IEnumerable<KeyValuePair<string, TargetEntry>> targets, Action<Utf8JsonWriter>? delegations) =>
        Sign([signer], TufRole.Targets, version, expires, writer =>
        {
            if (delegations is not null)
            {
                writer.WriteStartObject("delegations");
                delegations(writer);
                writer.WriteEndObject();
            }
            writer.WriteStartObject("targets");
            foreach (var (path, entry) in targets)
            {
                writer.WriteStartObject(path);
                WriteHashAndLength(writer, entry.Sha256, entry.Length);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        });

    /// <summary>Delegations of the top-level role: <c>&lt;role&gt;/*</c> to each role, all terminating because their paths cannot overlap.</summary>
    public static void WriteRoleDelegations(Utf8JsonWriter writer, IReadOnlyList<(string Role, ECDsa Key)> roles)
    {
        WriteKeys(writer, roles.Select(role => role.Key));
        writer.WriteStartArray("roles");
        foreach (var (role, key) in roles)
        {
            writer.WriteStartObject();
            writer.WriteString("name", role);
            WriteRoleKeys(writer, [TufKey.IdOf(key)], 1);
            writer.WriteStartArray("paths");
            writer.WriteStringValue(role + "/*");
            writer.WriteEndArray();
            writer.WriteBoolean("terminating", true);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    public static void WriteBinDelegations(Utf8JsonWriter writer, ECDsa key, int bitLength, string namePrefix)
    {
        WriteKeys(writer, [key]);
        writer.WriteStartObject("succinct_roles");
        writer.WriteNumber("bit_length", bitLength);
        WriteRoleKeys(writer, [TufKey.IdOf(key)], 1);
        writer.WriteString("name_prefix", namePrefix);
        writer.WriteEndObject();
    }

    private static void WriteKeys(Utf8JsonWriter writer, IEnumerable<ECDsa> keys)
    {
        writer.WriteStartObject("keys");
        foreach (var (id, key) in keys.Select(key => (Id: TufKey.IdOf(key), Key: key)).DistinctBy(key => key.Id, StringComparer.Ordinal))
        {
            writer.WritePropertyName(id);
            TufKey.Write(writer, key);
        }
        writer.WriteEndObject();
    }

    private static void WriteRoleKeys(Utf8JsonWriter writer, IReadOnlyList<string> keyIds, int threshold)
    {
        writer.WriteStartArray("keyids");
        foreach (var id in keyIds)
            writer.WriteStringValue(id);
        writer.WriteEndArray();
        writer.WriteNumber("threshold", threshold);
    }

    private static void WriteHashAndLength(Utf8JsonWriter writer, string sha256, long length)
    {
        writer.WriteStartObject("hashes");
        writer.WriteString("sha256", sha256);
        writer.WriteEndObject();
        writer.WriteNumber("length", length);
    }

    private static byte[] Sign(IReadOnlyList<ECDsa> signers, string type, long version, DateTimeOffset expires, Action<Utf8JsonWriter> writeBody)
    {
        var signed = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(signed, Options))
        {
            writer.WriteStartObject();
            writer.WriteString("_type", type);
            writer.WriteString("expires", expires.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            writer.WriteString("spec_version", SpecificationVersion);
            writer.WriteNumber("version", version);
            writeBody(writer);
            writer.WriteEndObject();
        }
        byte[] canonical;
        using (var parsed = CanonicalJson.Parse(signed.WrittenMemory, type))
            canonical = CanonicalJson.Encode(parsed.RootElement);

        var file = new ArrayBufferWriter<byte>(signed.WrittenCount + 512);
        using (var writer = new Utf8JsonWriter(file, Options))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("signatures");
            foreach (var (id, key) in signers.Select(key => (Id: TufKey.IdOf(key), Key: key)).DistinctBy(key => key.Id, StringComparer.Ordinal))
            {
                writer.WriteStartObject();
                writer.WriteString("keyid", id);
                writer.WriteString("sig", Convert.ToHexStringLower(TufKey.Sign(key, canonical)));
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WritePropertyName("signed");
            writer.WriteRawValue(signed.WrittenSpan, skipInputValidation: true);
            writer.WriteEndObject();
        }
        return file.WrittenSpan.ToArray();
    }
}
