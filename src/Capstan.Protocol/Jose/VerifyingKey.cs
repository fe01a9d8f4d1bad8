using System.Security.Cryptography;

namespace Capstan.Protocol.Jose;

/// <summary>A signer's public key made ready once: the import checks the point and costs more than a verification. Thread-safe.</summary>
public sealed class VerifyingKey : IDisposable
{
    private readonly ECDsa _key;
    private readonly Lock _gate = new();

    /// <exception cref="ProtocolException">Not a point on P-256.</exception>
    public VerifyingKey(Jwk key)
    {
        ArgumentNullException.ThrowIfNull(key);
        Key = key;
        KeyId = key.Thumbprint();
        _key = key.ToSigningKey();
        Device = DeviceId.FromPublicKey(_key.ExportSubjectPublicKeyInfo());
    }

    public Jwk Key { get; }

    /// <summary>RFC 7638 thumbprint.</summary>
    public string KeyId { get; }

    /// <summary>The device whose key this is.</summary>
    public DeviceId Device { get; }

    public void Dispose() => _key.Dispose();

    internal bool Holds(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        lock (_gate)
            return _key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }
}
