using System.Security.Cryptography;

namespace Capstan.Protocol.Jose;

/// <summary>A P-256 public key (RFC 7517): <c>{"kty":"EC","crv":"P-256","x":…,"y":…}</c>. Never holds a private part.</summary>
public sealed record Jwk(string Kty, string Crv, string X, string Y)
{
    public static Jwk From(ECDsa key) => throw new NotSupportedException("not built yet");
    public static Jwk From(ECDiffieHellman key) => throw new NotSupportedException("not built yet");

    /// <summary>RFC 7638: base64url of SHA-256 over the canonical members.</summary>
    public string Thumbprint() => throw new NotSupportedException("not built yet");

    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public ECDsa ToSigningKey() => throw new NotSupportedException("not built yet");

    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public ECDiffieHellman ToSealingKey() => throw new NotSupportedException("not built yet");
}

/// <summary>JSON Web Signature, compact, ES256 only (RFC 7515). Pure; thread-safe.</summary>
public static class Jws
{
    /// <param name="contentType">The <c>cty</c> header, for example <c>capstan-upload+gzip</c>.</param>
    /// <param name="embedKey">Puts the public key into the header (<c>jwk</c>): only a configuration request needs it.</param>
    public static string Sign(ReadOnlySpan<byte> payload, ECDsa key, string contentType, bool embedKey = false) => throw new NotSupportedException("not built yet");

    /// <summary>The payload, when the signature by <paramref name="key"/> holds and the header is exactly as expected.</summary>
    /// <exception cref="ProtocolException"/>
    public static byte[] Verify(string compact, ECDsa key, string contentType) => throw new NotSupportedException("not built yet");

    /// <summary>The <c>kid</c> header (thumbprint of the signer's key), unverified: a hint for finding the key.</summary>
    /// <exception cref="ProtocolException"/>
    public static string PeekKeyId(string compact) => throw new NotSupportedException("not built yet");

    /// <summary>The <c>jwk</c> header, unverified; null when absent.</summary>
    /// <exception cref="ProtocolException"/>
    public static Jwk? PeekEmbeddedKey(string compact) => throw new NotSupportedException("not built yet");
}

/// <summary>JSON Web Encryption, compact, ECDH-ES with A256GCM only (RFC 7516, RFC 7518 section 4.6). Pure; thread-safe.</summary>
public static class Jwe
{
    /// <param name="contentType">The <c>cty</c> header, for example <c>JWT</c> or <c>capstan-secrets</c>.</param>
    public static string Seal(ReadOnlySpan<byte> plaintext, Jwk recipient, string contentType) => throw new NotSupportedException("not built yet");

    /// <exception cref="ProtocolException"><see cref="ProtocolError.CannotOpen"/> when sealed to another key or altered.</exception>
    public static byte[] Open(string compact, ECDiffieHellman key, string contentType) => throw new NotSupportedException("not built yet");

    /// <summary>The <c>kid</c> header (thumbprint of the recipient's key), unverified.</summary>
    /// <exception cref="ProtocolException"/>
    public static string PeekKeyId(string compact) => throw new NotSupportedException("not built yet");
}
