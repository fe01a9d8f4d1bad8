using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Capstan.Smb.Wire;

[Flags]
internal enum HeaderFlags : uint
{
    None = 0,
    ServerToClient = 0x1,
    Async = 0x2,
    Related = 0x4,
    Signed = 0x8,
    Dfs = 0x10000000,
}

/// <summary>The header of every message ([MS-SMB2] 2.2.1). The signature stays where it lies in the bytes.</summary>
/// <param name="Credits">In a request those asked for, in an answer those granted.</param>
/// <param name="AsyncId">0 unless <see cref="HeaderFlags.Async"/> is set; then <paramref name="TreeId"/> is 0.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SmbHeader(SmbCommand Command, NtStatus Status, HeaderFlags Flags, ushort CreditCharge, ushort Credits,
    uint NextCommand, ulong MessageId, uint TreeId, ulong AsyncId, ulong SessionId)
{
    public const int Bytes = 64;
    public const int SignatureOffset = 48;
    public const int SignatureBytes = 16;
    /// <summary>Sent by a server without being asked (2.2.23); nothing waits for it.</summary>
    public const ulong Unsolicited = ulong.MaxValue;

    private const uint Protocol = 0x424D53FE;       // FE 'S' 'M' 'B'
    private const int StatusOffset = 8;
    private const int FlagsOffset = 16;
    private const int MessageIdOffset = 24;

    public void Write(Span<byte> message)
    {
        var writer = new WireWriter(message);
        writer.UInt32(Protocol);
        writer.UInt16(Bytes);
        writer.UInt16(CreditCharge);
        writer.UInt32(Status.Code);
        writer.UInt16(Command.Code);
        writer.UInt16(Credits);
        writer.UInt32((uint)Flags);
        writer.UInt32(NextCommand);
        writer.UInt64(MessageId);
        if (Flags.HasFlag(HeaderFlags.Async))
        {
            writer.UInt64(AsyncId);
        }
        else
        {
            writer.UInt32(0);
            writer.UInt32(TreeId);
        }
        writer.UInt64(SessionId);
        writer.Zero(SignatureBytes);
    }

    /// <exception cref="SmbProtocolException">Too short, or no SMB 2 header.</exception>
    public static SmbHeader Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "header");
        if (reader.UInt32() != Protocol)
            throw reader.Malformed("it does not begin with FE 'SMB'");
        reader.Expect(Bytes);
        var charge = reader.UInt16();
        var status = new NtStatus(reader.UInt32());
        var command = new SmbCommand(reader.UInt16());
        var credits = reader.UInt16();
        var flags = (HeaderFlags)reader.UInt32();
        var next = reader.UInt32();
        var messageId = reader.UInt64();
        var isAsync = flags.HasFlag(HeaderFlags.Async);
        var asyncOrTree = reader.UInt64();
        var sessionId = reader.UInt64();
        reader.Skip(SignatureBytes);
        return new SmbHeader(command, status, flags, charge, credits, next, messageId,
            isAsync ? 0 : (uint)(asyncOrTree >> 32), isAsync ? asyncOrTree : 0, sessionId);
    }

    /// <summary>The status of a message whose header was read before.</summary>
    public static NtStatus ReadStatus(ReadOnlySpan<byte> message) => new(BinaryPrimitives.ReadUInt32LittleEndian(message[StatusOffset..]));

    /// <summary>The message id becomes known last, when the credits are there.</summary>
    public static void PatchMessageId(Span<byte> message, ulong messageId) =>
        BinaryPrimitives.WriteUInt64LittleEndian(message[MessageIdOffset..], messageId);

    public static void AddFlag(Span<byte> message, HeaderFlags flag) =>
        BinaryPrimitives.WriteUInt32LittleEndian(message[FlagsOffset..], BinaryPrimitives.ReadUInt32LittleEndian(message[FlagsOffset..]) | (uint)flag);

    public static Span<byte> Signature(Span<byte> message) => message.Slice(SignatureOffset, SignatureBytes);
}
