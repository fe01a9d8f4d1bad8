using System.Buffers.Binary;

namespace Capstan.Smb.Wire;

/// <summary>QUERY_INFO ([MS-SMB2] 2.2.37).</summary>
internal sealed class QueryInfoRequest(FileId file, InfoType type, byte infoClass, int maxBytes) : SmbRequest(SmbCommand.QueryInfo)
{
    public override int Bytes => 41;

    protected override int PayloadBytes => maxBytes;

    public override void Check(ReadOnlySpan<byte> answer)
    {
        if ((type, infoClass) == (InfoType.FileSystem, FullSizeInformation.Class))
            FullSizeInformation.Read(answer);
        else
            InfoResponse.Data(answer, "answer to QUERY_INFO", maxBytes);
    }

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(41);
        writer.Byte((byte)type);
        writer.Byte(infoClass);
        writer.UInt32((uint)maxBytes);
        writer.UInt16(0);
        writer.UInt16(0);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.UInt32(0);
        file.Write(ref writer);
        writer.Byte(0);
    }
}

internal enum InfoType : byte
{
    File = 1,
    FileSystem = 2,
}

/// <summary>SET_INFO (2.2.39).</summary>
internal sealed class SetInfoRequest(FileId file, byte infoClass, byte[] data) : SmbRequest(SmbCommand.SetInfo)
{
    /// <summary><c>FileRenameInformation</c> ([MS-FSCC] 2.4.42.2).</summary>
    /// <param name="path">Relative to the share, <c>\</c> between segments.</param>
    public static SetInfoRequest Rename(FileId file, string path, bool replace)
    {
        // Servers expect at least 24 bytes, however short the name.
        var data = new byte[Math.Max(20 + (path.Length * 2), 24)];
        var writer = new WireWriter(data);
        writer.Byte(replace ? (byte)1 : (byte)0);
        writer.Zero(7);
        writer.UInt64(0);
        writer.UInt32((uint)path.Length * 2);
        writer.Text(path);
        return new SetInfoRequest(file, infoClass: 10, data);
    }

    /// <summary><c>FileDispositionInformation</c> ([MS-FSCC] 2.4.11): the file goes when it is closed.</summary>
    public static SetInfoRequest Delete(FileId file) => new(file, infoClass: 13, [1]);

    /// <summary><c>FileEndOfFileInformation</c> ([MS-FSCC] 2.4.13).</summary>
    public static SetInfoRequest Length(FileId file, long lengthBytes)
    {
        var data = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(data, lengthBytes);
        return new SetInfoRequest(file, infoClass: 20, data);
    }

    /// <summary><c>FileBasicInformation</c> ([MS-FSCC] 2.4.7): what is null stays as it is.</summary>
    public static SetInfoRequest Basic(FileId file, SmbAttributes? attributes, DateTimeOffset? lastWrite)
    {
        var data = new byte[40];
        var writer = new WireWriter(data);
        writer.UInt64(0);
        writer.UInt64(0);
        writer.UInt64(lastWrite is { } time ? (ulong)time.ToFileTime() : 0);
        writer.UInt64(0);
        // No attribute at all is said by NORMAL; 0 means "leave them".
        writer.UInt32(attributes is { } set ? (uint)(set == SmbAttributes.None ? SmbAttributes.Normal : set) : 0);
        return new SetInfoRequest(file, infoClass: 4, data);
    }

    public override int Bytes => 32 + data.Length;

    protected override int PayloadBytes => data.Length;

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(33);
        writer.Byte((byte)InfoType.File);
        writer.Byte(infoClass);
        writer.UInt32((uint)data.Length);
        writer.UInt16(SmbHeader.Bytes + 32);
        writer.UInt16(0);
        writer.UInt32(0);
        file.Write(ref writer);
        writer.Bytes(data);
    }
}

/// <summary><c>FileNetworkOpenInformation</c> ([MS-FSCC] 2.4.34).</summary>
internal static class NetworkOpenInformation
{
    public const byte Class = 34;
    public const int Bytes = 56;

    public static (SmbAttributes Attributes, long LengthBytes, SmbTimes Times) Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(InfoResponse.Data(message, "answer to QUERY_INFO", Bytes), "facts of a file");
        var times = SmbTimes.Read(ref reader);
        reader.Skip(8);
        var length = (long)Math.Min(reader.UInt64(), long.MaxValue);
        return ((SmbAttributes)reader.UInt32(), length, times);
    }
}

/// <summary><c>FileFsFullSizeInformation</c> ([MS-FSCC] 2.5.4).</summary>
internal static class FullSizeInformation
{
    public const byte Class = 7;
    public const int Bytes = 32;

    public static SmbSpace Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(InfoResponse.Data(message, "answer to QUERY_INFO", Bytes), "space of the volume");
        var total = reader.UInt64();
        var free = reader.UInt64();
        reader.Skip(8);
        var unit = (UInt128)reader.UInt32() * reader.UInt32();
        return new SmbSpace(Scale(free, unit), Scale(total, unit));
    }

    private static long Scale(ulong units, UInt128 bytesPerUnit) => (long)UInt128.Min(units * bytesPerUnit, long.MaxValue);
}
