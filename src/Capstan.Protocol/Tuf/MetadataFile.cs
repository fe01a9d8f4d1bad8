using System.Security.Cryptography;

namespace Capstan.Protocol.Tuf;

/// <summary>A metadata file as it was received: the envelope. What it says is not trusted until <see cref="RoleKeys.Verify"/> passed.</summary>
/// <remarks>The signatures cover the canonical form of the received <c>signed</c>, members that we do not know included.</remarks>
internal sealed class MetadataFile
{
    private MetadataFile(string document, ReadOnlyMemory<byte> bytes, MetadataElement signed, byte[] canonicalSigned, IReadOnlyDictionary<string, byte[]> signatures)
    {
        Document = document;
        Bytes = bytes;
        Signed = signed;
        CanonicalSigned = canonicalSigned;
        Signatures = signatures;
    }

    /// <summary>Where it was read, for messages.</summary>
    public string Document { get; }

    public ReadOnlyMemory<byte> Bytes { get; }

    public MetadataElement Signed { get; }

    public byte[] CanonicalSigned { get; }

    /// <summary>By key id.</summary>
    public IReadOnlyDictionary<string, byte[]> Signatures { get; }

    /// <exception cref="ProtocolException"><see cref="ProtocolError.TooLarge"/> before any parse, else <see cref="ProtocolError.Malformed"/>.</exception>
    public static MetadataFile Parse(ReadOnlyMemory<byte> bytes, int maxBytes, string document)
    {
        if (bytes.Length > maxBytes)
            throw new ProtocolException(ProtocolError.TooLarge, $"{document} has {bytes.Length} bytes; at most {maxBytes} are read.", document);
        // The document lives as long as this object; it owns no pooled memory that must be given back early.
        var envelope = new MetadataElement(CanonicalJson.Parse(bytes, document).RootElement, document);
        var signed = envelope["signed"];
        _ = signed.Members();
        var signatures = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var item in envelope["signatures"].Items())
        {
            if (!signatures.TryAdd(item["keyid"].Text(), Hexadecimal(item["sig"])))
                throw item.Malformed("one key id signs twice");
        }
        return new MetadataFile(document, bytes, signed, CanonicalJson.Encode(signed.Json), signatures);
    }

    /// <exception cref="ProtocolException"><see cref="ProtocolError.BadHash"/>.</exception>
    public static void CheckAgainst(MetaEntry expected, ReadOnlySpan<byte> bytes, string document)
    {
        if (expected.Length is { } length && length != bytes.Length)
            throw new ProtocolException(ProtocolError.BadHash, $"{document} has {bytes.Length} bytes; signed metadata says {length}.", document);
        if (expected.Sha256 is { } hash && !string.Equals(hash, Convert.ToHexStringLower(SHA256.HashData(bytes)), StringComparison.Ordinal))
            throw new ProtocolException(ProtocolError.BadHash, $"{document} has another SHA-256 than signed metadata says.", document);
    }

    private static byte[] Hexadecimal(MetadataElement json)
    {
        var text = json.Text();
        var bytes = new byte[text.Length / 2];
        return Convert.FromHexString(text, bytes, out _, out _) is System.Buffers.OperationStatus.Done ? bytes : throw json.Malformed("a signature is not hexadecimal");
    }
}

/// <summary>What one metadata file says of another (TUF METAFILES). Length and hash are optional.</summary>
internal sealed record MetaEntry(long Version, long? Length, string? Sha256)
{
    public static MetaEntry Parse(MetadataElement json) =>
        new(json["version"].Number(1), json.Optional("length")?.Number(1), json.Optional("hashes")?.Sha256());
}
