namespace Capstan.Site.Access;

/// <summary>Slows down who guesses passwords. Pure but for what it remembers; thread-safe.</summary>
/// <remarks>
/// A name and an address each have five failures free; every further one doubles the wait, from one second to 15 minutes. A success forgets the name's failures; an hour without one forgets both.
/// A user is never locked for good: who knows the password waits a quarter of an hour at most.
/// </remarks>
internal sealed class SignInThrottle
{
    public const int Free = 5;
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);

    /// <summary>Names and addresses that are remembered; beyond it those that failed longest ago are forgotten.</summary>
    public const int MaxEntries = 10_000;

    private static readonly TimeSpan s_forgotten = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Last)> _failures = new(StringComparer.Ordinal);

    /// <summary>How long an attempt has to wait; zero when it may be made now.</summary>
    public TimeSpan Wait(string user, string address, DateTimeOffset now)
    {
        lock (_gate)
        {
            var (ofUser, ofAddress) = (Wait(UserKey(user), now), Wait(AddressKey(address), now));
            return ofUser > ofAddress ? ofUser : ofAddress;
        }
    }

    public void Failed(string user, string address, DateTimeOffset now)
    {
        lock (_gate)
        {
            Count(UserKey(user), now);
            Count(AddressKey(address), now);
            if (_failures.Count > MaxEntries)
            {
                foreach (var key in _failures.OrderBy(entry => entry.Value.Last).Take(_failures.Count - MaxEntries / 2).Select(entry => entry.Key).ToList())
                    _failures.Remove(key);
            }
        }
    }

    public void Succeeded(string user)
    {
        lock (_gate)
            _failures.Remove(UserKey(user));
    }

    private TimeSpan Wait(string key, DateTimeOffset now)
    {
        if (!_failures.TryGetValue(key, out var known) || known.Failures <= Free || IsOld(known.Last, now))
            return TimeSpan.Zero;
        var wait = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, known.Failures - Free - 1), Longest.TotalSeconds));
        var left = known.Last + wait - now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private void Count(string key, DateTimeOffset now)
    {
        var failures = _failures.TryGetValue(key, out var known) && !IsOld(known.Last, now) ? known.Failures + 1 : 1;
        _failures[key] = (failures, now);
    }

    /// <summary>Also one from the future, by a clock that was set back: it would else keep somebody out for as long.</summary>
    private static bool IsOld(DateTimeOffset last, DateTimeOffset now) => now - last > s_forgotten || last - now > s_forgotten;

    private static string UserKey(string user) => "u:" + user;

    private static string AddressKey(string address) => "a:" + address;
}
