using System.Diagnostics;
using System.Security.Cryptography;

namespace Capstan.Smb.Crypto;

/// <summary>The keys of one session, made of the key of its logon ([MS-SMB2] 3.1.4.2, 3.2.5.3.1). Immutable until disposed, which wipes them.</summary>
[DebuggerDisplay("(keys)")]
internal sealed class SessionKeys : IDisposable
{
    private const int KeyBytes = 16;

    private SessionKeys(byte[] signing, byte[] encryption, byte[] decryption, byte[] application)
    {
        Signing = signing;
        Encryption = encryption;
        Decryption = decryption;
        Application = application;
    }

    /// <summary>16 bytes.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public byte[] Signing { get; }

    /// <summary>For what the client sends; as long as the cipher asks, empty without a cipher.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public byte[] Encryption { get; }

    /// <summary>For what the server sends; as long as the cipher asks, empty without a cipher.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public byte[] Decryption { get; }

    /// <summary>16 bytes, for protocols above SMB.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public byte[] Application { get; }

    /// <summary>Makes the keys.</summary>
    /// <param name="sessionKey">What the logon gave, 1 byte or more (<see cref="Authentication.ISecurityContext.SessionKey"/>).</param>
    /// <param name="preauthHash">Session.PreauthIntegrityHashValue, 64 bytes; not looked at below 3.1.1.</param>
    public static SessionKeys Derive(SmbDialect dialect, ReadOnlySpan<byte> sessionKey, ReadOnlySpan<byte> preauthHash, SmbCipher cipher)
    {
        if (sessionKey.IsEmpty)
            throw new ArgumentException("a logon without a key has no session keys", nameof(sessionKey));
        // 3.2.5.3: Session.SessionKey is the first 16 bytes, filled up with zeros on the right. Only the 256-bit ciphers take the whole (Session.FullSessionKey).
        Span<byte> key = stackalloc byte[KeyBytes];
        key.Clear();
        sessionKey[..Math.Min(KeyBytes, sessionKey.Length)].CopyTo(key);
        try
        {
            return dialect switch
            {
                SmbDialect.Smb202 or SmbDialect.Smb210 => new(key.ToArray(), [], [], key.ToArray()),
                SmbDialect.Smb300 or SmbDialect.Smb302 => Derive30(key, cipher),
                SmbDialect.Smb311 => Derive311(key, sessionKey, preauthHash, cipher),
                _ => throw new ArgumentOutOfRangeException(nameof(dialect), dialect, "no such dialect"),
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static SessionKeys Derive30(ReadOnlySpan<byte> key, SmbCipher cipher)
    {
        var isEncrypting = cipher != SmbCipher.None;
        return new(
            Kdf(key, "SMB2AESCMAC\0"u8, "SmbSign\0"u8, KeyBytes),
            isEncrypting ? Kdf(key, "SMB2AESCCM\0"u8, "ServerIn \0"u8, KeyBytes) : [],
            isEncrypting ? Kdf(key, "SMB2AESCCM\0"u8, "ServerOut\0"u8, KeyBytes) : [],
            Kdf(key, "SMB2APP\0"u8, "SmbRpc\0"u8, KeyBytes));
    }

    private static SessionKeys Derive311(ReadOnlySpan<byte> key, ReadOnlySpan<byte> fullKey, ReadOnlySpan<byte> preauthHash, SmbCipher cipher)
    {
        if (preauthHash.Length != SHA512.HashSizeInBytes)
            throw new ArgumentException($"a hash of {preauthHash.Length} bytes is no SHA-512", nameof(preauthHash));
        var cipherKeyBytes = cipher == SmbCipher.None ? 0 : MessageCipher.KeyBytes(cipher);
        var cipherInput = cipherKeyBytes > KeyBytes ? fullKey : key;
        return new(
            Kdf(key, "SMBSigningKey\0"u8, preauthHash, KeyBytes),
            Kdf(cipherInput, "SMBC2SCipherKey\0"u8, preauthHash, cipherKeyBytes),
            Kdf(cipherInput, "SMBS2CCipherKey\0"u8, preauthHash, cipherKeyBytes),
            Kdf(key, "SMBAppKey\0"u8, preauthHash, KeyBytes));
    }

    /// <summary>NIST SP 800-108 in counter mode with HMAC-SHA256 and a counter of 32 bits. Labels, and contexts that are text, count their final zero.</summary>
    private static byte[] Kdf(ReadOnlySpan<byte> key, ReadOnlySpan<byte> label, ReadOnlySpan<byte> context, int bytes)
    {
        var derived = new byte[bytes];
        if (bytes > 0)
            SP800108HmacCounterKdf.DeriveBytes(key, HashAlgorithmName.SHA256, label, context, derived);
        return derived;
    }

    public override string ToString() => "(keys)";

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(Signing);
        CryptographicOperations.ZeroMemory(Encryption);
        CryptographicOperations.ZeroMemory(Decryption);
        CryptographicOperations.ZeroMemory(Application);
    }
}
