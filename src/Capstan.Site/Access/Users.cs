using System.Security.Cryptography;
using System.Text;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;

namespace Capstan.Site.Access;

/// <summary>Local users: their roles, and their sessions once <see cref="SignIns"/> has begun them. Thread-safe.</summary>
/// <remarks>Passwords are hashed by the platform (PBKDF2 with HMAC-SHA512, a salt each).</remarks>
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
    private volatile bool _isAnyKnown;

    /// <summary>What the audit log calls somebody who is no user.</summary>
    public const string Nobody = "nobody";

    /// <summary>Whether there can be a user of this name.</summary>
    public static bool IsName(string name) => name is { Length: > 0 and <= MostNameChars } && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '@');

    /// <summary>Why a new user cannot have a name; null when it can.</summary>
    public static string? NameFault(string name) => !IsName(name)
        ? $"A user's name has 1 to {MostNameChars} of A-Z a-z 0-9 . - _ @."
        : new[] { Caller.Token.Name, Caller.Local.Name, Nobody }.Contains(name, StringComparer.OrdinalIgnoreCase) ? $"'{name}' is what the audit log calls somebody without a user; choose another name." : null;

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

    /// <summary>Ends a session, with its row in the audit log.</summary>
    public Task SignOutAsync(string token, Caller caller, string address, CancellationToken cancellationToken) => site.Database.WriteAsync(async transaction =>
    {
        await UserStore.EndSessionAsync(transaction, Hash(token));
        await AuditStore.AddAsync(transaction, new AuditEntry(caller.Name, address, "sign out", null, StatusCodes.Status200OK), site.Time.GetUtcNow());
    }, cancellationToken);

    private static async Task KeepAnAdministratorAsync(System.Data.Common.DbTransaction transaction, UserRecord user)
    {
        if (user.Role == Roles.Name(Role.Administrator) && await UserStore.CountAsync(transaction, user.Role) == 1)
            throw new SiteException($"{user.Name} is the only administrator. Make another first: `capstan user add NAME --role administrator`.", "last_administrator");
    }

    /// <summary>What the store knows a session's token by.</summary>
    public static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
