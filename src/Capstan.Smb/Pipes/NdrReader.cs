using System.Text;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Pipes;

/// <summary>Reads what a call gave back in NDR 2.0, little-endian ([C706] chapter 14). Total: any bytes end in values that are not larger than they, or in <see cref="SmbProtocolException"/>.</summary>
internal ref struct NdrReader(ReadOnlySpan<byte> stub, string what)
{
    private WireReader _reader = new(stub, what);

    public uint UInt32()
    {
        Align();
        return _reader.UInt32();
    }

    /// <summary>Whether the next pointer is one; what it points to comes later.</summary>
    public bool Pointer() => UInt32() != 0;

    /// <summary>The number of elements of a conformant array ([C706] 14.3.3.2).</summary>
    /// <param name="announced">What the size_is field said.</param>
    /// <param name="elementBytes">The least that one takes, so that no more are believed than can follow.</param>
    public int Count(uint announced, int elementBytes)
    {
        var count = UInt32();
        if (count != announced)
            throw Malformed($"an array of {count} elements was announced with {announced}");
        if (count > _reader.Left / elementBytes)
            throw Malformed($"{count} elements of {elementBytes} bytes do not fit into {_reader.Left}");
        return (int)count;
    }

    /// <summary>A conformant and varying text ([C706] 14.3.4.2), without its NUL.</summary>
    public string Text()
    {
        var (most, offset, count) = (UInt32(), UInt32(), UInt32());
        if (offset != 0 || count > most || count > _reader.Left / 2)
            throw Malformed($"a text of {count} characters at {offset} of {most}, with {_reader.Left} bytes left");
        var characters = _reader.Take((int)count * 2);
        var text = Encoding.Unicode.GetString(characters);
        text = text.EndsWith('\0') ? text[..^1] : text;
        if (text.Contains('\0', StringComparison.Ordinal))
            throw Malformed("a text with NUL in it");
        return text;
    }

    /// <summary>Nothing may follow.</summary>
    public readonly void End()
    {
        // A server may pad what it sends to the next multiple of 8 ([C706] 14.3.1).
        if (_reader.Left > 7)
            throw Malformed($"{_reader.Left} bytes too many");
    }

    public readonly SmbProtocolException Malformed(string why) => _reader.Malformed(why);

    private void Align() => _reader.Skip(Math.Min(-_reader.Position & 3, _reader.Left));
}
