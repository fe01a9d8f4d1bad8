using System.Security.Cryptography;

namespace Capstan.Smb.Wire;

[Flags]
internal enum SecurityMode : ushort
{
    SigningEnabled = 1,
    SigningRequired = 2,
}

/// <summary>Capabilities of a side ([MS-SMB2] 2.2.3, 2.2.4).</summary>
[Flags]
internal enum Capabilities : uint
{
    None = 0,
    Dfs = 0x1,
    LargeMtu = 0x4,
    Encryption = 0x40,
}

/// <summary>NEGOTIATE ([MS-SMB2] 2.2.3).</summary>
internal sealed class NegotiateRequest : SmbRequest
{
    internal const int PreauthContext = 1, EncryptionContext = 2, NetNameContext = 5, SigningContext = 8;
    internal const int Sha512 = 1;
    private const int SaltBytes = 32;

    private readonly byte[] _body;

    /// <param name="dialects">Lowest first.</param>
    /// <param name="serverName">As the caller wrote it: some servers choose by it.</param>
    public NegotiateRequest(IReadOnlyList<SmbDialect> dialects, SecurityMode mode, Capabilities capabilities, Guid client,
        IReadOnlyList<SmbCipher> ciphers, IReadOnlyList<SmbSigning> signing, string serverName) : base(SmbCommand.Negotiate)
    {
        var body = new byte[36 + (dialects.Count * 2) + 256 + (serverName.Length * 2)];
        // Offsets count from the header, so the contexts are aligned as if it stood before them: 64 is a multiple of 8.
        var writer = new WireWriter(body);
        writer.UInt16(36);
        writer.UInt16(dialects.Count);
        writer.UInt16((int)mode);
        writer.UInt16(0);
        writer.UInt32((uint)capabilities);
        writer.Guid(client);
        writer.UInt64(0);
        foreach (var dialect in dialects)
            writer.UInt16((int)dialect);
        if (dialects.Contains(SmbDialect.Smb311))
        {
            writer.Align(8);
            writer.PatchUInt32(28, (uint)(SmbHeader.Bytes + writer.Position));
            writer.PatchUInt16(32, Contexts(ref writer, ciphers, signing, serverName));
        }
        _body = body[..writer.Position];
    }

    public override int Bytes => _body.Length;

    public override void Write(ref WireWriter writer) => writer.Bytes(_body);

    private static int Contexts(ref WireWriter writer, IReadOnlyList<SmbCipher> ciphers, IReadOnlyList<SmbSigning> signing, string serverName)
    {
        var count = 1;
        Begin(ref writer, PreauthContext, 6 + SaltBytes);
        writer.UInt16(1);
        writer.UInt16(SaltBytes);
        writer.UInt16(Sha512);
        writer.Bytes(RandomNumberGenerator.GetBytes(SaltBytes));
        if (ciphers.Count > 0)
        {
            count++;
            Begin(ref writer, EncryptionContext, 2 + (2 * ciphers.Count));
            writer.UInt16(ciphers.Count);
            foreach (var cipher in ciphers)
                writer.UInt16((int)cipher);
        }
        if (signing.Count > 0)
        {
            count++;
            Begin(ref writer, SigningContext, 2 + (2 * signing.Count));
            writer.UInt16(signing.Count);
            foreach (var algorithm in signing)
                writer.UInt16((int)algorithm);
        }
        if (serverName.Length > 0)
        {
            count++;
            Begin(ref writer, NetNameContext, serverName.Length * 2);
            writer.Text(serverName);
        }
        return count;
    }

    private static void Begin(ref WireWriter writer, int type, int dataBytes)
    {
        writer.Align(8);
        writer.UInt16(type);
        writer.UInt16(dataBytes);
        writer.UInt32(0);
    }
}

/// <summary>The answer to NEGOTIATE ([MS-SMB2] 2.2.4), as far as it is of use.</summary>
/// <param name="Cipher">From the contexts of 3.1.1; <see cref="SmbCipher.None"/> without one.</param>
/// <param name="Signing">From the contexts of 3.1.1; null without one.</param>
/// <param name="SystemTime">File time; 0 for unknown.</param>
internal sealed record NegotiateResponse(SmbDialect Dialect, SecurityMode Mode, Guid Server, Capabilities Capabilities, uint MaxTransactBytes,
    uint MaxReadBytes, uint MaxWriteBytes, long SystemTime, byte[] SecurityBuffer, bool HasPreauth, SmbCipher Cipher, SmbSigning? Signing)
{
    private const int MostContexts = 32;

    public static NegotiateResponse Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "answer to NEGOTIATE");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(65);
        var mode = (SecurityMode)reader.UInt16();
        var dialect = (SmbDialect)reader.UInt16();
        var contextCount = reader.UInt16();
        var server = reader.Guid();
        var capabilities = (Capabilities)reader.UInt32();
        var transact = reader.UInt32();
        var read = reader.UInt32();
        var write = reader.UInt32();
        var time = reader.UInt64();
        reader.Skip(8);
        var offset = reader.UInt16();
        var length = reader.UInt16();
        var contextOffset = reader.UInt32();
        var security = reader.At(offset, length).ToArray();
        var (hasPreauth, cipher, signing) = dialect == SmbDialect.Smb311 ? Contexts(reader, contextOffset, contextCount) : default;
        return new NegotiateResponse(dialect, mode, server, capabilities, transact, read, write, (long)Math.Min(time, long.MaxValue), security, hasPreauth, cipher, signing);
    }

    private static (bool HasPreauth, SmbCipher Cipher, SmbSigning? Signing) Contexts(WireReader message, long offset, int count)
    {
        if (count > MostContexts)
            throw message.Malformed($"{count} negotiate contexts are more than the {MostContexts} that are read");
        var (hasPreauth, cipher, signing) = (false, SmbCipher.None, (SmbSigning?)null);
        for (var i = 0; i < count; i++)
        {
            var head = new WireReader(message.At(offset, 8), "negotiate context");
            var type = head.UInt16();
            var length = head.UInt16();
            var data = new WireReader(message.At(offset + 8, length), "negotiate context");
            switch (type)
            {
                case NegotiateRequest.PreauthContext when !hasPreauth:
                    hasPreauth = data.UInt16() == 1 && data.UInt16() >= 0 && data.UInt16() == NegotiateRequest.Sha512
                        ? true
                        : throw data.Malformed("the server chose no integrity hash that was offered");
                    break;
                case NegotiateRequest.EncryptionContext:
                    cipher = data.UInt16() == 1 ? (SmbCipher)data.UInt16() : throw data.Malformed("the server must choose one cipher");
                    break;
                case NegotiateRequest.SigningContext:
                    signing = data.UInt16() == 1 ? (SmbSigning)data.UInt16() : throw data.Malformed("the server must choose one signing algorithm");
                    break;
                case NegotiateRequest.PreauthContext:
                    throw data.Malformed("two integrity contexts");
                default:
                    break;
            }
            offset = (offset + 8 + length + 7) & ~7L;
        }
        return (hasPreauth, cipher, signing);
    }
}
