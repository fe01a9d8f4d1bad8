using System.Globalization;
using System.Text.Json.Serialization;

namespace Capstan.Cli.Doctor.Logs;

// What `capstan doctor --log … -o json` prints. Stable: members are added, never renamed. See docs/cli.md.

/// <param name="Source">The file, or <c>standard input</c>.</param>
/// <param name="Unjudged">Lines that could not be judged in time.</param>
internal sealed record LogReport(string Source, long Lines, long Unjudged, IReadOnlyList<LogFinding> Findings, UnknownLines Unknown);

/// <param name="Kind"><c>message</c>, <c>code</c>, <c>symptom</c> (says not why) or <c>normal</c> (no failure).</param>
/// <param name="FirstTime">The earliest time on such a line; ends with Z where the line said UTC, else without a zone. Null where lines have no time.</param>
/// <param name="FirstLine">Counted from 1, without empty lines.</param>
/// <param name="About">The servers, paths or accounts of these lines: at most 8.</param>
/// <param name="FollowsFrom">Ids of findings of this log that explain this one; null for none.</param>
internal sealed record LogFinding(string Id, string Product, string Kind, long Lines, string? FirstTime, string? LastTime, long FirstLine, string Example,
    IReadOnlyList<string> About, bool AboutMore, string Summary, string Cause, string NextStep, IReadOnlyList<string> Sources, IReadOnlyList<string>? FollowsFrom)
{
    public static LogFinding Of(KnownCondition condition, long lines, DateTime? first, DateTime? last, long firstLine, string example, IReadOnlyList<string> about, bool aboutMore,
        IReadOnlyList<string> followsFrom) =>
        new(condition.Id, condition.Product, KindOf(condition.Rank), lines, TimeOf(first), TimeOf(last), firstLine, example, about, aboutMore,
            condition.Summary, condition.Cause, condition.NextStep, condition.Sources, followsFrom.Count == 0 ? null : followsFrom);

    [JsonIgnore]
    public bool IsNormal => Kind == KindOf(EvidenceRank.Normal);

    private static string KindOf(EvidenceRank rank) => rank switch
    {
        EvidenceRank.Message => "message",
        EvidenceRank.Code => "code",
        EvidenceRank.Symptom => "symptom",
        _ => "normal",
    };

    private static string? TimeOf(DateTime? time) =>
        time?.ToString(time.Value.Kind == DateTimeKind.Utc ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
}

/// <summary>Lines that look like failures, and that no condition knows.</summary>
/// <param name="Samples">At most 5 shapes; lines that differ in digits only are one.</param>
internal sealed record UnknownLines(long Lines, IReadOnlyList<UnknownSample> Samples);

internal sealed record UnknownSample(long Lines, long FirstLine, string Example);
