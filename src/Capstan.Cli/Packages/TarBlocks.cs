using System.Globalization;
using System.Text;

namespace Capstan.Cli.Packages;

/// <summary>Headers of a tar archive: ustar, and POSIX's extended header before it where that holds too little. Names, modes, sizes and targets; no time and no owner, so that the same content is the same archive. Pure.</summary>
internal static class TarBlocks
{
    /// <summary>Everything in an archive begins at a multiple of it.</summary>
    public const int BlockBytes = 512;

    /// <summary>Longest name and target of a link that a plain header holds, and its largest file.</summary>
    private const int ShortName = 100;
    private const long ShortFile = 1L << 33;

    /// <summary>Bytes from the end of a file's content to the next header.</summary>
    public static int Padding(long sizeBytes) => (int)(-sizeBytes & (BlockBytes - 1));

    /// <summary>What goes before the content of an entry.</summary>
    public static byte[] Header(string path, SourceKind kind, int mode, long sizeBytes, string? target)
    {
        var (name, link) = (Encoding.UTF8.GetBytes(path), Encoding.UTF8.GetBytes(target ?? ""));
        var records = new MemoryStream();
        if (name.Length > ShortName)
            AddRecord(records, "path", name);
        if (link.Length > ShortName)
            AddRecord(records, "linkpath", link);
        if (sizeBytes >= ShortFile)
            AddRecord(records, "size", Encoding.ASCII.GetBytes(sizeBytes.ToString(CultureInfo.InvariantCulture)));
        var length = (int)records.Length;
        var extension = length == 0 ? 0 : BlockBytes + length + Padding(length);
        var header = new byte[extension + BlockBytes];
        if (length > 0)
        {
            Write(header, "extended"u8, 'x', 0b110_100_100, length, []);
            records.GetBuffer().AsSpan(0, length).CopyTo(header.AsSpan(BlockBytes));
        }
        Write(header.AsSpan(extension), name, kind switch { SourceKind.Directory => '5', SourceKind.Link => '2', _ => '0' }, mode, sizeBytes < ShortFile ? sizeBytes : 0, link);
        return header;
    }

    private static void Write(Span<byte> block, ReadOnlySpan<byte> name, char type, int mode, long sizeBytes, ReadOnlySpan<byte> link)
    {
        name[..Math.Min(name.Length, ShortName)].CopyTo(block);
        Octal(block[100..108], mode);
        Octal(block[108..116], 0);
        Octal(block[116..124], 0);
        Octal(block[124..136], sizeBytes);
        Octal(block[136..148], 0);
        block[156] = (byte)type;
        link[..Math.Min(link.Length, ShortName)].CopyTo(block[157..]);
        "ustar\000"u8.CopyTo(block[257..]);
        // The sum counts its own field as blanks, and is written as six digits, a NUL and a blank.
        block[148..156].Fill((byte)' ');
        var sum = 0;
        foreach (var b in block[..BlockBytes])
            sum += b;
        Octal(block[148..155], sum);
    }

    /// <summary>Digits to the last byte but one, which stays NUL.</summary>
    private static void Octal(Span<byte> field, long value)
    {
        field[^1] = 0;
        for (var i = field.Length - 2; i >= 0; i--, value >>= 3)
            field[i] = (byte)('0' + (value & 7));
    }

    /// <summary>The length at the beginning counts itself.</summary>
    private static void AddRecord(MemoryStream records, string name, ReadOnlySpan<byte> value)
    {
        var rest = name.Length + value.Length + 3;
        var length = rest + rest.ToString(CultureInfo.InvariantCulture).Length;
        length = rest + length.ToString(CultureInfo.InvariantCulture).Length;
        records.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{length} {name}=")));
        records.Write(value);
        records.WriteByte((byte)'\n');
    }
}
