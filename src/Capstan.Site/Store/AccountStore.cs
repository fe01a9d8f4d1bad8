using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Who uses a connection account.</summary>
internal static class AccountRole
{
    public const string Site = "site";
    public const string Clients = "clients";
}

/// <param name="Secret">Sealed to the site's own key.</param>
/// <param name="AddedAt">Unix milliseconds.</param>
/// <param name="Revision">Of <see cref="SettingStore.AccountsRevision"/>, with which it came: a device that has confirmed this one, or a later one, knows it.</param>
internal sealed record AccountRow(string Cap, string Role, string Name, string Secret, long AddedAt, long Revision = 0);

/// <summary>Connection accounts, sealed.</summary>
internal sealed class AccountStore(SiteDatabase database)
{
    /// <summary>All of them, of each CAP and role in the order in which they are tried: the newest first.</summary>
    public Task<IReadOnlyList<AccountRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync(ListAsync, cancellationToken);

    public static Task<IReadOnlyList<AccountRow>> ListAsync(DbTransaction transaction) => ListAsync(transaction.Connection!, transaction);

    public static Task AddAsync(DbTransaction transaction, AccountRow account) => transaction.Connection!.ExecuteAsync(
        "insert into cap_account (cap, role, name, secret, added_at, revision) values (@Cap, @Role, @Name, @Secret, @AddedAt, @Revision)", account, transaction);

    /// <summary>No effect when it is not there.</summary>
    public static Task RemoveAsync(DbTransaction transaction, AccountRow account) =>
        transaction.Connection!.ExecuteAsync("delete from cap_account where cap = @Cap and role = @Role and name = @Name", account, transaction);

    /// <returns>How many there were.</returns>
    public static Task<int> RemoveAllAsync(DbTransaction transaction, string cap) =>
        transaction.Connection!.ExecuteAsync("delete from cap_account where cap = @cap", new { cap }, transaction);

    private static Task<IReadOnlyList<AccountRow>> ListAsync(DbConnection connection) => ListAsync(connection, null);

    private static async Task<IReadOnlyList<AccountRow>> ListAsync(DbConnection connection, DbTransaction? transaction) =>
        [.. await connection.QueryAsync<AccountRow>(
            """
            select a.cap, a.role, a.name, a.secret, a.added_at, a.revision from cap_account a join cap c on c.path = a.cap
            order by c.added_at, a.cap, a.role, a.added_at desc, a.name
            """, null, transaction)];
}
