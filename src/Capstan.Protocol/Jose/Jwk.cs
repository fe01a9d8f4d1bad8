using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.Jose;

/// <summary>A P-256 public key (RFC 7517): <c>{"kty":"EC","crv":"P-256","x":…,"y":…}</c>. Never holds a private part.</summary>
public sealed record Jwk(string Kty, string Crv, string X, string Y)
{
    private const int CoordinateBytes = 32;

    /// <summary>SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 04 …: RFC 5480, up to the coordinates.</summary>
    private static ReadOnlySpan<byte> SubjectPublicKeyInfoPrefix => [0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
        0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04];

    // The curve of FIPS 186-5 (SP 800-186, 3.2.1.3): y² = x³ − 3x + b (mod p).
    private static readonly BigInteger P = Number("00ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    private static readonly BigInteger B = Number("005ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");

    public static Jwk From(ECDsa key) => From(key.ExportParameters(includePrivateParameters: false));

    public static Jwk From(ECDiffieHellman key) => From(key.ExportParameters(includePrivateParameters: false));

    /// <summary>RFC 7638: base64url of SHA-256 over the canonical members.</summary>
    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public string Thumbprint()
    {
        ToParameters();
        return StrictBase64Url.Encode(SHA256.HashData(Encoding.ASCII.GetBytes($$"""{"crv":"{{Crv}}","kty":"{{Kty}}","x":"{{X}}","y":"{{Y}}"}""")));
    }

    /// <summary>The caller disposes of it.</summary>
    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public ECDsa ToSigningKey() => P256.Signing(ToParameters());

    /// <summary>The caller disposes of it.</summary>
    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public ECDiffieHellman ToSealingKey() => P256.Sealing(ToParameters());

    /// <summary>DER, named curve, uncompressed point: 91 bytes. Made without importing the key, which costs the platform as much as a signature.</summary>
    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    internal byte[] ToSubjectPublicKeyInfo()
    {
        var point = ToParameters().Q;
        return [.. SubjectPublicKeyInfoPrefix, .. point.X!, .. point.Y!];
    }

    /// <summary>As it stands in a header; only for a key that was checked.</summary>
    internal string ToJson() => $$"""{"kty":"{{Kty}}","crv":"{{Crv}}","x":"{{X}}","y":"{{Y}}"}""";

    /// <summary>Null when the key is a point on P-256, else what is wrong with it.</summary>
    internal string? Problem() => TryRead(out _);

    /// <remarks>The point is checked here, not left to the platform: an off-curve <c>epk</c> is how a static key leaks (invalid curve attack).</remarks>
    private ECParameters ToParameters() =>
        TryRead(out var point) is { } problem
            ? throw new ProtocolException(ProtocolError.Malformed, $"the key {problem}")
            : new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = point };

    private string? TryRead(out ECPoint point)
    {
        point = default;
        if (Kty != "EC" || Crv != "P-256")
            return "is not of type EC on curve P-256";
        if (!StrictBase64Url.TryDecode(X, out var x) || !StrictBase64Url.TryDecode(Y, out var y) || x.Length != CoordinateBytes || y.Length != CoordinateBytes)
            return "has a coordinate that is not base64url of 32 bytes";
        if (!IsOnCurve(new BigInteger(x, isUnsigned: true, isBigEndian: true), new BigInteger(y, isUnsigned: true, isBigEndian: true)))
            return "is not a point on P-256";
        point = new ECPoint { X = x, Y = y };
        return null;
    }

    private static bool IsOnCurve(BigInteger x, BigInteger y) =>
        x < P && y < P && ((x * x * x - 3 * x + B - y * y) % P).IsZero;

    private static Jwk From(ECParameters key) =>
        new("EC", "P-256", StrictBase64Url.Encode(key.Q.X), StrictBase64Url.Encode(key.Q.Y));

    private static BigInteger Number(string hexadecimal) =>
        BigInteger.Parse(hexadecimal, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
