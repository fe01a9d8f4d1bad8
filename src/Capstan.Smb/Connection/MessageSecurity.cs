using System.Buffers.Binary;
using System.Security.Cryptography;
using Capstan.Smb.Crypto;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>The keys of one session and what they do to messages ([MS-SMB2] 3.1.4.1, 3.1.4.3).</summary>
/// <remarks>What is sent passes through the one sender of the connection, what is received through its one receiver: each uses its own objects.</remarks>
internal sealed class MessageSecurity : IDisposable
{
    private readonly MessageSigner? _outgoing;
    private readonly MessageSigner? _incoming;
    private readonly MessageCipher? _sealing;
    private readonly MessageCipher? _opening;
    private ulong _nonce;

    private readonly bool _signsTreeConnect;

    /// <param name="keys">Null for a session without an authenticated user.</param>
    /// <param name="signs">Whether everything that is not encrypted is signed.</param>
    /// <param name="signsTreeConnect">Whether TREE_CONNECT is in any case: 3.1.1 demands it (3.2.4.1.1).</param>
    public MessageSecurity(ulong sessionId, SessionKeys? keys, SmbSigning signing, SmbCipher cipher, bool signs, bool signsTreeConnect)
    {
        SessionId = sessionId;
        _signsTreeConnect = signsTreeConnect && keys is not null;
        if (keys is null)
            return;
        Signs = signs;
        _outgoing = MessageSigner.Create(signing, keys.Signing);
        _incoming = MessageSigner.Create(signing, keys.Signing);
        if (cipher == SmbCipher.None)
            return;
        _sealing = MessageCipher.Create(cipher, keys.Encryption);
        _opening = MessageCipher.Create(cipher, keys.Decryption);
    }

    public ulong SessionId { get; }

    public bool Signs { get; }

    /// <summary>Whether a message of this kind is signed, both ways.</summary>
    public bool Covers(SmbCommand command) => Signs || (_signsTreeConnect && command == SmbCommand.TreeConnect);

    public bool CanEncrypt => _sealing is not null;

    public void Sign(Span<byte> message, ulong messageId, bool isCancel) =>
        _outgoing!.Sign(message, messageId, isServer: false, isCancel, SmbHeader.Signature(message));

    /// <summary>Whether the signature of an answer is right. The field is zero afterwards.</summary>
    public bool Verify(Span<byte> message, ulong messageId)
    {
        if (_incoming is null)
            return false;
        Span<byte> found = stackalloc byte[SmbHeader.SignatureBytes];
        Span<byte> right = stackalloc byte[SmbHeader.SignatureBytes];
        var field = SmbHeader.Signature(message);
        field.CopyTo(found);
        field.Clear();
        _incoming.Sign(message, messageId, isServer: true, isCancel: false, right);
        return CryptographicOperations.FixedTimeEquals(found, right);
    }

    /// <summary>Encrypts what stands behind the transform header, and writes that header.</summary>
    public void Seal(Span<byte> frame)
    {
        var cipher = _sealing!;
        // A counter never repeats under a key, and the key is the session's own.
        Span<byte> nonce = stackalloc byte[cipher.NonceBytes];
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, ++_nonce);
        TransformHeader.Write(frame, nonce, frame.Length - TransformHeader.Bytes, SessionId);
        cipher.Encrypt(frame[TransformHeader.Bytes..], nonce, frame.Slice(TransformHeader.NonceOffset, TransformHeader.AssociatedBytes),
            frame.Slice(TransformHeader.SignatureOffset, SmbHeader.SignatureBytes));
    }

    /// <summary>Decrypts what stands behind the transform header, where it lies.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Tampered"/>.</exception>
    public void Open(Span<byte> frame)
    {
        var cipher = _opening ?? throw new SmbProtocolException("an encrypted message came for a session that has no encryption");
        cipher.Decrypt(frame[TransformHeader.Bytes..], frame.Slice(TransformHeader.NonceOffset, cipher.NonceBytes),
            frame.Slice(TransformHeader.NonceOffset, TransformHeader.AssociatedBytes), frame.Slice(TransformHeader.SignatureOffset, SmbHeader.SignatureBytes));
    }

    public void Dispose()
    {
        _outgoing?.Dispose();
        _incoming?.Dispose();
        _sealing?.Dispose();
        _opening?.Dispose();
    }
}
