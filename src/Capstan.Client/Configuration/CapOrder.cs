using Capstan.Client.State;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;

namespace Capstan.Client.Configuration;

/// <summary>Which CAP is tried first: those given by hand, and last those that served badly, which the next process of this client knows, too. One thread at a time.</summary>
internal sealed class CapOrder
{
    private readonly ClientCore _core;
    private readonly ArbiterOptions _options;
    private readonly TimeSpan _unpublished;
    private readonly AvoidedCaps _avoided;

    /// <param name="options">Of the arbiter that serves this client.</param>
    public CapOrder(ClientCore core, ArbiterOptions options)
    {
        (_core, _options, _unpublished) = (core, options, options.RetryAfter);
        _avoided = core.Avoided(StateKey.AvoidedCaps);
    }

    /// <summary>Before each acquisition: what is given by hand, or published, may have changed, and so may the place.</summary>
    /// <param name="addresses">Of this machine now; empty where they are not needed or cannot be read.</param>
    public void Prepare(IReadOnlyList<string> addresses)
    {
        // All CAPs of the list were refused when a refusal comes: the slowest of them is waited for.
        _options.RetryAfter = _core.CapList is { } list
            ? Backoff.Max(CapTerms.LeastHold, TimeSpan.FromSeconds(list.Caps.Max(cap => cap.MeanHoldSeconds)))
            : _unpublished;
        // Those that a person gave go before those that are near.
        _options.Preferences = CapExport.Own(_core) is { Count: > 0 } own ? own : CapExport.Near(_core.CapList, addresses);
        _options.UsePreferredServers = _options.Preferences.Count > 0;
        _options.Avoided = _avoided.Now();
    }

    /// <summary>The CAP failed, or its metadata was missing or not acceptable: the next try begins with another.</summary>
    public void ServedBadly(NalPath cap) => _avoided.Add(cap, CapExport.Paths(_core));

    /// <param name="complete">After a complete cycle the random order is drawn anew.</param>
    public void ServedWell(NalPath cap, bool complete)
    {
        if (complete)
            _options.OrderCycle++;
        _avoided.Remove(cap);
    }
}
