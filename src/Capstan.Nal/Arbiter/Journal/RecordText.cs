using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>Where a record lies in its file.</summary>
/// <param name="Sequence">Of all that were ever written to the file: the highest one counts.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RecordPlace(long Sequence, int Offset, int Length);

/// <summary>A record as people read it: JSON, a line with its check sum, and blanks up to a full block. A file holds the last one, and one before it or one that is just being written.</summary>
/// <remarks>The blocks lie on pages of their own, so that a write that a power cut tears takes nothing of the other one with it.</remarks>
internal static class RecordText
{
    public const int BlockBytes = 4_096;

    /// <summary>A file that is longer was not written by Capstan.</summary>
    public const int LongestBytes = 64 * 1_024;

    /// <summary>So that two of them fit into a file.</summary>
    public const int LongestRecordBytes = 24 * 1_024;

    private const string CheckLine = "\ncheck ";
    private const int SumDigits = 16;

    private static readonly byte[] Check = Encoding.ASCII.GetBytes(CheckLine);

    /// <summary>One or more whole blocks.</summary>
    /// <exception cref="IOException">The record is longer than <see cref="LongestRecordBytes"/>.</exception>
    public static byte[] Write(ConnectionRecord record)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(record, JournalJson.Default.ConnectionRecord);
        var check = Encoding.ASCII.GetBytes($"{CheckLine}{Sum(json)}\n");
        var length = json.Length + check.Length;
        if (length >= LongestRecordBytes)
            throw new IOException($"a record of {length} bytes is longer than the {LongestRecordBytes} that the journal holds");
        var text = new byte[Pages(length + 1)];
        text.AsSpan(length).Fill((byte)' ');
        text[^1] = (byte)'\n';
        json.CopyTo(text, 0);
        check.CopyTo(text, json.Length);
        return text;
    }

    /// <summary>Where the next record goes: never over the one that <paramref name="kept"/> names.</summary>
    public static int OffsetBeside(RecordPlace kept, int length) => length <= kept.Offset ? 0 : kept.Offset + kept.Length;

    /// <summary>The last record of a file.</summary>
    /// <param name="problem">Why there is none; empty when there is one.</param>
    public static bool TryRead(ReadOnlySpan<byte> file, [NotNullWhen(true)] out ConnectionRecord? record, out RecordPlace place, out string problem)
    {
        (record, place, problem) = (null, default, "it is cut short");
        for (var offset = 0; offset < file.Length; offset += BlockBytes)
        {
            if (file[offset] != (byte)'{')
                continue;
            if (TryReadBlock(file[offset..], out var block, out var length, out var why))
            {
                if (record is null || block.Sequence > record.Sequence)
                    (record, place) = (block, new RecordPlace(block.Sequence, offset, Pages(length)));
            }
            else if (length > 0)
            {
                // It is whole, and of somebody who knows more: what lies beside it is older.
                (record, place, problem) = (null, default, why);
                return false;
            }
            else
            {
                problem = why;
            }
        }
        if (record is not null)
            problem = "";
        return record is not null;
    }

    /// <param name="length">Of the text with its check line; 0 for what is torn.</param>
    private static bool TryReadBlock(ReadOnlySpan<byte> text, [NotNullWhen(true)] out ConnectionRecord? record, out int length, out string problem)
    {
        (record, length) = (null, 0);
        var check = text.IndexOf(Check);
        if (check < 0 || text.Length < check + Check.Length + SumDigits)
        {
            problem = "it is cut short";
            return false;
        }
        var json = text[..check];
        if (Encoding.ASCII.GetString(text.Slice(check + Check.Length, SumDigits)) != Sum(json))
        {
            problem = "its check sum does not fit: it was torn, or changed by hand";
            return false;
        }
        length = check + Check.Length + SumDigits + 1;
        try
        {
            using var document = JsonDocument.Parse(json.ToArray());
            if (!document.RootElement.TryGetProperty("format", out var format) || !format.TryGetInt32(out var number) || number is < 1 or > ConnectionRecord.CurrentFormat)
            {
                problem = "it is of another version of Capstan";
                return false;
            }
            record = document.Deserialize(JournalJson.Default.ConnectionRecord);
            problem = record is null ? "it is empty" : "";
            return record is not null;
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            problem = $"it cannot be read: {broken.Message}";
            return false;
        }
    }

    private static int Pages(int length) => (length + BlockBytes - 1) / BlockBytes * BlockBytes;

    private static string Sum(ReadOnlySpan<byte> json) => Convert.ToHexStringLower(SHA256.HashData(json).AsSpan(0, SumDigits / 2));
}
