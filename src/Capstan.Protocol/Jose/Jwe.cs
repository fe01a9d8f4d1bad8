using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.Jose;

/// <summary>JSON Web Encryption, compact, ECDH-ES with A256GCM only (RFC 7516, RFC 7518 section 4.6). Pure; thread-safe.</summary>
/// <remarks>Header: <c>alg enc cty kid epk</c>; <c>kid</c> is the RFC 7638 thumbprint of the recipient's key. A new ephemeral key per message.</remarks>
public static class Jwe
{
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    /// <param name="contentType">The <c>cty</c> header, for example <c>capstan-record</c> or <c>capstan-secrets</c>.</param>
    /// <exception cref="ProtocolException">The recipient is not a point on P-256.</exception>
    public static string Seal(ReadOnlySpan<byte> plaintext, Jwk recipient, string contentType)
    {
        using var ephemeral = P256.NewSealing();
        return Seal(plaintext, recipient, contentType, ephemeral, RandomNumberGenerator.GetBytes(NonceBytes));
    }

    /// <exception cref="ProtocolException"><see cref="ProtocolError.CannotOpen"/> when sealed to another key or altered.</exception>
    public static byte[] Open(string compact, ECDiffieHellman key, string contentType) => Open(compact, key, Jwk.From(key).Thumbprint(), contentType);

    /// <param name="keyId">Thumbprint of <paramref name="key"/>, computed once by who opens many.</param>
    internal static byte[] Open(string compact, ECDiffieHellman key, string keyId, string contentType)
    {
        Span<Range> parts = stackalloc Range[5];
        var header = ReadHeader(compact, parts);
        if (header.ContentType != contentType)
            throw new ProtocolException(ProtocolError.Malformed, $"the JWE is not of content type {contentType}");
        if (header.KeyId != keyId)
            throw new ProtocolException(ProtocolError.CannotOpen, "the JWE is sealed to another key than the one expected");

        var text = compact.AsSpan();
        if (!text[parts[1]].IsEmpty)
            throw new ProtocolException(ProtocolError.Malformed, "the JWE has an encrypted key, which ECDH-ES has not");
        var nonce = StrictBase64Url.Decode(text[parts[2]], "the JWE initialization vector");
        var ciphertext = StrictBase64Url.Decode(text[parts[3]], "the JWE ciphertext");
        var tag = StrictBase64Url.Decode(text[parts[4]], "the JWE tag");
        if (nonce.Length != NonceBytes || tag.Length != TagBytes)
            throw new ProtocolException(ProtocolError.Malformed, "the JWE has an initialization vector or a tag of the wrong length");

        using var ephemeral = header.EphemeralKey!.ToSealingKey();
        using var cipher = Cipher(key, ephemeral);
        var plaintext = new byte[ciphertext.Length];
        try
        {
            cipher.Decrypt(nonce, ciphertext, tag, plaintext, Encoding.ASCII.GetBytes(compact, 0, parts[0].End.Value));
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw new ProtocolException(ProtocolError.CannotOpen, "the JWE does not open: it was altered, or sealed to another key", inner: e);
        }
        return plaintext;
    }

    /// <summary>The <c>kid</c> header (thumbprint of the recipient's key), unverified.</summary>
    /// <exception cref="ProtocolException"/>
    public static string PeekKeyId(string compact)
    {
        Span<Range> parts = stackalloc Range[5];
        return ReadHeader(compact, parts).KeyId!;
    }

    internal static string Seal(ReadOnlySpan<byte> plaintext, Jwk recipient, string contentType, ECDiffieHellman ephemeral, ReadOnlySpan<byte> nonce)
    {
        JoseHeader.RequireContentType(contentType);
        var epk = Jwk.From(ephemeral).ToJson();
        var json = $$"""{"alg":"ECDH-ES","enc":"A256GCM","cty":"{{contentType}}","kid":"{{recipient.Thumbprint()}}","epk":{{epk + "}"}}""";
        var header = StrictBase64Url.Encode(Encoding.ASCII.GetBytes(json));
        using var other = recipient.ToSealingKey();
        using var cipher = Cipher(ephemeral, other);
        var ciphertext = new byte[plaintext.Length];
        Span<byte> tag = stackalloc byte[TagBytes];
        cipher.Encrypt(nonce, plaintext, ciphertext, tag, Encoding.ASCII.GetBytes(header));
        return $"{header}..{StrictBase64Url.Encode(nonce)}.{StrictBase64Url.Encode(ciphertext)}.{StrictBase64Url.Encode(tag)}";
    }

    /// <summary>Concat KDF of NIST SP 800-56A as RFC 7518 section 4.6.2 profiles it, one round: at most 256 bits of key.</summary>
    internal static byte[] DeriveKey(ReadOnlySpan<byte> sharedSecret, string algorithm, ReadOnlySpan<byte> partyU, ReadOnlySpan<byte> partyV, int keyBits)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keyBits, 256);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        AppendNumber(hash, 1);
        hash.AppendData(sharedSecret);
        AppendPrefixed(hash, Encoding.ASCII.GetBytes(algorithm));
        AppendPrefixed(hash, partyU);
        AppendPrefixed(hash, partyV);
        AppendNumber(hash, keyBits);
        return hash.GetHashAndReset()[..(keyBits / 8)];
    }

    private static AesGcm Cipher(ECDiffieHellman ours, ECDiffieHellman theirs)
    {
        byte[] secret = [], key = [];
        try
        {
            using var publicKey = theirs.PublicKey;
            secret = ours.DeriveRawSecretAgreement(publicKey);
            key = DeriveKey(secret, "A256GCM", [], [], KeyBytes * 8);
            return new AesGcm(key, TagBytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static JoseHeader ReadHeader(string compact, Span<Range> parts)
    {
        JoseHeader.Split(compact, parts, "JWE");
        var header = JoseHeader.Parse(compact.AsSpan()[parts[0]]);
        if (header is not { Alg: "ECDH-ES", Enc: "A256GCM" })
            throw new ProtocolException(ProtocolError.Malformed, "the JWE is not sealed with ECDH-ES and A256GCM");
        if (header.EmbeddedKey is not null)
            throw new ProtocolException(ProtocolError.Malformed, "the JWE has a header that belongs to signatures");
        if (header.KeyId is null || header.EphemeralKey is null)
            throw new ProtocolException(ProtocolError.Malformed, "the JWE has no kid or no epk");
        return header;
    }

    private static void AppendPrefixed(IncrementalHash hash, ReadOnlySpan<byte> data)
    {
        AppendNumber(hash, data.Length);
        hash.AppendData(data);
    }

    private static void AppendNumber(IncrementalHash hash, int number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        hash.AppendData(bytes);
    }
}
