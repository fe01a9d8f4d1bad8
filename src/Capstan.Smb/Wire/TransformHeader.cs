using System.Buffers.Binary;

namespace Capstan.Smb.Wire;

/// <summary>Stands before an encrypted message ([MS-SMB2] 2.2.41).</summary>
internal static class TransformHeader
{
    public const int Bytes = 52;
    public const int SignatureOffset = 4;
    public const int NonceOffset = 20;
    /// <summary>What the tag covers beside the message: everything from the nonce on.</summary>
    public const int AssociatedBytes = Bytes - NonceOffset;

    private const uint Protocol = 0x424D53FD;       // FD 'S' 'M' 'B'
    private const ushort Encrypted = 1;

    public static bool Is(ReadOnlySpan<byte> frame) => frame.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(frame) == Protocol;

    /// <summary>All but the tag.</summary>
    /// <param name="nonce">Unique under its key; 11 or 12 bytes, the rest of the field is zero.</param>
    public static void Write(Span<byte> frame, ReadOnlySpan<byte> nonce, int messageBytes, ulong sessionId)
    {
        var writer = new WireWriter(frame[..Bytes]);
        writer.UInt32(Protocol);
        writer.Zero(16);
        writer.Bytes(nonce);
        writer.Zero(16 - nonce.Length);
        writer.UInt32((uint)messageBytes);
        writer.UInt16(0);
        writer.UInt16(Encrypted);
        writer.UInt64(sessionId);
    }

    /// <summary>The session whose keys open the frame.</summary>
    public static ulong Read(ReadOnlySpan<byte> frame)
    {
        var reader = new WireReader(frame, "transform header");
        reader.Skip(NonceOffset + 16);
        var size = reader.UInt32();
        reader.Skip(2);
        if (reader.UInt16() != Encrypted)
            throw reader.Malformed("its flags do not say 'encrypted'");
        var session = reader.UInt64();
        if (size != reader.Left)
            throw reader.Malformed($"it announces {size} bytes and {reader.Left} follow");
        return session;
    }
}
