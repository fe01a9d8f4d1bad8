using System.Globalization;
using System.Security.Cryptography;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol;

/// <summary>An installed agent: base32 (lower case, 32 characters) of the first 160 bits of SHA-256 of its signing key's SubjectPublicKeyInfo (DER).</summary>
public readonly record struct DeviceId
{
    private readonly string? _value;

    private DeviceId(string value) => _value = value;

    public string Value => _value ?? throw new InvalidOperationException("This device id was never set.");

    /// <summary>The bin of inbox and receipts: the id's first 8 bits as two lower-case hexadecimal digits.</summary>
    public string Bin
    {
        get
        {
            var text = Value;
            return ((Quintet(text[0]) << 3) | (Quintet(text[1]) >> 2)).ToString("x2", CultureInfo.InvariantCulture);
        }
    }

    /// <summary>The first 8 characters in two groups, as a person compares them: <c>k3fq-7zbm</c>.</summary>
    public string Fingerprint => $"{Value[..4]}-{Value[4..8]}";

    public static DeviceId FromPublicKey(ReadOnlySpan<byte> subjectPublicKeyInfo) =>
        new(Base32.Encode(SHA256.HashData(subjectPublicKeyInfo).AsSpan(0, 20)));

    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public static DeviceId FromKey(Jwk signingKey)
    {
        ArgumentNullException.ThrowIfNull(signingKey);
        return FromPublicKey(signingKey.ToSubjectPublicKeyInfo());
    }

    public static bool TryParse(string? text, out DeviceId id)
    {
        id = default;
        if (text is not { Length: 32 } || !text.All(c => c is >= 'a' and <= 'z' or >= '2' and <= '7'))
            return false;
        id = new DeviceId(text);
        return true;
    }

    public override string ToString() => _value ?? "";

    private static int Quintet(char c) => c >= 'a' ? c - 'a' : c - '2' + 26;
}
