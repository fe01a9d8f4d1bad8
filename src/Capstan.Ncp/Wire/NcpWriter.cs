using System.Buffers.Binary;

namespace Capstan.Ncp.Wire;

/// <summary>Writes the body of one request: everything behind the function byte. Grows as needed.</summary>
internal sealed class NcpWriter(int capacity = 64)
{
    private byte[] _bytes = new byte[capacity];
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public NcpWriter Byte(int value)
    {
        Next(1)[0] = checked((byte)value);
        return this;
    }

    public NcpWriter UInt16Big(int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Next(2), checked((ushort)value));
        return this;
    }

    public NcpWriter UInt16Little(int value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(Next(2), checked((ushort)value));
        return this;
    }

    public NcpWriter UInt32Big(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Next(4), value);
        return this;
    }

    public NcpWriter UInt32Little(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Next(4), value);
        return this;
    }

    public NcpWriter Bytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Next(value.Length));
        return this;
    }

    /// <exception cref="NcpException"><see cref="NcpFailure.Unsupported"/>: the text cannot be said in the server's characters, or is longer than 255 of them.</exception>
    public NcpWriter CountedText(string text)
    {
        var bytes = NcpText.Write(text);
        Byte(bytes.Length);
        return Bytes(bytes);
    }

    private Span<byte> Next(int count)
    {
        if (_bytes.Length - _length < count)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        var slice = _bytes.AsSpan(_length, count);
        _length += count;
        return slice;
    }
}
