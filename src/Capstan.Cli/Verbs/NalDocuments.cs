using Capstan.Nal.Arbiter;
using Capstan.Nal.Providers;

namespace Capstan.Cli.Verbs;

// What `capstan nal … -o json` prints. Stable: members are added, never renamed. See docs/cli.md.

internal sealed record NalEntry(string Name, bool IsDirectory, long LengthBytes, DateTimeOffset LastWrite)
{
    public static NalEntry Of(StoreEntry entry) => new(entry.Path.Name, entry.IsDirectory, entry.LengthBytes, entry.LastWrite);
}

/// <param name="Outcome"><c>usable</c>, or why not.</param>
internal sealed record NalExplanation(string Requested, string Outcome, DateTimeOffset? NextTry, double WaitedSeconds, IReadOnlyList<NalExplainedCandidate> Candidates)
{
    public static NalExplanation Of(NalTrace trace, string outcome, DateTimeOffset? nextTry) => new(trace.Requested, outcome, nextTry, trace.Waited.TotalSeconds,
        [.. trace.Candidates.Select(candidate => new NalExplainedCandidate(candidate.Path, candidate.Why, candidate.Accounts, candidate.Outcome, candidate.Error?.ToString()))]);
}

internal sealed record NalExplainedCandidate(string Path, string Why, IReadOnlyList<string> Accounts, string Outcome, string? Error);
