using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>A user of the console and the API.</summary>
internal sealed record UserRecord(string Name, string Role, string PasswordHash, long CreatedAt, long ChangedAt);

/// <summary>A session that has not been ended, with the role that its user has now.</summary>
internal sealed record SessionRecord(string UserName, string Role, long StartedAt, long UsedAt);

/// <summary>Users and their sessions.</summary>
internal sealed class UserStore(SiteDatabase database)
{
    private const string Columns = "name, role, password_hash, created_at, changed_at";

    public Task<IReadOnlyList<UserRecord>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<UserRecord>>(
        async connection => [.. await connection.QueryAsync<UserRecord>($"select {Columns} from site_user order by name")], cancellationToken);

    public Task<UserRecord?> FindAsync(string name, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<UserRecord>($"select {Columns} from site_user where name = @name", new { name }), cancellationToken);

    /// <summary>A user, and whether it has signed in from a place before.</summary>
    public Task<(UserRecord? User, bool IsPlaceKnown)> FindAsync(string name, string place, CancellationToken cancellationToken) => database.ReadAsync(
        async connection => (await connection.QuerySingleOrDefaultAsync<UserRecord>($"select {Columns} from site_user where name = @name", new { name }),
            await connection.ExecuteScalarAsync<int>("select count(*) from site_user_place where user_name = @name and place = @place", new { name, place }) > 0), cancellationToken);

    public static Task<int> CountAsync(DbTransaction transaction, string? role) => transaction.Connection!.ExecuteScalarAsync<int>(
        "select count(*) from site_user where @role is null or role = @role", new { role }, transaction);

    public static Task<UserRecord?> FindAsync(DbTransaction transaction, string name) =>
        transaction.Connection!.QuerySingleOrDefaultAsync<UserRecord>($"select {Columns} from site_user where name = @name", new { name }, transaction);

    /// <summary>Makes or changes a user; what is null stays as it is.</summary>
    public static Task SaveAsync(DbTransaction transaction, string name, string? role, string? passwordHash, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into site_user (name, role, password_hash, created_at, changed_at) values (@name, coalesce(@role, ''), coalesce(@passwordHash, ''), @now, @now)
        on conflict (name) do update set role = coalesce(@role, role), password_hash = coalesce(@passwordHash, password_hash), changed_at = @now
        """, new { name, role, passwordHash, now = Times.Of(now) }, transaction);

    /// <summary>Gives the same password a hash of today's strength, unless it is another password's by now.</summary>
    public static Task RenewHashAsync(DbTransaction transaction, string name, string oldHash, string newHash) => transaction.Connection!.ExecuteAsync(
        "update site_user set password_hash = @newHash where name = @name and password_hash = @oldHash", new { name, oldHash, newHash }, transaction);

    /// <summary>Remembers whence a user signed in; of each user the <paramref name="most"/> places that were used last.</summary>
    public static Task RememberPlaceAsync(DbTransaction transaction, string name, string place, int most, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into site_user_place (user_name, place, used_at) values (@name, @place, @now) on conflict (user_name, place) do update set used_at = @now;
        delete from site_user_place where user_name = @name and place not in (select place from site_user_place where user_name = @name order by used_at desc, place limit @most)
        """, new { name, place, most, now = Times.Of(now) }, transaction);

    public static async Task<bool> RemoveAsync(DbTransaction transaction, string name)
    {
        await EndSessionsAsync(transaction, name);
        await transaction.Connection!.ExecuteAsync("delete from site_user_place where user_name = @name", new { name }, transaction);
        return await transaction.Connection!.ExecuteAsync("delete from site_user where name = @name", new { name }, transaction) == 1;
    }

    public static Task EndSessionsAsync(DbTransaction transaction, string name) =>
        transaction.Connection!.ExecuteAsync("delete from site_session where user_name = @name", new { name }, transaction);

    public Task<SessionRecord?> SessionAsync(string tokenHash, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<SessionRecord>(
            "select s.user_name, u.role, s.started_at, s.used_at from site_session s join site_user u on u.name = s.user_name where s.token_sha256 = @tokenHash", new { tokenHash }), cancellationToken);

    public static Task BeginSessionAsync(DbTransaction transaction, string tokenHash, string user, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "insert into site_session (token_sha256, user_name, started_at, used_at) values (@tokenHash, @user, @now, @now)", new { tokenHash, user, now = Times.Of(now) }, transaction);

    public static Task UseSessionAsync(DbTransaction transaction, string tokenHash, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "update site_session set used_at = @now where token_sha256 = @tokenHash", new { tokenHash, now = Times.Of(now) }, transaction);

    public static Task EndSessionAsync(DbTransaction transaction, string tokenHash) =>
        transaction.Connection!.ExecuteAsync("delete from site_session where token_sha256 = @tokenHash", new { tokenHash }, transaction);

    /// <summary>Removes sessions that are over: begun before one time, or used last before the other.</summary>
    public static Task PruneSessionsAsync(DbTransaction transaction, DateTimeOffset begunBefore, DateTimeOffset usedBefore) => transaction.Connection!.ExecuteAsync(
        "delete from site_session where started_at < @begun or used_at < @used", new { begun = Times.Of(begunBefore), used = Times.Of(usedBefore) }, transaction);
}
