namespace Capstan.Nal.Arbiter.Core;

/// <summary>When a server that is full is asked again. Pure.</summary>
internal static class RetryRule
{
    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>Refusals in a row after which the server is not only busy for a while.</summary>
    private const int Patience = 16;

    /// <param name="meanHold">How long a connection is held there on average, as the site publishes it; null where nobody says.</param>
    /// <param name="previous">The wait before this refusal; zero for the first.</param>
    /// <param name="refusals">How many there were in a row before this one.</param>
    /// <param name="draw">Uniform, from 0 up to 1.</param>
    /// <returns>With a published hold, half to one and a half of a part of it: one and a half at first, an eighth less with each refusal, down to a fifth. Whoever waited longest asks
    /// most often: what comes free late is not left unused, and few are left then. After 16 refusals the queue is a long one, and the part is the whole.
    /// Without one, decorrelated jitter: from <see cref="Shortest"/> to three times the previous wait, at most <see cref="Longest"/>.</returns>
    public static TimeSpan Wait(TimeSpan? meanHold, TimeSpan previous, int refusals, double draw)
    {
        if (meanHold is { } hold)
        {
            var part = refusals < Patience ? Math.Max(0.2, 1.5 * Math.Pow(0.88, refusals)) : 1;
            // The middle is held within the limits, not the wait: at a limit, too, no two ask at one time.
            var middle = Math.Clamp(hold.TotalSeconds * part, Shortest.TotalSeconds * 2, Longest.TotalSeconds / 1.5);
            return TimeSpan.FromSeconds(middle * (0.5 + draw));
        }
        var most = previous > Shortest ? previous * 3 : Shortest * 3;
        var wait = Shortest + ((most - Shortest) * draw);
        return wait > Longest ? Longest : wait;
    }
}
