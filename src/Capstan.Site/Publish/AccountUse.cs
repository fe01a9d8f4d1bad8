using Capstan.Nal.Arbiter;

namespace Capstan.Site.Publish;

/// <summary>The account with which a storage was opened.</summary>
/// <param name="Refused">Those that were tried before it in vain.</param>
internal sealed record AccountUse(string Name, IReadOnlyList<string> Refused)
{
    /// <summary>Null where the storage takes no account.</summary>
    public static AccountUse? Of(NalTrace trace) =>
        trace.Candidates.LastOrDefault(candidate => candidate.Error is null && candidate.Accounts.Count > 0) is { } used
            ? new AccountUse(used.Accounts[^1], [.. used.Accounts.SkipLast(1)])
            : null;
}
