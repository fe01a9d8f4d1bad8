using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Capstan.Nal.Paths;

namespace Capstan.Nal.Selection;

/// <summary>What decides the order of equal paths. Each switch changes the order; none drops a path.</summary>
/// <param name="UsePreferred">Paths marked <c>PREFERRED</c>, or matched by <paramref name="Preferences"/>, come first.</param>
/// <param name="UseExisting">Then paths on a server that has a live connection.</param>
/// <param name="UseRandom">The rest in random order; off, in the order of the list.</param>
/// <param name="Preferences">A server name alone matches every path of that server; with segments, every path that begins with them.</param>
/// <param name="Seed">The device. With <paramref name="Cycle"/> it fixes the random order.</param>
internal sealed record SelectionRules(bool UsePreferred, bool UseExisting, bool UseRandom, IReadOnlyList<NalPath> Preferences, string Seed, long Cycle)
{
    /// <summary>Come last, in this order, whatever else holds for them.</summary>
    public IReadOnlyList<NalPath> Avoided { get; init; } = [];
}

/// <param name="Why">Why the path stands at its place, for the trace.</param>
internal readonly record struct RankedPath(NalPath Path, string Why);

/// <summary>Orders equal paths: preferred, then connected, then the rest, then those to avoid. Pure.</summary>
internal static class PathSelection
{
    /// <param name="isConnected">Whether a connection to the path's server is open now.</param>
    public static IReadOnlyList<RankedPath> Rank(IReadOnlyList<NalPath> candidates, Func<NalPath, bool> isConnected, SelectionRules rules) =>
        candidates.Count == 1
            ? [new(candidates[0], "the only candidate")]
            : candidates
                .Select((path, index) => (Ranked: Stage(path, isConnected, rules, out var stage), Stage: stage, Index: index))
                .OrderBy(item => item.Stage)
                .ThenBy(item => rules.UseRandom ? Draw(item.Ranked.Path, rules) : 0)
                .ThenBy(item => item.Index)
                .Select(item => item.Ranked)
                .ToArray();

    /// <summary>True when <paramref name="preference"/> covers <paramref name="path"/>: same provider and server, and its segments are the path's first.</summary>
    public static bool Covers(NalPath preference, NalPath path) =>
        string.Equals(preference.Provider, path.Provider, StringComparison.Ordinal)
        && string.Equals(preference.Root, path.Root, StringComparison.OrdinalIgnoreCase)
        && preference.Port == path.Port
        && (preference.SiteCode is null || path.SiteCode is null || string.Equals(preference.SiteCode, path.SiteCode, StringComparison.Ordinal))
        && preference.Segments.Count <= path.Segments.Count
        && preference.Segments.SequenceEqual(path.Segments.Take(preference.Segments.Count), path.SegmentComparer);

    private static RankedPath Stage(NalPath path, Func<NalPath, bool> isConnected, SelectionRules rules, out int stage)
    {
        if (rules.Avoided.TakeWhile(avoided => !avoided.Equals(path)).Count() is var place && place < rules.Avoided.Count)
        {
            stage = 3 + place;
            return new(path, "served badly before");
        }
        if (rules.UsePreferred && (path.IsPreferred || rules.Preferences.Any(preference => Covers(preference, path))))
        {
            stage = 0;
            return new(path, "preferred");
        }
        if (rules.UseExisting && isConnected(path))
        {
            stage = 1;
            return new(path, "existing connection");
        }
        stage = 2;
        return new(path, rules.UseRandom ? "random order of this device and cycle" : "order of the list");
    }

    /// <summary>A draw per path: when one path comes or goes, the others keep their order.</summary>
    private static ulong Draw(NalPath path, SelectionRules rules)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{rules.Seed}\n{rules.Cycle}\n{path.WithQualifiers(null, isPreferred: false)}");
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
