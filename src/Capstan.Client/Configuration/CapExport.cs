using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>The entries of <c>CAP List for site …</c> on this machine: those given by hand, then the site's list, or the token's until there is one.</summary>
internal static class CapExport
{
    public static IReadOnlyList<NalPath> Paths(ClientCore core) => Paths(core.State, core.CapList?.Caps.Select(cap => cap.Path));

    public static IReadOnlyList<NalPath> Paths(ClientState state, IEnumerable<string>? published) =>
        [.. state.GetLines(StateKey.OwnCaps)
            .Concat(published ?? state.GetLines(StateKey.TokenCaps))
            .Select(Parsed)
            .OfType<NalPath>()
            .Distinct()];

    /// <summary>Those given by hand: this machine tries them first.</summary>
    public static IReadOnlyList<NalPath> Own(ClientCore core) => [.. core.State.GetLines(StateKey.OwnCaps).Select(Parsed).OfType<NalPath>()];

    /// <summary>CAPs of the list that are near: those with the most specific boundary that one of the machine's addresses is in. Empty outside of all, and then each CAP is as good as another.</summary>
    public static IReadOnlyList<NalPath> Near(CapList? list, IReadOnlyList<string> addresses)
    {
        var places = (list?.Caps ?? []).SelectMany(cap => (cap.Boundaries ?? []).Select(boundary => (cap.Path, boundary))).ToList();
        if (BoundaryMatch.Find(addresses, places) is not { } best)
            return [];
        return [.. places.Where(place => Boundary.TryParse(place.boundary, out var boundary) && boundary == best.Boundary).Select(place => Parsed(place.Path)).OfType<NalPath>().Distinct()];
    }

    public static bool HasBoundaries(CapList? list) => list?.Caps.Any(cap => cap.Boundaries is { Count: > 0 }) == true;

    public static bool IsLocal(NalPath path) => path.Provider == "LOCAL";

    public static bool AllLocal(ClientCore core) => Paths(core).All(IsLocal);

    private static NalPath? Parsed(string text) => NalPath.TryParse(text, out var path, out _) ? path : null;
}
