namespace Capstan.Smb.Wire;

/// <summary>SESSION_SETUP ([MS-SMB2] 2.2.5).</summary>
/// <param name="previousSessionId">A session of the same account that the server shall end; 0 for none.</param>
internal sealed class SessionSetupRequest(SecurityMode mode, Capabilities capabilities, ulong previousSessionId, byte[] token) : SmbRequest(SmbCommand.SessionSetup)
{
    public override int Bytes => 24 + token.Length;

    public override void Check(ReadOnlySpan<byte> answer) => SessionSetupResponse.Read(answer);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(25);
        writer.Byte(0);
        writer.Byte((byte)mode);
        writer.UInt32((uint)capabilities);
        writer.UInt32(0);
        writer.UInt16(SmbHeader.Bytes + 24);
        writer.UInt16(token.Length);
        writer.UInt64(previousSessionId);
        writer.Bytes(token);
    }
}

[Flags]
internal enum SessionFlags : ushort
{
    None = 0,
    Guest = 1,
    Anonymous = 2,
    Encrypt = 4,
}

/// <summary>The answer to SESSION_SETUP (2.2.6).</summary>
internal readonly record struct SessionSetupResponse(SessionFlags Flags, byte[] Token)
{
    public static SessionSetupResponse Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "answer to SESSION_SETUP");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(9);
        var flags = (SessionFlags)reader.UInt16();
        var offset = reader.UInt16();
        var length = reader.UInt16();
        return new SessionSetupResponse(flags, reader.At(offset, length).ToArray());
    }
}
