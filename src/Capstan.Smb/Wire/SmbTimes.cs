using System.Runtime.InteropServices;

namespace Capstan.Smb.Wire;

/// <summary>The four times of a file, as FILETIME: 100 ns since 1601, UTC.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SmbTimes(ulong Creation, ulong LastAccess, ulong LastWrite, ulong Change)
{
    /// <summary>A time of the year 9999 or later, or none, becomes the bound: a server's clock must not break a listing.</summary>
    public static DateTimeOffset ToTime(ulong fileTime) =>
        new(DateTime.FromFileTimeUtc((long)Math.Min(fileTime, (ulong)DateTime.MaxValue.ToFileTimeUtc())));

    public static SmbTimes Read(ref WireReader reader) => new(reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64());
}
