using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Capstan.Smb.Crypto;

/// <summary>Makes the signature of one message ([MS-SMB2] 3.1.4.1). Allocates nothing per message. Not thread-safe: a connection has one per direction.</summary>
internal abstract class MessageSigner : IDisposable
{
    public const int SignatureBytes = 16;

    /// <param name="signingKey">16 bytes: Session.SigningKey, or Session.SessionKey in dialects 2.0.2 and 2.1.</param>
    public static MessageSigner Create(SmbSigning algorithm, ReadOnlySpan<byte> signingKey) => algorithm switch
    {
        SmbSigning.HmacSha256 => new HmacSha256Signer(signingKey),
        SmbSigning.AesCmac => new AesCmacSigner(signingKey),
        SmbSigning.AesGmac => new AesGmacSigner(signingKey),
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "no such signing algorithm"),
    };

    /// <summary>Writes the signature.</summary>
    /// <param name="message">The whole message, from its header on, with the signature field zeroed.</param>
    /// <param name="messageId">The header's MessageId; AES-GMAC makes its nonce of it.</param>
    /// <param name="isServer">The message comes from the server (SMB2_FLAGS_SERVER_TO_REDIR).</param>
    /// <param name="isCancel">The message is a CANCEL request, which bears the MessageId of another.</param>
    /// <param name="signature16">Takes 16 bytes.</param>
    public abstract void Sign(ReadOnlySpan<byte> message, ulong messageId, bool isServer, bool isCancel, Span<byte> signature16);

    public abstract void Dispose();

    /// <summary>The first 16 bytes of the HMAC: dialects 2.0.2 and 2.1, and 3.1.1 where it was negotiated.</summary>
    private sealed class HmacSha256Signer(ReadOnlySpan<byte> key) : MessageSigner
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);

        public override void Sign(ReadOnlySpan<byte> message, ulong messageId, bool isServer, bool isCancel, Span<byte> signature16)
        {
            Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
            _hash.AppendData(message);
            _hash.GetHashAndReset(whole);
            whole[..SignatureBytes].CopyTo(signature16);
        }

        public override void Dispose() => _hash.Dispose();
    }

    /// <summary>Dialects 3.0 and 3.0.2, and 3.1.1 unless another was negotiated.</summary>
    private sealed class AesCmacSigner(ReadOnlySpan<byte> key) : MessageSigner
    {
        private readonly AesCmac _cmac = new(key);

        public override void Sign(ReadOnlySpan<byte> message, ulong messageId, bool isServer, bool isCancel, Span<byte> signature16) =>
            _cmac.Compute(message, signature16);

        public override void Dispose() => _cmac.Dispose();
    }

    /// <summary>AES-GCM over no plaintext, with the message as associated data (NIST SP 800-38D).</summary>
    private sealed class AesGmacSigner(ReadOnlySpan<byte> key) : MessageSigner
    {
        private const int NonceBytes = 12;

        private readonly AesGcm _gcm = new(key, SignatureBytes);

        public override void Sign(ReadOnlySpan<byte> message, ulong messageId, bool isServer, bool isCancel, Span<byte> signature16)
        {
            // MessageId, then 32 bits: bit 0 the server's role, bit 1 CANCEL, the others zero; so no nonce comes twice under one key.
            Span<byte> nonce = stackalloc byte[NonceBytes];
            BinaryPrimitives.WriteUInt64LittleEndian(nonce, messageId);
            BinaryPrimitives.WriteUInt32LittleEndian(nonce[sizeof(ulong)..], (isServer ? 1u : 0u) | (isCancel ? 2u : 0u));
            _gcm.Encrypt(nonce, [], [], signature16[..SignatureBytes], message);
        }

        public override void Dispose() => _gcm.Dispose();
    }
}
