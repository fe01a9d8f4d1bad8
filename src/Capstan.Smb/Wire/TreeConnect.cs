namespace Capstan.Smb.Wire;

/// <summary>TREE_CONNECT ([MS-SMB2] 2.2.9).</summary>
/// <param name="path"><c>\\server\share</c></param>
internal sealed class TreeConnectRequest(string path) : SmbRequest(SmbCommand.TreeConnect)
{
    public override int Bytes => 8 + (path.Length * 2);

    public override void Check(ReadOnlySpan<byte> answer) => TreeConnectResponse.Read(answer);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(9);
        writer.UInt16(0);
        writer.UInt16(SmbHeader.Bytes + 8);
        writer.UInt16(path.Length * 2);
        writer.Text(path);
    }
}

internal enum ShareType : byte
{
    Disk = 1,
    Pipe = 2,
    Printer = 3,
}

/// <summary>The answer to TREE_CONNECT (2.2.10).</summary>
internal readonly record struct TreeConnectResponse(ShareType Type, bool MustEncrypt, bool IsDfs)
{
    private const uint FlagEncryptData = 0x8000;
    private const uint CapabilityDfs = 0x8;

    public static TreeConnectResponse Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "answer to TREE_CONNECT");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(16);
        var type = (ShareType)reader.Byte();
        reader.Skip(1);
        var flags = reader.UInt32();
        var capabilities = reader.UInt32();
        reader.Skip(4);
        return new TreeConnectResponse(type, (flags & FlagEncryptData) != 0, (capabilities & CapabilityDfs) != 0);
    }
}
