using Capstan.Client.State;
using Capstan.Nal.Paths;

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

    public static bool IsLocal(NalPath path) => path.Provider == "LOCAL";

    public static bool AllLocal(ClientCore core) => Paths(core).All(IsLocal);

    private static NalPath? Parsed(string text) => NalPath.TryParse(text, out var path, out _) ? path : null;
}
