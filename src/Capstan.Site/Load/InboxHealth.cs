using System.Collections.Concurrent;

namespace Capstan.Site.Load;

/// <summary>What the last pass over an inbox left behind.</summary>
/// <param name="OldestWaiting">Since when the oldest upload waits; null when none does.</param>
/// <param name="Undeletable">Files that were taken in and could not be deleted.</param>
/// <param name="Unreadable">Files that are left alone because they cannot be read.</param>
/// <param name="FullBins">Bins with more devices than their receipts can name.</param>
internal sealed record InboxFacts(DateTimeOffset? OldestWaiting, int Undeletable, int Unreadable = 0, int FullBins = 0);

/// <summary>The state of all inboxes, for health. Thread-safe.</summary>
internal sealed class InboxHealth
{
    private readonly ConcurrentDictionary<string, InboxFacts> _facts = new(StringComparer.Ordinal);

    public void Set(string cap, InboxFacts facts) => _facts[cap] = facts;

    public IReadOnlyDictionary<string, InboxFacts> Read() => _facts;
}
