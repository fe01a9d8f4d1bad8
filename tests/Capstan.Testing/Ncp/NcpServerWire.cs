using System.Buffers.Binary;
using System.Text;

namespace Capstan.Testing.Ncp;

/// <summary>A request was cut short, or says what cannot be.</summary>
internal sealed class NcpServerException(byte code) : Exception($"{code:X2}")
{
    public byte Code => code;
}

/// <summary>The fields of a request, as the server reads them; not the client's code.</summary>
internal ref struct NcpFields(ReadOnlySpan<byte> data)
{
    private ReadOnlySpan<byte> _left = data;

    public readonly int Left => _left.Length;

    public byte Byte() => Take(1)[0];

    public int Big16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public int Little16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint Big32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public uint Little32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public string Text() => Encoding.Latin1.GetString(Take(Byte()));

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > _left.Length)
            throw new NcpServerException(0x7E);
        var taken = _left[..count];
        _left = _left[count..];
        return taken;
    }
}

/// <summary>The fields of an answer.</summary>
internal sealed class NcpAnswer
{
    private readonly MemoryStream _data = new();

    public byte[] ToArray() => _data.ToArray();

    public int Length => (int)_data.Length;

    public NcpAnswer Byte(int value)
    {
        _data.WriteByte((byte)value);
        return this;
    }

    public NcpAnswer Big16(int value) => Byte(value >> 8).Byte(value & 0xFF);

    public NcpAnswer Little16(int value) => Byte(value & 0xFF).Byte(value >> 8);

    public NcpAnswer Big32(uint value) => Big16((int)(value >> 16)).Big16((int)(value & 0xFFFF));

    public NcpAnswer Little32(uint value) => Little16((int)(value & 0xFFFF)).Little16((int)(value >> 16));

    public NcpAnswer Bytes(ReadOnlySpan<byte> bytes)
    {
        _data.Write(bytes);
        return this;
    }

    public NcpAnswer Zero(int count) => Bytes(new byte[count]);

    public NcpAnswer Text(string text) => Byte(text.Length).Bytes(Encoding.Latin1.GetBytes(text));

    public NcpAnswer Fixed(string text, int length) => Bytes(Encoding.Latin1.GetBytes(text)).Zero(length - text.Length);

    public NcpAnswer Time(DateTime? time) => time is { } at
        ? Byte(at.Year - 1900).Byte(at.Month).Byte(at.Day).Byte(at.Hour).Byte(at.Minute).Byte(at.Second).Byte((int)at.DayOfWeek)
        : Zero(7);
}
