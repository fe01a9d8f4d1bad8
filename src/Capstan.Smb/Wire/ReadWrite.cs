namespace Capstan.Smb.Wire;

/// <summary>READ ([MS-SMB2] 2.2.19).</summary>
internal sealed class ReadRequest(FileId file, long offset, int lengthBytes) : SmbRequest(SmbCommand.Read)
{
    // A buffer of one byte belongs to the structure.
    public override int Bytes => 49;

    protected override int PayloadBytes => lengthBytes;

    public override void Check(ReadOnlySpan<byte> answer) => ReadResponse.Data(answer, lengthBytes);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(49);
        // Where the data may begin in the answer, so that it lies aligned.
        writer.Byte(SmbHeader.Bytes + 16);
        writer.Byte(0);
        writer.UInt32((uint)lengthBytes);
        writer.UInt64((ulong)offset);
        file.Write(ref writer);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.Byte(0);
    }
}

internal static class ReadResponse
{
    /// <summary>The data of an answer to READ (2.2.20), where it lies.</summary>
    /// <param name="mostBytes">What was asked for: a server that sends more is not believed.</param>
    public static ReadOnlySpan<byte> Data(ReadOnlySpan<byte> message, int mostBytes)
    {
        var reader = new WireReader(message, "answer to READ");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(17);
        var offset = reader.Byte();
        reader.Skip(1);
        var length = reader.UInt32();
        if (length > mostBytes)
            throw reader.Malformed($"{length} bytes were sent and {mostBytes} asked for");
        return reader.At(offset, length);
    }
}

/// <summary>WRITE (2.2.21).</summary>
internal sealed class WriteRequest(FileId file, long offset, ReadOnlyMemory<byte> data) : SmbRequest(SmbCommand.Write)
{
    public override int Bytes => 48 + Math.Max(data.Length, 1);

    protected override int PayloadBytes => data.Length;

    public override void Check(ReadOnlySpan<byte> answer) => WriteResponse.Count(answer, data.Length);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(49);
        writer.UInt16(SmbHeader.Bytes + 48);
        writer.UInt32((uint)data.Length);
        writer.UInt64((ulong)offset);
        file.Write(ref writer);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.Bytes(data.Span);
        if (data.Length == 0)
            writer.Byte(0);
    }
}

internal static class WriteResponse
{
    /// <summary>Bytes written, of an answer to WRITE (2.2.22).</summary>
    public static int Count(ReadOnlySpan<byte> message, int sentBytes)
    {
        var reader = new WireReader(message, "answer to WRITE");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(17);
        reader.Skip(2);
        var count = reader.UInt32();
        return count <= sentBytes ? (int)count : throw reader.Malformed($"{count} bytes were written and {sentBytes} sent");
    }
}
