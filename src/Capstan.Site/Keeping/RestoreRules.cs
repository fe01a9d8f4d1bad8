namespace Capstan.Site.Keeping;

/// <summary>What a restored site must call itself, so that clients take it for the newest whatever they have seen of it before. Pure.</summary>
/// <remarks>
/// Three numbers only ever rise for a client: the epoch of the site, the versions of its metadata, and the orders about builds. A backup knows neither what was given out after it was made,
/// nor what another restore of it has given out. The numbers are therefore the time: whoever restores later is above. Where the backup is ahead of the clock, one of
/// its clocks was wrong, and a step above the backup is made that grows with time. What CAPs verifiably show goes before all of it.
/// </remarks>
internal static class RestoreRules
{
    /// <summary>No backup is older than this program.</summary>
    private static readonly DateTimeOffset Birth = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Seconds: the site may have gone on from a version that was ahead for as long as it lived, by one version a second at most.</summary>
    private const long ShortestLeap = 2L * 365 * 86_400;

    /// <summary>The epoch of the restored site, counted in milliseconds: two restores of one backup do not meet.</summary>
    /// <param name="last">The backup's.</param>
    /// <param name="shown">The highest that a CAP verifiably shows; 0 for none.</param>
    public static long Epoch(long last, long shown, DateTimeOffset now)
    {
        var time = now.ToUnixTimeMilliseconds();
        // A site does not change its epoch, so a short step is enough; it counts the seconds, for the next restore of the same backup.
        return Math.Max(last < time ? time : last + 1 + SinceBirth(now), shown + 1);
    }

    /// <summary>All that is published from now on has a higher version than this one.</summary>
    /// <param name="last">The backup's, by the rule <c>max(last + 1, Unix seconds, seen + 1)</c>.</param>
    /// <param name="shown">The highest that a CAP verifiably shows; 0 for none.</param>
    public static long VersionFloor(long last, long shown, DateTimeOffset now)
    {
        var time = now.ToUnixTimeSeconds();
        // What was published after the backup by clocks that were right is not ahead of this one.
        return Math.Max(last < time ? time - 1 : last + ShortestLeap + SinceBirth(now), shown);
    }

    /// <summary>The number of an order about builds.</summary>
    /// <param name="last">The backup's, by the rule <c>max(last + 1, Unix seconds)</c>.</param>
    /// <param name="shown">The highest that a CAP verifiably shows; 0 for none.</param>
    public static long Order(long last, long shown, DateTimeOffset now) => VersionFloor(last, shown, now) + 1;

    /// <summary>Whether the clock ran ahead when the backup's version was given, or runs behind now: one of them is wrong.</summary>
    public static bool IsClockDoubtful(long lastVersion, DateTimeOffset now) => lastVersion > now.ToUnixTimeSeconds();

    private static long SinceBirth(DateTimeOffset now) => Math.Max(0, (long)(now - Birth).TotalSeconds);
}
