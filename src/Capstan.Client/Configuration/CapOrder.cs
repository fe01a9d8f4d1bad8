using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;

namespace Capstan.Client.Configuration;

/// <summary>Which CAP is tried first: those given by hand, and last those that served badly. One thread at a time.</summary>
/// <param name="options">Of the arbiter that serves this client.</param>
internal sealed class CapOrder(ClientCore core, ArbiterOptions options)
{
    private readonly TimeSpan _unpublished = options.RetryAfter;

    /// <summary>Before each acquisition: what is given by hand, or published, may have changed, and so may the place.</summary>
    /// <param name="addresses">Of this machine now; empty where they are not needed or cannot be read.</param>
    public void Prepare(IReadOnlyList<string> addresses)
    {
        // All CAPs of the list were refused when a refusal comes: the slowest of them is waited for.
        options.RetryAfter = core.CapList is { } list
            ? Backoff.Max(CapTerms.LeastHold, TimeSpan.FromSeconds(list.Caps.Max(cap => cap.MeanHoldSeconds)))
            : _unpublished;
        // Those that a person gave go before those that are near.
        options.Preferences = CapExport.Own(core) is { Count: > 0 } own ? own : CapExport.Near(core.CapList, addresses);
        options.UsePreferredServers = options.Preferences.Count > 0;
    }

    /// <summary>The CAP failed, or its metadata was missing or not acceptable: the next try begins with another.</summary>
    public void ServedBadly(NalPath cap) => options.Avoided = [.. options.Avoided.Where(path => !path.Equals(cap)), cap];

    /// <param name="complete">After a complete cycle the random order is drawn anew, and old faults are forgotten.</param>
    public void ServedWell(NalPath cap, bool complete)
    {
        options.Avoided = complete ? [] : [.. options.Avoided.Where(path => !path.Equals(cap))];
        if (complete)
            options.OrderCycle++;
    }
}
