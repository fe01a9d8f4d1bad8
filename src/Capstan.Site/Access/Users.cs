using System.Security.Cryptography;
using System.Text;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Identity;

namespace Capstan.Site.Access;

/// <summary>What became of an attempt to sign in.</summary>
/// <param name="Token">Of the new session: a secret; null when nobody was signed in.</param>
/// <param name="Wait">Until the next attempt is looked at; zero when it is at once.</param>
internal sealed record SignIn(Caller? Caller, string? Token, TimeSpan Wait);

/// <summary>Local users: their passwords, roles and sessions. Thread-safe.</summary>
/// <remarks>Passwords are hashed by the platform (PBKDF2 with HMAC-SHA512, a salt each); a hash of an older strength is renewed at the next sign-in.</remarks>
internal sealed class Users(SiteContext site, UserStore store)
{
    public const int LeastPasswordChars = 12, MostPasswordChars = 256, MostNameChars = 64;

    /// <summary>A session ends when it was not used for this long.</summary>
    public static readonly TimeSpan IdleLimit = TimeSpan.FromHours(2);

    /// <summary>A session ends this long after it began, however much it is used.</summary>
    public static readonly TimeSpan SessionLimit = TimeSpan.FromHours(12);

    /// <summary>How exact the time of the last use is: not every request of a session is a write.</summary>
    private static readonly TimeSpan s_usedWithin = TimeSpan.FromMinutes(1);

    private readonly PasswordHasher<string> _hasher = new();
    private readonly SignInThrottle _throttle = new();
    private readonly Lazy<string> _nobodysHash = new(() => new PasswordHasher<string>().HashPassword("", Convert.ToHexString(RandomNumberGenerator.GetBytes(16))));
    private volatile bool _isAnyKnown;

    /// <summary>Why a name cannot be a user's; null when it can.</summary>
    public static string? NameFault(string name) => name.Length is 0 or > MostNameChars || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '@')
        ? $"A user's name has 1 to {MostNameChars} of A-Z a-z 0-9 . - _ @."
        : name == Caller.Token.Name || name == Caller.Local.Name ? $"'{name}' is what the audit log calls somebody without a user; choose another name." : null;

    /// <summary>Why a text cannot be a password; null when it can.</summary>
    public static string? PasswordFault(string password) => password.Length is < LeastPasswordChars or > MostPasswordChars
        ? $"A password has {LeastPasswordChars} to {MostPasswordChars} characters."
        : null;

    /// <summary>Whether anybody can sign in. Once true, pages of this machine ask for it, too.</summary>
    public async ValueTask<bool> AnyAsync(CancellationToken cancellationToken)
    {
        if (!_isAnyKnown)
            _isAnyKnown = (await store.ListAsync(cancellationToken)).Count > 0;
        return _isAnyKnown;
    }

    public Task<IReadOnlyList<UserRecord>> ListAsync(CancellationToken cancellationToken) => store.ListAsync(cancellationToken);

    /// <exception cref="SiteException"><c>user_exists</c>.</exception>
    public async Task AddAsync(string name, Role role, string password, CancellationToken cancellationToken)
    {
        var hash = _hasher.HashPassword(name, password);
        await site.Database.WriteAsync(async transaction =>
        {
            if (await UserStore.FindAsync(transaction, name) is not null)
                throw new SiteException($"There is a user {name} already. Change it with `capstan user change {name}`, or choose another name.", "user_exists");
            await UserStore.SaveAsync(transaction, name, Roles.Name(role), hash, site.Time.GetUtcNow());
        }, cancellationToken);
        _isAnyKnown = true;
    }

    /// <summary>Changes role, password or both, and ends the user's sessions.</summary>
    /// <returns>False when there is no such user.</returns>
    /// <exception cref="SiteException"><c>last_administrator</c>.</exception>
    public async Task<bool> ChangeAsync(string name, Role? role, string? password, CancellationToken cancellationToken)
    {
        var hash = password is null ? null : _hasher.HashPassword(name, password);
        return await site.Database.WriteAsync(async transaction =>
        {
            if (await UserStore.FindAsync(transaction, name) is not { } user)
                return false;
            if (role is { } next && next != Role.Administrator)
                await KeepAnAdministratorAsync(transaction, user);
            await UserStore.SaveAsync(transaction, name, role is { } given ? Roles.Name(given) : null, hash, site.Time.GetUtcNow());
            await UserStore.EndSessionsAsync(transaction, name);
            return true;
        }, cancellationToken);
    }

    /// <summary>Removes a user and ends its sessions. The last one may go: then pages of this machine ask nobody any more, and TLS lets nobody in.</summary>
    /// <returns>False when there is no such user.</returns>
    /// <exception cref="SiteException"><c>last_administrator</c>: others would be left without anybody who can change them.</exception>
    public async Task<bool> RemoveAsync(string name, CancellationToken cancellationToken)
    {
        var removed = await site.Database.WriteAsync(async transaction =>
        {
            if (await UserStore.FindAsync(transaction, name) is not { } user)
                return false;
            if (await UserStore.CountAsync(transaction, role: null) > 1)
                await KeepAnAdministratorAsync(transaction, user);
            return await UserStore.RemoveAsync(transaction, name);
        }, cancellationToken);
        _isAnyKnown = false;
        return removed;
    }

    /// <param name="address">Where the attempt comes from.</param>
    public async Task<SignIn> SignInAsync(string name, string password, string address, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        if (_throttle.Wait(name, address, now) is { } wait && wait > TimeSpan.Zero)
            return new SignIn(null, null, wait);
        var user = await store.FindAsync(name, cancellationToken);
        // An unknown name takes as long as a known one.
        var verdict = _hasher.VerifyHashedPassword(name, user?.PasswordHash ?? _nobodysHash.Value, password);
        if (user is null || Roles.Parse(user.Role) is not { } role || verdict == PasswordVerificationResult.Failed)
        {
            _throttle.Failed(name, address, now);
            return new SignIn(null, null, _throttle.Wait(name, address, now));
        }
        _throttle.Succeeded(name);
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var renewed = verdict == PasswordVerificationResult.SuccessRehashNeeded ? _hasher.HashPassword(name, password) : null;
        await site.Database.WriteAsync(async transaction =>
        {
            await UserStore.BeginSessionAsync(transaction, Hash(token), name, now);
            if (renewed is not null)
                await UserStore.SaveAsync(transaction, name, null, renewed, now);
        }, cancellationToken);
        return new SignIn(new Caller(name, role, IsSignedIn: true), token, TimeSpan.Zero);
    }

    /// <summary>Whose session a token stands for; null when it is none, or is over.</summary>
    public async Task<Caller?> FindAsync(string token, CancellationToken cancellationToken)
    {
        var hash = Hash(token);
        if (await store.SessionAsync(hash, cancellationToken) is not { } session || Roles.Parse(session.Role) is not { } role)
            return null;
        var now = site.Time.GetUtcNow();
        var (started, used) = (Times.At(session.StartedAt), Times.At(session.UsedAt));
        // A clock that was set back ends sessions rather than prolonging them.
        if (now - started >= SessionLimit || now - used >= IdleLimit || started - now > s_usedWithin)
            return null;
        if (now - used >= s_usedWithin)
            await site.Database.WriteAsync(transaction => UserStore.UseSessionAsync(transaction, hash, now), cancellationToken);
        return new Caller(session.UserName, role, IsSignedIn: true);
    }

    public Task SignOutAsync(string token, CancellationToken cancellationToken) =>
        site.Database.WriteAsync(transaction => UserStore.EndSessionAsync(transaction, Hash(token)), cancellationToken);

    private static async Task KeepAnAdministratorAsync(System.Data.Common.DbTransaction transaction, UserRecord user)
    {
        if (user.Role == Roles.Name(Role.Administrator) && await UserStore.CountAsync(transaction, user.Role) == 1)
            throw new SiteException($"{user.Name} is the only administrator. Make another first: `capstan user add NAME --role administrator`.", "last_administrator");
    }

    private static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
