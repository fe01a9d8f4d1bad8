using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Capstan.Smb.Crypto;

namespace Capstan.Smb.Authentication;

/// <summary>Message signatures of one direction, with extended session security, 128 bit and key exchange ([MS-NLMP] 3.4.4.2, 3.4.5). Counts its messages. Not thread-safe.</summary>
internal sealed class NtlmSignature : IDisposable
{
    public const int SignatureBytes = 16;

    private const uint Version = 1;
    private const int ChecksumBytes = 8;

    private readonly byte[] _signingKey;
    private readonly Rc4 _sealing;
    private uint _sequence;

    private NtlmSignature(byte[] signingKey, byte[] sealingKey)
    {
        _signingKey = signingKey;
        _sealing = new Rc4(sealingKey);
        CryptographicOperations.ZeroMemory(sealingKey);
    }

    public static NtlmSignature OfClient(ReadOnlySpan<byte> exportedSessionKey) => new(
        Magic(exportedSessionKey, "session key to client-to-server signing key magic constant\0"u8),
        Magic(exportedSessionKey, "session key to client-to-server sealing key magic constant\0"u8));

    public static NtlmSignature OfServer(ReadOnlySpan<byte> exportedSessionKey) => new(
        Magic(exportedSessionKey, "session key to server-to-client signing key magic constant\0"u8),
        Magic(exportedSessionKey, "session key to server-to-client sealing key magic constant\0"u8));

    /// <summary>Encrypts in place (3.4.3); the stream is one with that of the signatures.</summary>
    public void Seal(Span<byte> message) => _sealing.Transform(message, message);

    /// <summary>The signature of the next message.</summary>
    public byte[] Next(ReadOnlySpan<byte> message)
    {
        var sequence = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(sequence, _sequence++);
        var checksum = NtlmV2.HmacMd5(_signingKey, [.. sequence, .. message]).AsSpan(0, ChecksumBytes);

        var signature = new byte[SignatureBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(signature, Version);
        _sealing.Transform(checksum, signature.AsSpan(sizeof(uint)));
        sequence.CopyTo(signature.AsSpan(sizeof(uint) + ChecksumBytes));
        return signature;
    }

    [SuppressMessage("Security", "CA5351", Justification = "[MS-NLMP] 3.4.5.2 and 3.4.5.3 say MD5")]
    private static byte[] Magic(ReadOnlySpan<byte> key, ReadOnlySpan<byte> constant) => MD5.HashData([.. key, .. constant]);

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_signingKey);
        _sealing.Dispose();
    }
}
