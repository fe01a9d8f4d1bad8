using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Capstan.Ncp.Wire;

/// <summary>The first two bytes of every packet, big-endian.</summary>
internal enum PacketType : ushort
{
    Create = 0x1111,
    Request = 0x2222,
    Reply = 0x3333,
    Watchdog = 0x3E3E,
    Destroy = 0x5555,
    Burst = 0x7777,
    /// <summary>The server has the request and is not done: wait, and do not send it again at once.</summary>
    Busy = 0x9999,
}

/// <summary>What stands before the function of a request and before the data of a reply.</summary>
/// <param name="Sequence">Counts requests of one connection modulo 256; a reply repeats it.</param>
/// <param name="Connection">0xFFFF in a create request.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Packet(PacketType Type, byte Sequence, ushort Connection)
{
    /// <summary>Type, sequence, connection (low), task, connection (high).</summary>
    public const int RequestBytes = 6;

    /// <summary>As a request, and completion code and connection status.</summary>
    public const int ReplyBytes = 8;

    /// <summary>Bits of the connection status that say that the server ends the connection: bad, no free slots, server down.</summary>
    private const byte EndingBits = 0x01 | 0x04 | 0x10;

    public NcpCode Code { get; init; }

    public byte Status { get; init; }

    /// <summary>The server says with this very answer that the connection is over.</summary>
    public bool IsEnding => (Status & EndingBits) != 0;

    /// <summary>The server has no such connection.</summary>
    public bool IsUnknownConnection => (Status & 0x01) != 0;

    public void WriteRequest(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt16BigEndian(target, (ushort)Type);
        target[2] = Sequence;
        target[3] = (byte)Connection;
        target[4] = 1;
        target[5] = (byte)(Connection >> 8);
    }

    /// <summary>Reads the head of what a server sends.</summary>
    /// <exception cref="NcpProtocolException">It is shorter than a reply's head.</exception>
    public static Packet Read(ReadOnlySpan<byte> packet)
    {
        var reader = new NcpReader(packet, "an answer");
        var type = (PacketType)reader.UInt16Big();
        var sequence = reader.Byte();
        var low = reader.Byte();
        reader.Skip(1);
        var connection = (ushort)(low | (reader.Byte() << 8));
        return new Packet(type, sequence, connection) { Code = new NcpCode(reader.Byte()), Status = reader.Byte() };
    }
}

/// <summary>The server asks whether its client lives; whoever does not answer loses the connection.</summary>
internal static class Watchdog
{
    public const int Bytes = 10;
    private const byte Question = (byte)'?';
    private const byte Yes = (byte)'Y';

    /// <summary>The answer; null when it is no question, or not for this connection.</summary>
    public static byte[]? Answer(ReadOnlySpan<byte> packet, ushort connection)
    {
        if (packet.Length < Bytes || Packet.Read(packet) is not { Type: PacketType.Watchdog } head || head.Connection != connection || packet[Bytes - 1] != Question)
            return null;
        var answer = packet[..Bytes].ToArray();
        answer[Bytes - 1] = Yes;
        return answer;
    }
}
