using System.Text;

namespace Capstan.Smb.Wire;

/// <summary>QUERY_DIRECTORY ([MS-SMB2] 2.2.33) for <c>FileDirectoryInformation</c> ([MS-FSCC] 2.4.10).</summary>
internal sealed class QueryDirectoryRequest(FileId directory, string pattern, int maxBytes) : SmbRequest(SmbCommand.QueryDirectory)
{
    private const int FileDirectoryInformation = 1;

    public override int Bytes => 32 + Math.Max(pattern.Length * 2, 2);

    protected override int PayloadBytes => maxBytes;

    public override void Check(ReadOnlySpan<byte> answer) => QueryDirectoryResponse.Check(answer, maxBytes);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(33);
        writer.Byte(FileDirectoryInformation);
        writer.Byte(0);
        writer.UInt32(0);
        directory.Write(ref writer);
        writer.UInt16(SmbHeader.Bytes + 32);
        writer.UInt16(pattern.Length * 2);
        writer.UInt32((uint)maxBytes);
        writer.Text(pattern);
        if (pattern.Length == 0)
            writer.UInt16(0);
    }
}

internal static class QueryDirectoryResponse
{
    private const int EntryBytes = 64;

    /// <summary>The entries of an answer to QUERY_DIRECTORY (2.2.34), without <c>.</c> and <c>..</c>.</summary>
    public static List<SmbEntry> Read(ReadOnlySpan<byte> message, int mostBytes)
    {
        var entries = new List<SmbEntry>();
        Walk(message, mostBytes, entries);
        return entries;
    }

    public static void Check(ReadOnlySpan<byte> message, int mostBytes) => Walk(message, mostBytes, entries: null);

    /// <param name="entries">Null when they are only judged: that allocates nothing.</param>
    private static void Walk(ReadOnlySpan<byte> message, int mostBytes, List<SmbEntry>? entries)
    {
        var data = InfoResponse.Data(message, "answer to QUERY_DIRECTORY", mostBytes);
        if (data.IsEmpty)
            throw new SmbProtocolException("answer to QUERY_DIRECTORY: success without an entry");
        while (data.Length > 0)
        {
            var reader = new WireReader(data, "directory entry");
            var next = reader.UInt32();
            reader.Skip(4);
            var times = SmbTimes.Read(ref reader);
            var length = (long)Math.Min(reader.UInt64(), long.MaxValue);
            reader.Skip(8);
            var attributes = (SmbAttributes)reader.UInt32();
            var name = reader.UInt32();
            if (next != 0 && (next < EntryBytes + name || next > data.Length))
                throw reader.Malformed($"the next entry at {next} lies inside this one or behind the end");
            if (name % 2 != 0)
                throw reader.Malformed($"a name of {name} bytes is no UTF-16");
            var text = reader.At(EntryBytes, name);
            if (entries is not null && !IsDots(text))
                entries.Add(new SmbEntry(Encoding.Unicode.GetString(text), attributes, attributes.HasFlag(SmbAttributes.Directory) ? 0 : length, SmbTimes.ToTime(times.LastWrite)));
            data = next == 0 ? [] : data[(int)next..];
        }
    }

    /// <summary><c>.</c> or <c>..</c>.</summary>
    private static bool IsDots(ReadOnlySpan<byte> name) => name is [(byte)'.', 0] or [(byte)'.', 0, (byte)'.', 0];
}

/// <summary>Answers that are a buffer: QUERY_DIRECTORY and QUERY_INFO (2.2.34, 2.2.38) have one form.</summary>
internal static class InfoResponse
{
    public static ReadOnlySpan<byte> Data(ReadOnlySpan<byte> message, string what, int mostBytes)
    {
        var reader = new WireReader(message, what);
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(9);
        var offset = reader.UInt16();
        var length = reader.UInt32();
        if (length > mostBytes)
            throw reader.Malformed($"{length} bytes were sent and {mostBytes} asked for");
        return reader.At(offset, length);
    }
}
