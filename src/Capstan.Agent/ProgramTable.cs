using System.Globalization;
using Capstan.Client;

namespace Capstan.Agent;

/// <summary>Programs as text for people.</summary>
internal static class ProgramTable
{
    public static string Of(IReadOnlyList<ProgramView> programs)
    {
        if (programs.Count == 0)
            return "No programs are offered to this machine.";
        string[][] rows = [["ID", "NAME", "PROGRAM", "STATE", "SINCE", "NEXT", "REASON"], .. programs.Select(program => new[]
        {
            program.AdvertisementId, program.Name, program.Program, program.State, Time(program.Since), program.Next is { } next ? Time(next) : "-", program.Reason ?? "",
        })];
        var widths = Enumerable.Range(0, rows[0].Length - 1).Select(column => rows.Max(row => row[column].Length)).ToArray();
        return string.Join(Environment.NewLine, rows.Select(row => string.Concat(row[..^1].Select((cell, column) => cell.PadRight(widths[column] + 2))).TrimEnd() + (row[^1].Length > 0 ? "  " + row[^1] : "")));
    }

    public static string Why(ProgramView program)
    {
        var width = program.Facts.Max(fact => fact.Name.Length) + 2;
        return string.Join(Environment.NewLine, program.Facts.Select(fact => fact.Name.PadRight(width) + fact.Value.ReplaceLineEndings(Environment.NewLine + new string(' ', width))));
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
