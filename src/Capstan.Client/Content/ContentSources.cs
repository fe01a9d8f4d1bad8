using Capstan.Client.Configuration;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Selection;

namespace Capstan.Client.Content;

/// <summary>The CAPs that content is read from, and in which order: those that are near, the others in a random order of this device, and last those that served badly. One caller at a time.</summary>
/// <param name="caps">All of them, as they are known now.</param>
/// <param name="near">Those that are tried first.</param>
/// <param name="seed">The device.</param>
/// <param name="avoided">Those that served badly.</param>
internal sealed class ContentSources(ConnectionArbiter arbiter, Func<IReadOnlyList<NalPath>> caps, Func<IReadOnlyList<NalPath>> near, string seed, AvoidedCaps avoided)
{
    /// <summary>Who holds the lease, in the journal.</summary>
    public const string Component = "programs";

    /// <summary>Called before each lease with the CAP: what the arbiter has to know of its server.</summary>
    public Action<NalPath> Brief { get; init; } = static _ => { };

    public IReadOnlyList<NalPath> InOrder()
    {
        var preferred = near();
        var rules = new SelectionRules(preferred.Count > 0, UseExisting: false, UseRandom: true, preferred, seed, Cycle: 0) { Avoided = avoided.Now() };
        return [.. PathSelection.Rank(caps(), static _ => false, rules).Select(ranked => ranked.Path)];
    }

    /// <summary>The next round begins with others.</summary>
    public void ServedBadly(IEnumerable<NalPath> blamed)
    {
        foreach (var cap in blamed)
            avoided.Add(cap, caps());
    }

    /// <summary>Old faults are forgotten.</summary>
    public void ServedWell() => avoided.Clear();

    public ValueTask<LeaseResult> AcquireAsync(NalPath cap, CancellationToken cancellationToken)
    {
        Brief(cap);
        return arbiter.AcquireAsync(cap, new LeasePurpose(Component), cancellationToken);
    }
}
