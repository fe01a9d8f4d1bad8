using System.Buffers.Binary;

namespace Capstan.Ncp.Wire;

/// <summary>Reads fields of one packet; each says its byte order, because NCP has both. Whatever is outside the bytes given ends in <see cref="NcpProtocolException"/>.</summary>
internal ref struct NcpReader(ReadOnlySpan<byte> bytes, string what)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly int Left => _bytes.Length - Position;

    public byte Byte() => Take(1)[0];

    public ushort UInt16Big() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public ushort UInt16Little() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint UInt32Big() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public uint UInt32Little() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

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

    /// <summary>A text with its length before it.</summary>
    public string CountedText() => NcpText.Read(Take(Byte()));

    /// <summary>A text in a field of fixed length, ended by NUL where it is shorter.</summary>
    public string FixedText(int length)
    {
        var field = Take(length);
        var end = field.IndexOf((byte)0);
        return NcpText.Read(end < 0 ? field : field[..end]);
    }

    public readonly NcpProtocolException Malformed(string why) => new($"{what}: {why}");
}
