namespace Capstan.Nal.Arbiter.Accounts;

/// <summary>An account that one server refused.</summary>
/// <param name="Cause">What the server said, for people.</param>
/// <param name="Tried">The last attempt, by the wall clock.</param>
internal sealed record StoppedAccount(string Server, string Account, string Cause, DateTimeOffset Tried);

/// <summary>Which accounts may be tried at a server: a refused one is not, so that nothing of ours locks it. Pure.</summary>
internal static class StopRules
{
    /// <summary>When every account of a server is stopped, one of them is tried after this, more or less by an eighth.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromDays(7);

    /// <param name="accounts">In the order in which they are tried.</param>
    /// <param name="stopped">Those that the server refused; others may be among them.</param>
    /// <param name="draw">Of this device, uniform from 0 up to 1: devices with one list do not all try on one day.</param>
    /// <param name="next">When one is tried again; null unless all are stopped.</param>
    /// <returns>Empty when none may be tried now.</returns>
    public static IReadOnlyList<string> MayTry(IReadOnlyList<string> accounts, IEnumerable<StoppedAccount> stopped, DateTimeOffset now, double draw, out DateTimeOffset? next)
    {
        next = null;
        // Named twice (by hand, say), the later attempt counts.
        var tried = stopped.GroupBy(stop => stop.Account, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(stops => stops.Key, stops => stops.Max(stop => stop.Tried), StringComparer.OrdinalIgnoreCase);
        var free = accounts.Where(account => !tried.ContainsKey(account)).ToArray();
        if (free.Length > 0 || accounts.Count == 0)
            return free;
        var pause = Pause * (0.875 + (draw / 4));
        var last = accounts.Max(account => tried[account]);
        if (now - last < pause)
        {
            next = last + pause;
            return [];
        }
        // The one that rested longest: in the end each has its turn.
        return [accounts.MinBy(account => tried[account])!];
    }
}
