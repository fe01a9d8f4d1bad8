using System.Buffers.Binary;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Parses utmp(5) of glibc: fixed records, one per terminal.</summary>
internal static class Utmp
{
    /// <summary>Bound of the file: 2,700 records.</summary>
    public const int MaxBytes = 1024 * 1024;

    private const short UserProcess = 7;

    /// <summary>Bytes of a record where time and session are 32 bits (x86-64, POWER) and where they are 64 (arm64, RISC-V).</summary>
    public const int ShortRecord = 384;

    /// <inheritdoc cref="ShortRecord"/>
    public const int LongRecord = 400;

    /// <summary>The size of records by the length of the file; where both fit, the machine's architecture decides.</summary>
    public static int RecordSize(int length, string architecture) => (length % ShortRecord, length % LongRecord) switch
    {
        (0, not 0) => ShortRecord,
        (not 0, 0) => LongRecord,
        _ => architecture is "aarch64" or "riscv64" or "loongarch64" ? LongRecord : ShortRecord,
    };

    /// <summary>Logged-on users; a torn last record is left out.</summary>
    public static List<LoggedOnUser> Parse(ReadOnlySpan<byte> file, int recordSize)
    {
        var users = new List<LoggedOnUser>();
        for (; file.Length >= recordSize; file = file[recordSize..])
        {
            // ut_type 0, ut_line 8..40, ut_user 44..76, ut_host 76..332; ut_tv.tv_sec at 340 (32 bits) or 344 (64 bits)
            if (BinaryPrimitives.ReadInt16LittleEndian(file) != UserProcess || Text(file.Slice(44, 32)) is not { } name)
            {
                continue;
            }
            var seconds = recordSize == LongRecord ? BinaryPrimitives.ReadInt64LittleEndian(file[344..]) : BinaryPrimitives.ReadUInt32LittleEndian(file[340..]);
            users.Add(new LoggedOnUser(name, Text(file.Slice(8, 32)), Text(file.Slice(76, 256)), FactText.Seconds(seconds)));
        }
        return users;
    }

    private static string? Text(ReadOnlySpan<byte> field)
    {
        var nul = field.IndexOf((byte)0);
        return FactText.Clean(nul < 0 ? field : field[..nul]);
    }
}
