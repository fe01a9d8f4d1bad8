namespace Capstan.Site.Load;

/// <summary>An approved client has signed for a later epoch than the site's.</summary>
/// <param name="Origin">The client, or the first one of which it is a copy.</param>
internal sealed record EpochClaim(string DeviceId, string HostName, string Origin, long Epoch);

/// <summary>Which later epoch of the site is believed to exist, so that an administrator is told to go above it. Pure.</summary>
/// <remarks>
/// Epochs are times, so one that a clock may show by now is believed of one client: going above it costs nothing. A later one comes from a restore under a clock that was wrong, or from a
/// client that lies; whoever goes above it can never come back. So it takes several clients that are no copies of one another.
/// </remarks>
internal static class EpochRule
{
    /// <summary>How many clients must sign for an epoch that no clock shows yet; all of them where there are fewer.</summary>
    public const int Witnesses = 3;

    /// <summary>What a clock may be ahead of this one.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromDays(366);

    /// <summary>Above it, there would be no room for the epochs of further restores.</summary>
    private const long Highest = long.MaxValue - (1L << 40);

    /// <param name="epoch">The site's own.</param>
    /// <param name="clients">Approved ones, those that sign for the site's own epoch included.</param>
    /// <returns>0 for none.</returns>
    public static long Believed(IReadOnlyList<EpochClaim> claims, long epoch, int clients, DateTimeOffset now)
    {
        var clock = (now + Tolerance).ToUnixTimeMilliseconds();
        var later = claims.Where(claim => claim.Epoch > epoch && claim.Epoch <= Highest).ToLookup(claim => claim.Epoch <= clock);
        var near = later[true].Select(claim => claim.Epoch).DefaultIfEmpty().Max();
        var far = later[false].GroupBy(claim => claim.Origin, StringComparer.Ordinal).Select(copies => copies.Max(claim => claim.Epoch))
            .OrderDescending().ElementAtOrDefault(Math.Clamp(clients, 1, Witnesses) - 1);
        return Math.Max(near, far);
    }
}
