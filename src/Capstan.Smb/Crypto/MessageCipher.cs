using System.Security.Cryptography;

namespace Capstan.Smb.Crypto;

/// <summary>Encrypts and decrypts messages where they lie ([MS-SMB2] 3.1.4.3). Not thread-safe: a connection has one per direction.</summary>
internal abstract class MessageCipher : IDisposable
{
    public const int TagBytes = 16;

    /// <param name="key">As long as the cipher asks (<see cref="KeyBytes"/>).</param>
    public static MessageCipher Create(SmbCipher cipher, ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes(cipher))
            throw new ArgumentException($"{cipher} takes {KeyBytes(cipher)} bytes of key, not {key.Length}", nameof(key));
        return cipher is SmbCipher.Aes128Ccm or SmbCipher.Aes256Ccm ? new CcmCipher(key) : new GcmCipher(key);
    }

    public static int KeyBytes(SmbCipher cipher) => cipher switch
    {
        SmbCipher.Aes128Ccm or SmbCipher.Aes128Gcm => 16,
        SmbCipher.Aes256Ccm or SmbCipher.Aes256Gcm => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(cipher), cipher, "no such cipher"),
    };

    /// <summary>How much of the nonce field of the TRANSFORM_HEADER the cipher uses ([MS-SMB2] 2.2.41): 11 bytes for CCM, 12 for GCM. The rest of it is zero.</summary>
    public abstract int NonceBytes { get; }

    /// <param name="nonce">Exactly <see cref="NonceBytes"/>; never twice under one key.</param>
    /// <param name="associatedData">The TRANSFORM_HEADER from its nonce on.</param>
    /// <param name="tag16">Takes the 16 bytes that are the header's signature.</param>
    public abstract void Encrypt(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, Span<byte> tag16);

    /// <inheritdoc cref="Encrypt"/>
    /// <exception cref="SmbException"><see cref="SmbFailure.Tampered"/> when the tag is not right; what lies in place is then zero or garbage.</exception>
    public void Decrypt(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> tag16)
    {
        try
        {
            DecryptCore(inPlace, nonce, associatedData, tag16);
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw new SmbException(SmbFailure.Tampered, "an encrypted message of the server does not authenticate: it was changed on its way, or made with another key",
                SmbCompletion.Unknown, inner: e);
        }
    }

    protected abstract void DecryptCore(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> tag16);

    public abstract void Dispose();

    private sealed class CcmCipher(ReadOnlySpan<byte> key) : MessageCipher
    {
        private readonly AesCcm _ccm = new(key);

        public override int NonceBytes => 11;

        public override void Encrypt(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, Span<byte> tag16) =>
            _ccm.Encrypt(nonce, inPlace, inPlace, tag16[..TagBytes], associatedData);

        protected override void DecryptCore(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> tag16) =>
            _ccm.Decrypt(nonce, inPlace, tag16[..TagBytes], inPlace, associatedData);

        public override void Dispose() => _ccm.Dispose();
    }

    private sealed class GcmCipher(ReadOnlySpan<byte> key) : MessageCipher
    {
        private readonly AesGcm _gcm = new(key, TagBytes);

        public override int NonceBytes => 12;

        public override void Encrypt(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, Span<byte> tag16) =>
            _gcm.Encrypt(nonce, inPlace, inPlace, tag16[..TagBytes], associatedData);

        protected override void DecryptCore(Span<byte> inPlace, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> tag16) =>
            _gcm.Decrypt(nonce, inPlace, tag16[..TagBytes], inPlace, associatedData);

        public override void Dispose() => _gcm.Dispose();
    }
}
