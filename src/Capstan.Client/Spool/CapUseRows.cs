using Capstan.Client.Configuration;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>What one contact was of the site's CAPs, as rows of a report. Pure.</summary>
internal static class CapUseRows
{
    /// <summary>One row for the CAP that was used, and one for each that refused for capacity before it.</summary>
    /// <param name="trace">Of the acquisition, granted or not.</param>
    /// <param name="used">The CAP that was lent; null for none.</param>
    /// <param name="held">From the lending until the connection was given back.</param>
    /// <param name="began">When, by the wall clock.</param>
    /// <returns>Only CAPs of the site's own list; folders of this machine only where they are licensed, since they count nobody.</returns>
    public static IReadOnlyList<CapUseHour> Of(CapList? list, NalTrace? trace, NalPath? used, TimeSpan held, DateTimeOffset began)
    {
        if (list is null)
            return [];
        var seconds = began.ToUnixTimeSeconds();
        var hour = seconds - (seconds % CapUseHour.SecondsPerHour + CapUseHour.SecondsPerHour) % CapUseHour.SecondsPerHour;
        var rows = new List<CapUseHour>();
        foreach (var candidate in trace?.Candidates ?? [])
        {
            if (candidate.Error == NalError.ServerFull && Counted(list, candidate.Path) is { } full)
                rows.Add(new CapUseHour(full, hour, 0, 0, Refused: 1));
        }
        if (used is not null && Counted(list, used.ToString()) is { } path)
            rows.Add(new CapUseHour(path, hour, Connections: 1, Math.Max(0, (long)held.TotalMilliseconds), 0));
        return Add([], rows);
    }

    /// <summary>Both together, one row for a CAP and hour, the latest <see cref="CapUse.MaxHours"/> of them in order; no sum beyond what a report may hold.</summary>
    public static IReadOnlyList<CapUseHour> Add(IEnumerable<CapUseHour> first, IEnumerable<CapUseHour> second) =>
    [
        .. first.Concat(second)
            .GroupBy(row => (row.Path, row.Hour))
            .Select(rows => new CapUseHour(rows.Key.Path, rows.Key.Hour,
                (int)Math.Min(CapUseHour.MostTimes, rows.Sum(row => (long)row.Connections)),
                Math.Min(CapUseHour.MostMilliseconds, rows.Sum(row => row.HeldMilliseconds)),
                (int)Math.Min(CapUseHour.MostTimes, rows.Sum(row => (long)row.Refused))))
            .OrderByDescending(row => row.Hour).ThenBy(row => row.Path, StringComparer.Ordinal)
            .Take(CapUse.MaxHours)
            .OrderBy(row => row.Hour).ThenBy(row => row.Path, StringComparer.Ordinal),
    ];

    /// <summary>The path as the list has it; null when nobody counts it.</summary>
    private static string? Counted(CapList list, string path) =>
        CapTerms.Entry(list, path) is { } entry && (entry.Licensing is not null || !CapExport.IsLocal(NalPath.Parse(path))) ? entry.Path : null;
}
