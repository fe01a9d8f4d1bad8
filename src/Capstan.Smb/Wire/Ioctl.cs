namespace Capstan.Smb.Wire;

/// <summary>IOCTL ([MS-SMB2] 2.2.31), always a file-system control.</summary>
internal sealed class IoctlRequest(uint code, FileId file, ReadOnlyMemory<byte> input, int maxOutputBytes) : SmbRequest(SmbCommand.Ioctl)
{
    /// <summary>Writes to a pipe and reads from it in one step.</summary>
    public const uint PipeTransceive = 0x0011C017;
    /// <summary>Asks the server what it negotiated (2.2.31.4).</summary>
    public const uint ValidateNegotiate = 0x00140204;
    /// <summary>Asks where a DFS path leads ([MS-DFSC] 2.2.2).</summary>
    public const uint DfsGetReferrals = 0x00060194;

    private const int IsFileSystemControl = 1;

    public override int Bytes => 56 + Math.Max(input.Length, 1);

    protected override int PayloadBytes => Math.Max(input.Length, maxOutputBytes);

    public override void Check(ReadOnlySpan<byte> answer) => IoctlResponse.Output(answer, maxOutputBytes);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(57);
        writer.UInt16(0);
        writer.UInt32(code);
        file.Write(ref writer);
        writer.UInt32(SmbHeader.Bytes + 56);
        writer.UInt32((uint)input.Length);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32((uint)maxOutputBytes);
        writer.UInt32(IsFileSystemControl);
        writer.UInt32(0);
        writer.Bytes(input.Span);
        if (input.Length == 0)
            writer.Byte(0);
    }
}

internal static class IoctlResponse
{
    /// <summary>The output of an answer to IOCTL (2.2.32), where it lies.</summary>
    public static ReadOnlySpan<byte> Output(ReadOnlySpan<byte> message, int mostBytes)
    {
        var reader = new WireReader(message, "answer to IOCTL");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(49);
        reader.Skip(2 + 4 + FileId.Bytes + 4 + 4);
        var offset = reader.UInt32();
        var count = reader.UInt32();
        if (count > mostBytes)
            throw reader.Malformed($"{count} bytes were sent and {mostBytes} asked for");
        return reader.At(offset, count);
    }
}
