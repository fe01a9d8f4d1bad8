using System.Buffers;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Files;

/// <summary>A file or a directory of a volume.</summary>
/// <param name="LengthBytes">0 for a directory.</param>
/// <param name="Modified">By the server's clock, of a zone that it does not tell, to 2 s; null where the server keeps none.</param>
public sealed record NcpEntry(string Name, bool IsDirectory, long LengthBytes, DateTime? Modified)
{
    /// <summary>All fields, in the form that every server since 3.11 knows: 77 bytes before the name.</summary>
    internal const uint AllFields = 0x0FFF;
    private const uint DirectoryAttribute = 0x10;

    internal static NcpEntry Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "an entry");
        return Read(ref reader);
    }

    internal static NcpEntry Read(ref NcpReader reader)
    {
        reader.Skip(4);
        var attributes = reader.UInt32Little();
        reader.Skip(2);
        var length = reader.UInt32Little();
        reader.Skip(4 + 2 + 2 + 2 + 4);
        var time = reader.UInt16Little();
        var date = reader.UInt16Little();
        reader.Skip(4 + 2 + 2 + 2 + 4 + 2 + 4 + 4 + 4 + 4 + 4 + 4 + 4);
        var isDirectory = (attributes & DirectoryAttribute) != 0;
        return new NcpEntry(reader.CountedText(), isDirectory, isDirectory ? 0 : length, ServerClock.ReadDos(date, time));
    }
}

/// <summary>Space of a volume, in bytes. What deleted files still hold counts as free where the server would purge them.</summary>
public sealed record NcpSpace(long FreeBytes, long TotalBytes)
{
    private const int SectorBytes = 512;

    internal static NcpSpace Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a volume's space");
        var total = reader.UInt32Little();
        var free = reader.UInt32Little();
        var purgeable = reader.UInt32Little();
        reader.Skip(4 + 4 + 4 + 4);
        var blockBytes = (long)reader.Byte() * SectorBytes;
        return new NcpSpace(Math.Min(free + (long)purgeable, total) * blockBytes, total * blockBytes);
    }
}

/// <summary>Names of the DOS name space: eight characters and three, in upper case.</summary>
internal static class DosName
{
    private static readonly SearchValues<char> Forbidden = SearchValues.Create(" +,;=[]\"*?<>|/\\:");

    /// <exception cref="NcpException"><see cref="NcpFailure.Unsupported"/>.</exception>
    public static string Of(string name)
    {
        var parts = name.Split('.');
        var fits = parts.Length <= 2 && parts[0].Length is > 0 and <= 8 && (parts.Length == 1 || parts[1].Length is > 0 and <= 3)
            && !name.AsSpan().ContainsAny(Forbidden);
        return fits ? NcpText.Upcase(name) : throw new NcpException(NcpFailure.Unsupported,
            $"'{name}' cannot be named on a volume without the LONG name space, which holds eight characters and three: add that name space to the volume (ADD NAME SPACE LONG), or use another one",
            NcpCompletion.NotSent);
    }
}
