using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Capstan.Smb.Pipes;

/// <summary>Writes the arguments of a call in NDR 2.0, little-endian ([C706] chapter 14). Grows as needed.</summary>
internal sealed class NdrWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What stands for the next pointer that is not null: any value that was not used yet ([C706] 14.3.10); Windows and Samba count like this.</summary>
    private uint _referent = 0x00020000;

    public ReadOnlyMemory<byte> Written => _bytes.WrittenMemory;

    public NdrWriter UInt32(uint value)
    {
        Align();
        BinaryPrimitives.WriteUInt32LittleEndian(Next(4), value);
        return this;
    }

    /// <summary>A pointer to what follows.</summary>
    public NdrWriter Pointer()
    {
        UInt32(_referent);
        _referent += 4;
        return this;
    }

    public NdrWriter Null() => UInt32(0);

    /// <summary>A unique pointer to a text ([C706] 14.3.4.2: conformant and varying, with its NUL); null is the null pointer.</summary>
    public NdrWriter Text(string? text)
    {
        if (text is null)
            return Null();
        var characters = (uint)text.Length + 1;
        Pointer().UInt32(characters).UInt32(0).UInt32(characters);
        Encoding.Unicode.GetBytes(text, Next(text.Length * 2));
        Next(2).Clear();
        return this;
    }

    private void Align() => Next(-_bytes.WrittenCount & 3).Clear();

    private Span<byte> Next(int count)
    {
        if (count == 0)
            return [];
        var span = _bytes.GetSpan(count)[..count];
        _bytes.Advance(count);
        return span;
    }
}
