using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.Jose;

/// <summary>JSON Web Signature, compact, ES256 only (RFC 7515). Pure; thread-safe.</summary>
/// <remarks>Header: <c>alg cty kid</c> and optionally <c>jwk</c>; <c>kid</c> is the RFC 7638 thumbprint of the signer's key.</remarks>
public static class Jws
{
    /// <param name="contentType">The <c>cty</c> header, for example <c>capstan-upload+gzip</c>.</param>
    /// <param name="embedKey">Puts the public key into the header (<c>jwk</c>): only a configuration request needs it.</param>
    public static string Sign(ReadOnlySpan<byte> payload, ECDsa key, string contentType, bool embedKey = false)
    {
        JoseHeader.RequireContentType(contentType);
        var jwk = Jwk.From(key);
        var embedded = embedKey ? $",\"jwk\":{jwk.ToJson()}" : "";
        var header = $$"""{"alg":"ES256","cty":"{{contentType}}","kid":"{{jwk.Thumbprint()}}"{{embedded + "}"}}""";
        var input = $"{StrictBase64Url.Encode(Encoding.ASCII.GetBytes(header))}.{StrictBase64Url.Encode(payload)}";
        var signature = key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return $"{input}.{StrictBase64Url.Encode(signature)}";
    }

    /// <summary>The payload, when the signature by <paramref name="key"/> holds and the header is exactly as expected.</summary>
    /// <exception cref="ProtocolException"/>
    public static byte[] Verify(string compact, ECDsa key, string contentType)
    {
        using var ready = new VerifyingKey(Jwk.From(key));
        return Verify(compact, ready, contentType);
    }

    /// <summary>As the other form, for a key that is used again.</summary>
    /// <exception cref="ProtocolException"/>
    public static byte[] Verify(string compact, VerifyingKey key, string contentType)
    {
        ArgumentNullException.ThrowIfNull(key);
        var header = ReadHeader(compact, out var dots);
        if (header.ContentType != contentType)
            throw new ProtocolException(ProtocolError.Malformed, $"the JWS is not of content type {contentType}");
        if (header.KeyId != key.KeyId)
            throw new ProtocolException(ProtocolError.BadSignature, "the JWS is signed by another key than the one expected");
        return VerifySignature(compact, dots, key.Holds);
    }

    /// <summary>The <c>kid</c> header (thumbprint of the signer's key), unverified: a hint for finding the key.</summary>
    /// <exception cref="ProtocolException"/>
    public static string PeekKeyId(string compact) => ReadHeader(compact, out _).KeyId!;

    /// <summary>The <c>jwk</c> header, unverified; null when absent.</summary>
    /// <exception cref="ProtocolException"/>
    public static Jwk? PeekEmbeddedKey(string compact) => ReadHeader(compact, out _).EmbeddedKey;

    /// <summary>The signature alone, without the rules for the header: RFC 7515 section 5.2 from step 7 on.</summary>
    internal static byte[] VerifySignature(string compact, (int Payload, int Signature) dots, ECDsa key) => VerifySignature(compact, dots,
        (data, signature) => key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));

    private static byte[] VerifySignature(string compact, (int Payload, int Signature) dots, Func<ReadOnlySpan<byte>, ReadOnlySpan<byte>, bool> holds)
    {
        var signature = StrictBase64Url.Decode(compact.AsSpan(dots.Signature + 1), "the JWS signature");
        var input = Encoding.ASCII.GetBytes(compact, 0, dots.Signature);
        if (signature.Length != 64 || !holds(input, signature))
            throw new ProtocolException(ProtocolError.BadSignature, "the JWS signature does not hold: the content was altered, or signed by another key");
        return StrictBase64Url.Decode(compact.AsSpan(dots.Payload + 1, dots.Signature - dots.Payload - 1), "the JWS payload");
    }

    private static JoseHeader ReadHeader(string compact, out (int Payload, int Signature) dots)
    {
        Span<Range> parts = stackalloc Range[3];
        JoseHeader.Split(compact, parts, "JWS");
        dots = (parts[0].End.Value, parts[1].End.Value);
        var header = JoseHeader.Parse(compact.AsSpan(0, dots.Payload));
        if (header.Alg != "ES256")
            throw new ProtocolException(ProtocolError.Malformed, "the JWS is not signed with ES256");
        if (header is { Enc: not null } or { EphemeralKey: not null })
            throw new ProtocolException(ProtocolError.Malformed, "the JWS has a header that belongs to encryption");
        if (header.KeyId is null)
            throw new ProtocolException(ProtocolError.Malformed, "the JWS has no kid");
        if (header.EmbeddedKey is { } embedded && embedded.Thumbprint() != header.KeyId)
            throw new ProtocolException(ProtocolError.Malformed, "the JWS embeds another key than its kid names");
        return header;
    }
}
