using System.Buffers.Binary;
using System.Text;

namespace Capstan.Smb.Wire;

/// <summary>Reads little-endian fields of one message. Whatever is outside the bytes given ends in <see cref="SmbProtocolException"/>.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes, string what)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly string _what = what;

    public int Position { get; private set; }

    public readonly int Length => _bytes.Length;

    public readonly int Left => _bytes.Length - Position;

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public Guid Guid() => new(Take(16));

    public void Skip(int count) => Take(count);

    /// <summary>The next <paramref name="count"/> bytes, where they lie.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > Left)
            throw Malformed($"{count} bytes at {Position} do not fit into {_bytes.Length}");
        var slice = _bytes.Slice(Position, count);
        Position += count;
        return slice;
    }

    /// <summary>A field that the message names by offset and length; empty for length 0, whatever the offset says.</summary>
    /// <param name="offset">From the beginning of the bytes given.</param>
    public readonly ReadOnlySpan<byte> At(long offset, long length)
    {
        if (length == 0)
            return [];
        if (offset < 0 || length < 0 || offset > _bytes.Length || length > _bytes.Length - offset)
            throw Malformed($"{length} bytes at {offset} do not fit into {_bytes.Length}");
        return _bytes.Slice((int)offset, (int)length);
    }

    /// <summary>A UTF-16 text that the message names by offset and length.</summary>
    public readonly string TextAt(long offset, long length)
    {
        if (length % 2 != 0)
            throw Malformed($"a text of {length} bytes is no UTF-16");
        return Encoding.Unicode.GetString(At(offset, length));
    }

    /// <summary>StructureSize, which every structure begins with and which says which one it is.</summary>
    public void Expect(ushort structureSize)
    {
        var found = UInt16();
        if (found != structureSize)
            throw Malformed($"StructureSize is {found} and must be {structureSize}");
    }

    public readonly SmbProtocolException Malformed(string why) => new($"{_what}: {why}");
}
