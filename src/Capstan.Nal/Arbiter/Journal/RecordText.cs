using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>A record as people read it, in a file that is written in place: JSON, a line with its check sum, and blanks up to a full block.</summary>
/// <remarks>In place, because a durable write is then one flush; a torn one shows by its check sum.</remarks>
internal static class RecordText
{
    public const int BlockBytes = 2_048;

    /// <summary>A record that is longer was not written by Capstan.</summary>
    public const int LongestBytes = 64 * 1_024;

    private const string CheckLine = "\ncheck ";
    private const int SumDigits = 16;

    /// <param name="least">Bytes of the text before, so that nothing of it shows behind this one.</param>
    public static byte[] Write(ConnectionRecord record, int least = 0)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(record, JournalJson.Default.ConnectionRecord);
        var check = Encoding.ASCII.GetBytes($"{CheckLine}{Sum(json)}\n");
        var length = json.Length + check.Length;
        var text = new byte[Math.Max(least, (length + BlockBytes) / BlockBytes * BlockBytes)];
        text.AsSpan(length).Fill((byte)' ');
        text[^1] = (byte)'\n';
        json.CopyTo(text, 0);
        check.CopyTo(text, json.Length);
        return text;
    }

    /// <param name="problem">Why it is none; empty when it is one.</param>
    public static bool TryRead(ReadOnlySpan<byte> text, [NotNullWhen(true)] out ConnectionRecord? record, out string problem)
    {
        record = null;
        var check = text.LastIndexOf(Encoding.ASCII.GetBytes(CheckLine));
        if (check < 0 || text.Length < check + CheckLine.Length + SumDigits)
        {
            problem = "it is cut short";
            return false;
        }
        var json = text[..check];
        try
        {
            if (Encoding.ASCII.GetString(text.Slice(check + CheckLine.Length, SumDigits)) != Sum(json))
            {
                problem = "its check sum does not fit: it was torn, or changed by hand";
                return false;
            }
            using var document = JsonDocument.Parse(json.ToArray());
            if (!document.RootElement.TryGetProperty("format", out var format) || !format.TryGetInt32(out var number) || number != ConnectionRecord.CurrentFormat)
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

    private static string Sum(ReadOnlySpan<byte> json) => Convert.ToHexStringLower(SHA256.HashData(json).AsSpan(0, SumDigits / 2));
}
