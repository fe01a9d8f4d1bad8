using Capstan.Protocol.V1;

namespace Capstan.Site.Fleet;

/// <summary>What the CAP list tells clients of one CAP's pace.</summary>
internal sealed record CapPace(TimeSpan MeanHold, TimeSpan PollInterval);

/// <summary>How often a fleet may come to a CAP, so that it stays small at the door (design.md 5). Pure.</summary>
internal static class FleetPace
{
    /// <summary>No client looks more often than this.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMinutes(5);

    /// <summary>A longer interval would spare the server nothing: clients verify about once a day in any case.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>How long a connection is taken to be held until it was measured.</summary>
    public static readonly TimeSpan UnmeasuredHold = TimeSpan.FromSeconds(2);

    /// <summary>Part of a per-server limit that regular work of the whole fleet may use on average.</summary>
    public const double ShareOfLimit = 0.1;

    public const double LogonsPerSecond = 5;

    /// <summary>A published number stays while the right one is within this part of it: otherwise the list would be signed and read anew for each client.</summary>
    public const double Tolerance = 0.2;

    /// <summary>Fewer connections than these measure nothing.</summary>
    private const int LeastConnections = 10;

    private static readonly TimeSpan ShortestHold = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestHold = TimeSpan.FromHours(1);

    /// <summary><c>max(5 min, N × hold ÷ (10 % of the limit), N ÷ 5 logons a second)</c>, at most a day, in whole seconds.</summary>
    /// <param name="clients">N: all approved clients of the site, since each may come to any CAP of the list.</param>
    /// <param name="licensing">Only a per-server limit is about connections.</param>
    public static TimeSpan Interval(int clients, string? licensing, TimeSpan meanHold)
    {
        var byRate = clients / LogonsPerSecond;
        var byLimit = LicensingMode.Kind(licensing) == LicensingKind.PerServer
            ? clients * meanHold.TotalSeconds / (LicensingMode.Limit(licensing!)!.Value * ShareOfLimit)
            : 0;
        return TimeSpan.FromSeconds(Math.Ceiling(Math.Clamp(Math.Max(byRate, byLimit), Shortest.TotalSeconds, Longest.TotalSeconds)));
    }

    /// <summary>Whether a day is not enough for the fleet to stay small at this server's door.</summary>
    public static bool IsTooSmall(int clients, string? licensing, TimeSpan meanHold) =>
        LicensingMode.Kind(licensing) == LicensingKind.PerServer
        && clients * meanHold.TotalSeconds > LicensingMode.Limit(licensing!)!.Value * ShareOfLimit * Longest.TotalSeconds;

    /// <summary>The mean of what clients reported, from 0.1 s to 1 h; <see cref="UnmeasuredHold"/> while they reported too little.</summary>
    public static TimeSpan MeanHold(long connections, long heldMilliseconds)
    {
        if (!IsMeasured(connections))
            return UnmeasuredHold;
        var mean = TimeSpan.FromMilliseconds(Math.Round((double)heldMilliseconds / connections));
        return mean < ShortestHold ? ShortestHold : mean > LongestHold ? LongestHold : mean;
    }

    public static bool IsMeasured(long connections) => connections >= LeastConnections;

    /// <summary>What to publish now: each number as it is published already, unless the right one is notably another.</summary>
    /// <param name="published">Null for a CAP that was never published.</param>
    public static CapPace Next(CapPace? published, int clients, string? licensing, TimeSpan meanHold)
    {
        var interval = Interval(clients, licensing, meanHold);
        return published is null
            ? new CapPace(meanHold, interval)
            : new CapPace(Settle(published.MeanHold, meanHold), Settle(published.PollInterval, interval));
    }

    private static TimeSpan Settle(TimeSpan published, TimeSpan right) => (right - published).Duration() > published * Tolerance ? right : published;
}
