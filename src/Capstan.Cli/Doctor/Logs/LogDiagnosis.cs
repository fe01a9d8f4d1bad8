using System.Text.RegularExpressions;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>Gathers what the lines of a log mean. Memory is bounded by the number of conditions, whatever the log is. Not thread-safe.</summary>
internal sealed class LogDiagnosis(KnownConditions conditions)
{
    /// <summary>Names kept of each condition; more are said to be more.</summary>
    private const int MostNames = 8;
    private const int MostSamples = 5;
    private const int LongestExample = 400;

    private readonly Dictionary<string, Finding> _findings = new(StringComparer.Ordinal);
    private readonly List<Sample> _samples = [];
    private DateTime? _clock;
    private (LogEntry Entry, IReadOnlyList<Recognition> Found, long Line)? _held;
    private long _unknown;

    public long Lines { get; private set; }

    /// <summary>Lines that could not be judged in time: the machine was too busy.</summary>
    public long Unjudged { get; private set; }

    public void Add(string line)
    {
        Lines++;
        Guarded(() => Add(LogEntry.Parse(line)));
    }

    /// <summary>What was found: causes first, the most frequent first; then what follows from them, then what is normal.</summary>
    public LogReport Finish(string source)
    {
        Guarded(Settle);
        var found = _findings.Values
            .OrderByDescending(finding => finding.Condition.Rank >= EvidenceRank.Code ? EvidenceRank.Message : finding.Condition.Rank)
            .ThenByDescending(finding => finding.Lines).ThenBy(finding => finding.FirstLine)
            .Select(finding => LogFinding.Of(finding.Condition, finding.Lines, finding.First, finding.Last, finding.FirstLine, finding.Example, finding.About, finding.HasMore,
                [.. (finding.Condition.FollowsFrom ?? []).Where(_findings.ContainsKey)]));
        return new LogReport(source, Lines, Unjudged, [.. found],
            new UnknownLines(_unknown, [.. _samples.OrderByDescending(sample => sample.Lines).ThenBy(sample => sample.FirstLine).Select(sample => new UnknownSample(sample.Lines, sample.FirstLine, sample.Text))]));
    }

    private void Guarded(Action judge)
    {
        try
        {
            judge();
        }
        catch (RegexMatchTimeoutException)
        {
            Unjudged++;
        }
    }

    private void Add(LogEntry entry)
    {
        // The next lines of an entry of Samba, or of a stack, have the time of its first.
        _clock = entry.Time ?? (entry.IsPlain ? _clock : null);
        entry = entry with { Time = _clock };
        var found = conditions.Recognize(entry.Text);
        if (entry.IsPlain && _held is { } before)
        {
            // Two lines that say more together than each alone are one that a mail or an editor has wrapped.
            var whole = before.Entry.Join(entry);
            var joined = conditions.Recognize(whole.Text);
            if (RankOf(joined) > RankOf(before.Found) && RankOf(joined) > RankOf(found))
            {
                _held = null;
                Count(joined, whole, Lines - 1);
                return;
            }
        }
        Settle();
        if (entry.IsPlain)
            _held = (entry, found, Lines);
        else
            Judge(entry, found, Lines);
    }

    private static EvidenceRank RankOf(IReadOnlyList<Recognition> found) => found.Count == 0 ? EvidenceRank.None : found[0].Condition.Rank;

    /// <summary>A plain line waits for the next one, with which it may make more sense.</summary>
    private void Settle()
    {
        if (_held is { } alone)
            Judge(alone.Entry, alone.Found, alone.Line);
        _held = null;
    }

    private void Judge(LogEntry entry, IReadOnlyList<Recognition> found, long line)
    {
        if (found.Count > 0)
            Count(found, entry, line);
        else
            Unknown(entry, line);
    }

    private void Count(IReadOnlyList<Recognition> found, LogEntry entry, long line)
    {
        foreach (var (condition, about) in found)
        {
            if (!_findings.TryGetValue(condition.Id, out var finding))
                _findings.Add(condition.Id, finding = new Finding { Condition = condition, Example = Shorten(entry.Text), FirstLine = line });
            finding.Lines++;
            if (entry.Time is { } time)
            {
                finding.First = finding.First < time ? finding.First : time;
                finding.Last = finding.Last > time ? finding.Last : time;
            }
            if (about is not null && !finding.About.Contains(about, StringComparer.OrdinalIgnoreCase))
            {
                if (finding.About.Count < MostNames)
                    finding.About.Add(Shorten(about));
                else
                    finding.HasMore = true;
            }
        }
    }

    private void Unknown(LogEntry entry, long line)
    {
        if (!entry.LooksLikeFailure())
            return;
        _unknown++;
        // Lines that differ in numbers only are one sample; what comes later than the last place is counted and not shown.
        var shape = Numbers.Shape(Shorten(entry.Text));
        if (_samples.Find(sample => sample.Shape == shape) is { } seen)
            seen.Lines++;
        else if (_samples.Count < MostSamples)
            _samples.Add(new Sample { Shape = shape, Text = Shorten(entry.Text), FirstLine = line, Lines = 1 });
    }

    private static string Shorten(string text) => text.Length <= LongestExample ? text : $"{text[..LongestExample]}…";

    private sealed class Finding
    {
        public required KnownCondition Condition { get; init; }
        public required string Example { get; init; }
        public required long FirstLine { get; init; }
        public long Lines { get; set; }
        public DateTime? First { get; set; }
        public DateTime? Last { get; set; }
        public List<string> About { get; } = [];
        public bool HasMore { get; set; }
    }

    private sealed class Sample
    {
        public required string Shape { get; init; }
        public required string Text { get; init; }
        public required long FirstLine { get; init; }
        public long Lines { get; set; }
    }

    private static class Numbers
    {
        public static string Shape(string text) => string.Create(text.Length, text, static (shape, text) =>
        {
            for (var i = 0; i < text.Length; i++)
                shape[i] = char.IsAsciiDigit(text[i]) ? '#' : text[i];
        });
    }
}
