using System.Globalization;
using Capstan.Client.Spool;
using Capstan.Protocol.V1;

namespace Capstan.Client.Moving;

/// <summary>What a site has not acknowledged, in one line. Pure.</summary>
internal static class LeftBehind
{
    /// <returns>Null when nothing is.</returns>
    public static string? Text(IReadOnlyList<SpooledItem> items, IReadOnlyList<SpooledRecord> records)
    {
        var waiting = items.Where(item => item.Kind != ItemKind.ConfigurationRequest).ToList();
        var made = records.Where(record => !record.IsRequest).ToList();
        var parts = new List<string>();
        if (made.Count > 0)
        {
            var written = made.Count(record => record.Attempts > 0);
            var places = made.Count == 1 ? Number(made[0].Sequence) : $"{Number(made[0].Sequence)} to {Number(made[^1].Sequence)}";
            parts.Add($"{Plural(made.Count, "record")} ({places}: {Kinds(made.SelectMany(record => record.Kinds))}), "
                + (written == 0 ? "written to no CAP" : written == made.Count ? "written to a CAP, from where the site may still take them in" : $"{Number(written)} of them written to a CAP, from where the site may still take them in"));
        }
        if (waiting.Count > 0)
            parts.Add($"{Plural(waiting.Count, "item")} of no record yet ({Kinds(waiting.Select(item => item.Kind))})");
        return parts.Count == 0 ? null : string.Join(" and ", parts);
    }

    private static string Kinds(IEnumerable<string> kinds) => string.Join(", ", kinds.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    private static string Plural(int count, string word) => $"{Number(count)} {word}{(count == 1 ? "" : "s")}";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
