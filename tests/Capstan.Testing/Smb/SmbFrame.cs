using System.Buffers.Binary;

namespace Capstan.Testing.Smb;

/// <summary>One message on a link: four bytes of length, then SMB 2 as it is, or encrypted ([MS-SMB2] 2.1).</summary>
/// <param name="Bytes">With the four bytes of length.</param>
/// <param name="OffsetBytes">How many bytes came before it on this link in this direction.</param>
/// <param name="CommandCount">How many frames with this command came so far on this link in this direction, this one included.</param>
internal sealed record SmbFrame(ReadOnlyMemory<byte> Bytes, long OffsetBytes, int CommandCount)
{
    public const int PrefixBytes = 4;
    public const int HeaderBytes = 64;
    public const ushort Encrypted = 0xFFFF;

    /// <summary>The command of its (first) message; <see cref="Encrypted"/> for one that hides it.</summary>
    public ushort Command => CommandOf(Bytes.Span);

    public static ushort CommandOf(ReadOnlySpan<byte> frame) =>
        frame.Length >= PrefixBytes + HeaderBytes && BinaryPrimitives.ReadUInt32BigEndian(frame[PrefixBytes..]) == 0xFE534D42
            ? BinaryPrimitives.ReadUInt16LittleEndian(frame[(PrefixBytes + 12)..])
            : Encrypted;

    /// <summary>The error answer ([MS-SMB2] 2.2.2) that somebody without the session's key would forge in its place: same ids, unsigned.</summary>
    public SmbFrame Forged(uint status)
    {
        const uint signed = 8;
        var forged = new byte[PrefixBytes + HeaderBytes + 9];
        Bytes.Span[..(PrefixBytes + HeaderBytes)].CopyTo(forged);
        BinaryPrimitives.WriteInt32BigEndian(forged, forged.Length - PrefixBytes);
        var header = forged.AsSpan(PrefixBytes, HeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], status);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], BinaryPrimitives.ReadUInt32LittleEndian(header[16..]) & ~signed);
        header[20..24].Clear(); // NextCommand: it stands alone
        header[48..].Clear(); // Signature
        forged[PrefixBytes + HeaderBytes] = 9; // StructureSize
        return this with { Bytes = forged };
    }
}
