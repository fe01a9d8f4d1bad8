using System.Buffers.Binary;
using System.Text;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Authentication;

/// <summary>AvId ([MS-NLMP] 2.2.2.1); only those that are looked at or set.</summary>
internal enum NtlmAvId : ushort
{
    EndOfList = 0,
    ComputerName = 1,
    Flags = 6,
    Timestamp = 7,
    TargetName = 9,
    ChannelBindings = 10,
}

/// <summary>TargetInfo: what the server says of itself, as AV_PAIRs ([MS-NLMP] 2.2.2.1), and what the client makes of it for its response. Immutable.</summary>
internal sealed class NtlmTargetInfo
{
    /// <summary>Real ones have some hundred bytes; the response that repeats it must fit a 16-bit length.</summary>
    public const int MaxBytes = 16 * 1024;

    /// <summary>MsvAvFlags: the AUTHENTICATE_MESSAGE bears a MIC.</summary>
    private const uint MicIsPresent = 0x2;

    private const int PairHeaderBytes = 4;
    private const int ChannelBindingsBytes = 16;

    private readonly List<(NtlmAvId Id, byte[] Value)> _pairs = [];

    private NtlmTargetInfo()
    {
    }

    /// <summary>When the server made it, as FILETIME; null when it does not say.</summary>
    public ulong? Timestamp { get; private set; }

    /// <summary>MsvAvNbComputerName; null when the server does not say.</summary>
    public string? ComputerName { get; private set; }

    private uint AvFlags { get; set; }

    public static NtlmTargetInfo Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new WireReader(bytes, "NTLM target information");
        if (bytes.Length > MaxBytes)
            throw reader.Malformed($"{bytes.Length} bytes are more than the {MaxBytes} that are read");
        var info = new NtlmTargetInfo();
        while (true)
        {
            var id = (NtlmAvId)reader.UInt16();
            var value = reader.Take(reader.UInt16());
            switch (id)
            {
                case NtlmAvId.EndOfList:
                    return info;
                case NtlmAvId.Timestamp when value.Length != sizeof(ulong):
                    throw reader.Malformed($"a time of {value.Length} bytes");
                case NtlmAvId.Timestamp:
                    info.Timestamp = BinaryPrimitives.ReadUInt64LittleEndian(value);
                    break;
                case NtlmAvId.Flags when value.Length != sizeof(uint):
                    throw reader.Malformed($"flags of {value.Length} bytes");
                case NtlmAvId.Flags:
                    info.AvFlags = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    continue;
                case NtlmAvId.ComputerName:
                    info.ComputerName = Encoding.Unicode.GetString(value);
                    break;
                // The client's to say, not the server's.
                case NtlmAvId.TargetName or NtlmAvId.ChannelBindings:
                    continue;
            }

            info._pairs.Add((id, value.ToArray()));
        }
    }

    /// <summary>The server's pairs, then the client's ([MS-NLMP] 3.1.5.1.2): that there is a MIC, no channel binding, and the service that is meant.</summary>
    /// <param name="targetName">As <c>cifs/host</c>: it binds the response to this server, so that it cannot be used at another.</param>
    public byte[] Answer(string targetName)
    {
        var bytes = new byte[_pairs.Sum(p => PairHeaderBytes + p.Value.Length)
            + PairHeaderBytes + sizeof(uint)
            + PairHeaderBytes + ChannelBindingsBytes
            + PairHeaderBytes + Encoding.Unicode.GetByteCount(targetName)
            + PairHeaderBytes];
        var writer = new WireWriter(bytes);
        foreach (var (id, value) in _pairs)
        {
            Header(ref writer, id, value.Length);
            writer.Bytes(value);
        }

        Header(ref writer, NtlmAvId.Flags, sizeof(uint));
        writer.UInt32(AvFlags | MicIsPresent);
        Header(ref writer, NtlmAvId.ChannelBindings, ChannelBindingsBytes);
        writer.Zero(ChannelBindingsBytes);
        Header(ref writer, NtlmAvId.TargetName, Encoding.Unicode.GetByteCount(targetName));
        writer.Text(targetName);
        Header(ref writer, NtlmAvId.EndOfList, 0);
        return bytes;
    }

    private static void Header(ref WireWriter writer, NtlmAvId id, int length)
    {
        writer.UInt16((ushort)id);
        writer.UInt16(length);
    }
}
