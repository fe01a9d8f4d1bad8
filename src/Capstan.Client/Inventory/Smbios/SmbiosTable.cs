using System.Buffers.Binary;

namespace Capstan.Client.Inventory.Smbios;

/// <summary>The structures of an SMBIOS table (DMTF DSP0134 3.7.0), as far as they are whole.</summary>
/// <remarks>Firmware is not trusted: a structure that leaves the table, or is shorter than its header, ends the reading; what came before stays.</remarks>
internal sealed class SmbiosTable
{
    /// <summary>Bound of a table: the 32-bit entry point cannot name more than 64 KiB, and real 64-bit tables stay far below this.</summary>
    public const int MaxBytes = 1024 * 1024;

    /// <summary>Bound of the list; large servers have about a thousand.</summary>
    public const int MaxStructures = 8192;

    private readonly List<SmbiosStructure> _structures;

    private SmbiosTable(List<SmbiosStructure> structures) => _structures = structures;

    public IReadOnlyList<SmbiosStructure> Structures => _structures;

    public SmbiosStructure? First(byte type) => _structures.Find(s => s.Type == type);

    public static SmbiosTable Parse(byte[] table)
    {
        var structures = new List<SmbiosStructure>();
        var limit = Math.Min(table.Length, MaxBytes);
        var at = 0;
        while (at + 4 <= limit && structures.Count < MaxStructures)
        {
            // 6.1.2: type, length of the formatted area with its 4-byte header, handle.
            var type = table[at];
            int length = table[at + 1];
            if (length < 4 || at + length > limit)
            {
                break;
            }
            // 6.1.3: the strings follow, each ended by NUL, the set by one more; without strings there are two NULs.
            var strings = at + length;
            var end = table.AsSpan(strings, limit - strings).IndexOf("\0\0"u8);
            if (end < 0)
            {
                break;
            }
            structures.Add(new SmbiosStructure(type, table.AsMemory(at, length), table.AsMemory(strings, end)));
            at = strings + end + 2;
            if (type == 127) // 7.46: end of table
            {
                break;
            }
        }
        return new SmbiosTable(structures);
    }

    /// <summary>Version of the specification by the entry point (5.2.1 "_SM_", 5.2.2 "_SM3_"); null when it is damaged.</summary>
    public static Version? VersionOf(ReadOnlySpan<byte> entryPoint)
    {
        if (entryPoint.Length >= 0x18 && entryPoint.StartsWith("_SM3_"u8))
        {
            int length = entryPoint[6];
            return length >= 0x18 && length <= entryPoint.Length && Sum(entryPoint[..length]) == 0 ? new Version(entryPoint[7], entryPoint[8]) : null;
        }
        if (entryPoint.Length >= 0x1F && entryPoint.StartsWith("_SM_"u8))
        {
            int length = entryPoint[5];
            // 5.2.1: some SMBIOS 2.1 entry points say 1Eh although they have 1Fh bytes.
            length = length == 0x1E ? 0x1F : length;
            return length >= 0x1F && length <= entryPoint.Length && Sum(entryPoint[..length]) == 0 ? new Version(entryPoint[6], entryPoint[7]) : null;
        }
        return null;
    }

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (var value in bytes)
        {
            sum = unchecked((byte)(sum + value));
        }
        return sum;
    }
}

/// <summary>One structure. A field that the firmware's version does not have yet reads as null (6.1.2: the length tells).</summary>
internal sealed class SmbiosStructure(byte type, ReadOnlyMemory<byte> formatted, ReadOnlyMemory<byte> strings)
{
    public byte Type => type;

    public byte? Byte(int offset) => offset < formatted.Length ? formatted.Span[offset] : null;

    public ushort? Word(int offset) => offset + 2 <= formatted.Length ? BinaryPrimitives.ReadUInt16LittleEndian(formatted.Span[offset..]) : null;

    public uint? DoubleWord(int offset) => offset + 4 <= formatted.Length ? BinaryPrimitives.ReadUInt32LittleEndian(formatted.Span[offset..]) : null;

    public ReadOnlySpan<byte> Bytes(int offset, int count) => offset + count <= formatted.Length ? formatted.Span.Slice(offset, count) : [];

    /// <summary>6.1.3: the field holds the number of a string, counted from 1; 0 means none.</summary>
    public string? String(int offset)
    {
        if (Byte(offset) is not { } number || number == 0)
        {
            return null;
        }
        var rest = strings.Span;
        for (var i = 1; i < number; i++)
        {
            var nul = rest.IndexOf((byte)0);
            if (nul < 0)
            {
                return null;
            }
            rest = rest[(nul + 1)..];
        }
        var end = rest.IndexOf((byte)0);
        return FactText.CleanFirmware(FactText.Clean(end < 0 ? rest : rest[..end]));
    }
}
