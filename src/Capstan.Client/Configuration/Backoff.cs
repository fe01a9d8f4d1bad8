namespace Capstan.Client.Configuration;

/// <summary>Pauses of a client that waits for something: bounded, growing, spread.</summary>
internal static class Backoff
{
    private static readonly TimeSpan Base = TimeSpan.FromSeconds(5);

    /// <summary>Decorrelated jitter: between 5 s and three times the pause before, at most 60 s on local storage and 15 min elsewhere.</summary>
    /// <param name="previous">The pause before; zero for the first.</param>
    /// <param name="chance">0 to 1.</param>
    public static TimeSpan Retry(TimeSpan previous, bool localStorage, double chance)
    {
        var longest = localStorage ? TimeSpan.FromSeconds(60) : TimeSpan.FromMinutes(15);
        var upper = Max(Base, previous * 3);
        return Min(longest, Base + (upper - Base) * chance);
    }

    /// <summary>How long to wait before asking again whether the site has approved: from 1 s to 60 s on local storage, from 30 s to 15 min elsewhere.</summary>
    /// <param name="polls">Polls so far since the request was made.</param>
    /// <param name="chance">0 to 1: up to a quarter is added.</param>
    public static TimeSpan Approval(int polls, bool localStorage, double chance)
    {
        var (first, longest, growth) = localStorage
            ? (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), 1.25)
            : (TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(15), 1.5);
        var pause = Min(longest, first * Math.Pow(growth, Math.Min(polls, 40)));
        return Min(longest, pause * (1 + chance / 4));
    }

    /// <summary>How long a written record may stay unacknowledged before it is written again: doubling, at most a day.</summary>
    /// <remarks>Harmless when the first one arrived: the site knows the record by its hash.</remarks>
    public static TimeSpan Resend(int attempts, bool localStorage)
    {
        var first = localStorage ? TimeSpan.FromMinutes(1) : TimeSpan.FromHours(1);
        return Min(TimeSpan.FromDays(1), first * Math.Pow(2, Math.Clamp(attempts - 1, 0, 20)));
    }

    public static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    public static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
