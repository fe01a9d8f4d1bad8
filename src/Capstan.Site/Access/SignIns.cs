using System.Security.Cryptography;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;

namespace Capstan.Site.Access;

/// <summary>What became of an attempt to sign in.</summary>
/// <param name="Token">Of the new session: a secret; null when nobody was signed in.</param>
/// <param name="Wait">Until the next attempt is looked at; zero when it is at once.</param>
internal sealed record SignIn(Caller? Caller, string? Token, TimeSpan Wait)
{
    /// <summary>Whether the password was compared.</summary>
    public bool IsLookedAt { get; init; } = true;

    /// <summary>Without the token.</summary>
    public override string ToString() => $"{Caller?.Name ?? Users.Nobody}, next in {Wait}";
}

/// <summary>Compares names and passwords, as fast as the machine can bear it, and begins sessions. Thread-safe.</summary>
/// <remarks>A hash of an older strength is renewed on the way.</remarks>
internal sealed class SignIns(SiteContext site, UserStore store, AuditTrail trail) : IDisposable
{
    /// <summary>How many attempts may wait for their turn. One from a place that the user is known at always may.</summary>
    public const int MostWaiting = 20;

    /// <summary>Places that are remembered of each user.</summary>
    public const int MostPlaces = 8;

    private static readonly TimeSpan s_busy = TimeSpan.FromSeconds(1);

    private readonly PasswordHasher<string> _hasher = new();
    private readonly SignInThrottle _throttle = new();
    private readonly Lazy<string> _nobodysHash = new(() => new PasswordHasher<string>().HashPassword("", Convert.ToHexString(RandomNumberGenerator.GetBytes(16))));

    // Comparing takes a core for a tenth of a second, on purpose; loading and publishing need the others.
    private readonly BoundedTurns _turns = new(Math.Clamp(Environment.ProcessorCount / 2, 1, 4), MostWaiting);

    /// <param name="address">Where the attempt comes from.</param>
    public async Task<SignIn> SignInAsync(string name, string password, string address, CancellationToken cancellationToken)
    {
        // What no user can have is not looked up, and leaves nothing in memory.
        if (!Users.IsName(name) || password is not { Length: <= Users.MostPasswordChars })
            return NotLookedAt(TimeSpan.Zero);
        var place = SignInThrottle.PlaceOf(address);
        var (user, isKnown) = await store.FindAsync(name, place, cancellationToken);
        var now = site.Time.GetUtcNow();
        if (_throttle.Begin(name, place, isKnown, now, out var wait) is not { } attempt)
            return NotLookedAt(wait);
        if (await VerifyAsync(name, user?.PasswordHash ?? _nobodysHash.Value, password, isKnown, cancellationToken) is not { } verdict)
        {
            _throttle.TakeBack(attempt);
            return NotLookedAt(s_busy);
        }
        if (user is not null && verdict != PasswordVerificationResult.Failed
            && await BeginSessionAsync(user, verdict == PasswordVerificationResult.SuccessRehashNeeded ? _hasher.HashPassword(name, password) : null, address, cancellationToken) is { } begun)
        {
            _throttle.Succeeded(attempt);
            return begun;
        }
        await trail.SignInFailedAsync(new AuditEntry(Users.Nobody, address, "sign in", name, StatusCodes.Status401Unauthorized));
        return new SignIn(null, null, _throttle.Wait(attempt, now));
    }

    /// <summary>Begins a session of a user whose password was right, with its row in the audit log.</summary>
    /// <param name="verified">As it was when the password was compared.</param>
    /// <param name="renewed">The same password's hash of today's strength; null when it has that.</param>
    /// <returns>Null when the user was removed, or has another password, since.</returns>
    internal async Task<SignIn?> BeginSessionAsync(UserRecord verified, string? renewed, string address, CancellationToken cancellationToken)
    {
        var (token, now) = (Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)), site.Time.GetUtcNow());
        return await site.Database.WriteAsync(async transaction =>
        {
            if (await UserStore.FindAsync(transaction, verified.Name) is not { } user || user.PasswordHash != verified.PasswordHash || Roles.Parse(user.Role) is not { } role)
                return null;
            await UserStore.BeginSessionAsync(transaction, Users.Hash(token), user.Name, now);
            await UserStore.RememberPlaceAsync(transaction, user.Name, SignInThrottle.PlaceOf(address), MostPlaces, now);
            if (renewed is not null)
                await UserStore.RenewHashAsync(transaction, user.Name, verified.PasswordHash, renewed);
            await AuditStore.AddAsync(transaction, new AuditEntry(user.Name, address, "sign in", null, StatusCodes.Status200OK), now);
            return new SignIn(new Caller(user.Name, role, IsSignedIn: true), token, TimeSpan.Zero);
        }, cancellationToken);
    }

    public void Dispose() => _turns.Dispose();

    private SignIn NotLookedAt(TimeSpan wait)
    {
        trail.SignIns.Count();
        return new SignIn(null, null, wait) { IsLookedAt = false };
    }

    /// <summary>An unknown name takes as long as a known one.</summary>
    /// <returns>Null when too many wait already.</returns>
    private async Task<PasswordVerificationResult?> VerifyAsync(string name, string hash, string password, bool isKnown, CancellationToken cancellationToken)
    {
        if (!await _turns.EnterAsync(always: isKnown, cancellationToken))
            return null;
        try
        {
            return _hasher.VerifyHashedPassword(name, hash, password);
        }
        finally
        {
            _turns.Leave();
        }
    }
}
