using System.Buffers.Binary;
using System.Text;

namespace Capstan.Smb.Wire;

/// <summary>Writes little-endian fields into a buffer that the caller made large enough.</summary>
/// <param name="position">Where to begin: what stands before it counts in offsets.</param>
internal ref struct WireWriter(Span<byte> bytes, int position = 0)
{
    private readonly Span<byte> _bytes = bytes;

    public int Position { get; private set; } = position;

    public void Byte(byte value) => Next(1)[0] = value;

    public void UInt16(int value) => BinaryPrimitives.WriteUInt16LittleEndian(Next(2), checked((ushort)value));

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Next(4), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Next(8), value);

    public void Guid(Guid value) => value.TryWriteBytes(Next(16));

    public void Bytes(ReadOnlySpan<byte> value) => value.CopyTo(Next(value.Length));

    public void Text(string value) => Encoding.Unicode.GetBytes(value, Next(value.Length * 2));

    public void Zero(int count) => Next(count).Clear();

    /// <summary>Zeros up to the next multiple of <paramref name="boundary"/>, counted from <paramref name="origin"/>.</summary>
    public void Align(int boundary, int origin = 0) => Zero((boundary - ((Position - origin) % boundary)) % boundary);

    /// <summary>Writes a field that was left free: a length that became known later.</summary>
    public readonly void PatchUInt16(int position, int value) => BinaryPrimitives.WriteUInt16LittleEndian(_bytes[position..], checked((ushort)value));

    public readonly void PatchUInt32(int position, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes[position..], value);

    private Span<byte> Next(int count)
    {
        var slice = _bytes.Slice(Position, count);
        Position += count;
        return slice;
    }
}
