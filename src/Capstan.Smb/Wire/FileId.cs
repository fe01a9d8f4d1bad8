using System.Runtime.InteropServices;

namespace Capstan.Smb.Wire;

/// <summary>An open file at the server ([MS-SMB2] 2.2.14.1).</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FileId(ulong Persistent, ulong Volatile)
{
    public const int Bytes = 16;

    /// <summary>In a related request: the file that the one before it opened.</summary>
    public static readonly FileId FromChain = new(ulong.MaxValue, ulong.MaxValue);

    /// <summary>For FSCTLs that concern no file.</summary>
    public static readonly FileId None = FromChain;

    public void Write(ref WireWriter writer)
    {
        writer.UInt64(Persistent);
        writer.UInt64(Volatile);
    }

    public static FileId Read(ref WireReader reader) => new(reader.UInt64(), reader.UInt64());
}
