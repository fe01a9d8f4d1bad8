using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Logs;

/// <summary>One line on its way to the file, in either form. Pure.</summary>
/// <param name="Bit">The verbosity bit of a NAL line; null for lines of other rooms.</param>
internal sealed record LogLine(string Text, string Component, LogLevel Level, NalVerbosity? Bit, EventId Event, DateTimeOffset Time, int Thread, Exception? Cause)
{
    public static NalVerbosity BitOf(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => NalVerbosity.Errors,
        LogLevel.Warning => NalVerbosity.Warnings,
        LogLevel.Information => NalVerbosity.Information,
        LogLevel.Debug => NalVerbosity.Counts,
        LogLevel.Trace => NalVerbosity.EntryExit,
        _ => NalVerbosity.None,
    };

    /// <summary><c>text $$&lt;COMP&gt;&lt;Www Mon dd hh:mm:ss.mmm yyyy&gt;&lt;thread=N (0xHEX)&gt;</c>; a line break in the text becomes <c>~</c>, as it always did there.</summary>
    public string ToSms()
    {
        var line = new StringBuilder();
        if (Bit is { } bit)
            line.Append(CultureInfo.InvariantCulture, $"NAL[{(int)bit}] - ");
        AppendEscaped(line, Text);
        for (var cause = Cause; cause is not null; cause = cause.InnerException)
            AppendEscaped(line, $"~ {cause.GetType().Name}: {cause.Message}");
        line.Append(" $$<");
        foreach (var letter in Component)
            line.Append(letter is '<' or '>' || char.IsControl(letter) ? '_' : letter);
        line.Append(CultureInfo.InvariantCulture, $"><{Time:ddd MMM dd HH:mm:ss.fff yyyy}><thread={Thread} (0x{Thread:X})>");
        return line.ToString();
    }

    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", Time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("level", Level.ToString());
            json.WriteString("component", Component);
            json.WriteNumber("eventId", Event.Id);
            if (Event.Name is { } name)
                json.WriteString("event", name);
            if (Bit is { } bit)
                json.WriteNumber("nalBit", (int)bit);
            json.WriteNumber("thread", Thread);
            json.WriteString("message", Text);
            if (Cause is not null)
                json.WriteString("cause", Cause.ToString());
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void AppendEscaped(StringBuilder line, string text)
    {
        foreach (var letter in text.ReplaceLineEndings("\n").Replace("$$<", "$$ <", StringComparison.Ordinal))
            line.Append(letter == '\n' ? '~' : char.IsControl(letter) ? ' ' : letter);
    }
}
