using System.Net;
using System.Net.Sockets;

namespace Capstan.Site.Access;

/// <summary>Slows down who guesses passwords. Pure but for what it remembers; thread-safe.</summary>
/// <remarks>
/// An attempt counts as failed from its beginning until it succeeds, so attempts at one time are no way around the wait. Five failures are free; every further one doubles the wait, from one second to 15 minutes; an hour
/// without one forgets them. From a place where the name has signed in before, the name's failures there are counted; from elsewhere, those of the name from all other places and those of the place. So whoever
/// guesses elsewhere keeps nobody waiting at their usual place. This machine as a place has no count of its own: all its users share it.
/// </remarks>
internal sealed class SignInThrottle
{
    public const int Free = 5;
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);

    /// <summary>Names and places that are remembered; beyond it those with the fewest failures are forgotten.</summary>
    public const int MaxEntries = 10_000;

    private const string ThisMachine = "this machine";
    private static readonly TimeSpan s_forgotten = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Last)> _failures = new(StringComparer.Ordinal);

    /// <summary>What counts as one place: an IPv4 address, the first 64 bits of an IPv6 address (whoever has one has all that share them), this machine.</summary>
    public static string PlaceOf(string address)
    {
        if (!IPAddress.TryParse(address, out var ip) || IPAddress.IsLoopback(ip))
            return ThisMachine;
        if (ip.AddressFamily != AddressFamily.InterNetworkV6)
            return ip.ToString();
        var bytes = ip.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return $"{new IPAddress(bytes)}/64";
    }

    /// <summary>Begins an attempt, unless it has to wait.</summary>
    /// <param name="place">See <see cref="PlaceOf"/>.</param>
    /// <param name="isKnown">The user has signed in from there before.</param>
    /// <param name="wait">Until the next attempt may begin; zero when this one has.</param>
    /// <returns>Null when it has to wait.</returns>
    public SignInAttempt? Begin(string user, string place, bool isKnown, DateTimeOffset now, out TimeSpan wait)
    {
        var attempt = new SignInAttempt(isKnown, isKnown ? [$"known {place} {user}"] : place == ThisMachine ? [$"user {user}"] : [$"user {user}", $"place {place}"]);
        lock (_gate)
        {
            wait = WaitOf(attempt, now);
            if (wait > TimeSpan.Zero)
                return null;
            foreach (var key in attempt.Keys)
                _failures[key] = (_failures.TryGetValue(key, out var known) && !IsOld(known.Last, now) ? known.Failures + 1 : 1, now);
            if (_failures.Count > MaxEntries)
                Forget(now);
            return attempt;
        }
    }

    /// <summary>How long the next attempt of this kind has to wait.</summary>
    public TimeSpan Wait(SignInAttempt attempt, DateTimeOffset now)
    {
        lock (_gate)
            return WaitOf(attempt, now);
    }

    /// <summary>Also forgets the earlier failures of the user at this place.</summary>
    public void Succeeded(SignInAttempt attempt)
    {
        TakeBack(attempt);
        if (attempt.IsKnown)
            lock (_gate)
                _failures.Remove(attempt.Keys[0]);
    }

    /// <summary>Nobody looked at the attempt: it counts no more.</summary>
    public void TakeBack(SignInAttempt attempt)
    {
        lock (_gate)
        {
            foreach (var key in attempt.Keys)
                if (_failures.TryGetValue(key, out var known))
                {
                    if (known.Failures > 1)
                        _failures[key] = known with { Failures = known.Failures - 1 };
                    else
                        _failures.Remove(key);
                }
        }
    }

    private TimeSpan WaitOf(SignInAttempt attempt, DateTimeOffset now) => attempt.Keys.Max(key => Wait(key, now));

    private TimeSpan Wait(string key, DateTimeOffset now)
    {
        if (!_failures.TryGetValue(key, out var known) || known.Failures <= Free || IsOld(known.Last, now))
            return TimeSpan.Zero;
        var wait = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, known.Failures - Free - 1), Longest.TotalSeconds));
        var left = known.Last + wait - now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>Those that keep somebody waiting go last: many names or places with a failure each push none of them out.</summary>
    private void Forget(DateTimeOffset now)
    {
        foreach (var key in _failures.OrderByDescending(entry => IsOld(entry.Value.Last, now)).ThenBy(entry => entry.Value.Failures).ThenBy(entry => entry.Value.Last)
            .Take(_failures.Count - MaxEntries / 2).Select(entry => entry.Key).ToList())
            _failures.Remove(key);
    }

    /// <summary>Also one from the future, by a clock that was set back: it would else keep somebody out for as long.</summary>
    private static bool IsOld(DateTimeOffset last, DateTimeOffset now) => now - last > s_forgotten || last - now > s_forgotten;
}

/// <summary>An attempt that has begun.</summary>
/// <param name="IsKnown">The user has signed in from there before.</param>
/// <param name="Keys">What it counts for.</param>
internal sealed record SignInAttempt(bool IsKnown, IReadOnlyList<string> Keys);
