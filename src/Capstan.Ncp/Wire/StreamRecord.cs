using System.Buffers.Binary;

namespace Capstan.Ncp.Wire;

/// <summary>How packets stand on a TCP stream. Request: mark, length, version 1, size of the buffer for the reply, [signature]; reply: mark, length, [signature]. All big-endian; the length
/// counts the head.</summary>
internal static class StreamRecord
{
    /// <summary><c>DmdT</c>.</summary>
    public const uint RequestMark = 0x446D6454;
    /// <summary><c>tNcP</c>.</summary>
    public const uint ReplyMark = 0x744E6350;
    public const int RequestHeadBytes = 16;
    public const int ReplyHeadBytes = 8;

    /// <summary>A reply may be as long as the largest buffer with all heads; longer ones are refused before they are read.</summary>
    public const int MostReplyBytes = 0x11000;

    private const uint Version = 1;
    private const uint LengthBits = 0x0FFFFFFF;

    /// <param name="length">Of the whole record.</param>
    public static void WriteRequestHead(Span<byte> target, int length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, RequestMark);
        BinaryPrimitives.WriteUInt32BigEndian(target[4..], (uint)length);
        BinaryPrimitives.WriteUInt32BigEndian(target[8..], Version);
        BinaryPrimitives.WriteUInt32BigEndian(target[12..], MostReplyBytes);
    }

    /// <summary>Bytes of the reply that follow its head.</summary>
    /// <exception cref="NcpProtocolException">It is no reply, or too short or too long to be one.</exception>
    public static int ReadReplyHead(ReadOnlySpan<byte> head)
    {
        var reader = new NcpReader(head, "a record");
        var mark = reader.UInt32Big();
        if (mark != ReplyMark)
            throw reader.Malformed($"it begins with {mark:X8} and not with {ReplyMark:X8}");
        var length = reader.UInt32Big() & LengthBits;
        if (length is < ReplyHeadBytes + Packet.ReplyBytes or > MostReplyBytes)
            throw reader.Malformed($"a length of {length} bytes");
        return (int)length - ReplyHeadBytes;
    }
}
