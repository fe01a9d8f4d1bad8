using Capstan.Protocol.V1;

namespace Capstan.Site.Distribution.Offers;

/// <summary>How revisions rise, and how the rings of a roll-out move. Pure.</summary>
internal static class OfferRules
{
    /// <summary>The next revision: at least the Unix second, so that a site that was restored goes above what it has shown after the backup.</summary>
    /// <param name="last">0 for none.</param>
    public static long NextRevision(long last, DateTimeOffset now) => Math.Max(last + 1, now.ToUnixTimeSeconds());

    /// <summary>Moves the rings that had not begun; those that had stay. No ring comes before the one in front of it.</summary>
    /// <param name="begun">Rings before it had begun.</param>
    public static IReadOnlyList<RolloutRing> Shift(IReadOnlyList<RolloutRing> rings, TimeSpan by, DateTimeOffset begun)
    {
        var seconds = (long)by.TotalSeconds;
        var result = new List<RolloutRing>(rings.Count);
        foreach (var ring in rings)
        {
            var at = ring.At < begun.ToUnixTimeSeconds() ? ring.At : ring.At + seconds;
            result.Add(ring with { At = result.Count == 0 ? at : Math.Max(at, result[^1].At) });
        }
        return result;
    }

    /// <summary>The same steps once more, the first of them at a time: for another version.</summary>
    public static IReadOnlyList<RolloutRing> Anew(IReadOnlyList<RolloutRing> rings, DateTimeOffset first) => [.. rings.Select(ring => ring with { At = ring.At - rings[0].At + first.ToUnixTimeSeconds() })];

    /// <summary>Whether two offers are of the same versions, with all that runs before.</summary>
    public static bool AreSameVersions(ProgramOffer one, ProgramOffer other) =>
        one.Chain().Select(step => (step.PackageId, step.PackageVersion)).SequenceEqual(other.Chain().Select(step => (step.PackageId, step.PackageVersion)));
}
