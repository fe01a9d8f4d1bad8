namespace Capstan.Nal.Arbiter.Core;

/// <summary>When a server that is full is asked again. Pure.</summary>
internal static class RetryRule
{
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <param name="meanHold">How long a connection is held there on average, as the site publishes it; null where nobody says.</param>
    /// <param name="previous">The wait before this refusal; zero for the first.</param>
    /// <param name="draw">Uniform, from 0 up to 1.</param>
    /// <returns>With a published hold, half to one and a half of it: about as often as a connection becomes free. Else decorrelated jitter:
    /// from <see cref="Shortest"/> to three times the previous wait, at most <see cref="Longest"/>.</returns>
    public static TimeSpan Wait(TimeSpan? meanHold, TimeSpan previous, double draw)
    {
        if (meanHold is { } hold)
            return Clamp(hold * (0.5 + draw));
        var most = previous > Shortest ? previous * 3 : Shortest * 3;
        return Clamp(Shortest + ((most - Shortest) * draw));
    }

    private static TimeSpan Clamp(TimeSpan wait) => wait < Shortest ? Shortest : wait > Longest ? Longest : wait;
}
