using System.Data.Common;
using System.Globalization;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Single facts about the site that must survive a restart.</summary>
internal sealed class SettingStore(SiteDatabase database)
{
    /// <summary>SHA-256 of the site description and CAP list that are part of published metadata.</summary>
    public const string PublishedSite = "published-site";
    /// <summary>SHA-256 of the orders about builds that are part of published metadata; absent while none was ever given.</summary>
    public const string PublishedBuilds = "published-builds";
    /// <summary>The latest time that the site has signed, Unix milliseconds: a clock before it is wrong.</summary>
    public const string LastSigned = "last-signed";
    /// <summary>Rises with each change of connection accounts; absent while there was never one, so that policies without secrets stay without.</summary>
    public const string AccountsRevision = "accounts-revision";
    /// <summary>There since policies were signed that say nothing of accounts, because some could not be opened; absent when all is told.</summary>
    public const string AccountsWithheld = "accounts-withheld";
    /// <summary>There since a restore: policies say nothing of accounts, because those of the backup may be older than what clients have; absent once an administrator has changed accounts.</summary>
    public const string AccountsInDoubt = "accounts-in-doubt";
    /// <summary>What is published has a higher version than this.</summary>
    public const string VersionFloor = "version-floor";
    /// <summary>The highest epoch beyond the site's own that is believed to exist, see <see cref="Load.EpochRule"/>: the site was restored elsewhere, or under a wrong clock.</summary>
    public const string EpochSeen = "epoch-seen";
    /// <summary>The version that a CAP verifiably showed when the store knew a lower one: the site was put back without a restore. Absent again in the next epoch.</summary>
    public const string RolledBackFrom = "rolled-back-from";
    /// <summary>The last rotation of keys that the store knows of; see <see cref="Keeping.KeyRotation"/>.</summary>
    public const string Rotation = "rotation";
    /// <summary>Quarantined files that were dropped for want of room.</summary>
    public const string QuarantineDropped = "quarantine-dropped";

    public Task<string?> GetAsync(string name, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<string>("select value from setting where name = @name", new { name }), cancellationToken);

    public static Task<string?> GetAsync(DbTransaction transaction, string name) => transaction.Connection!.QuerySingleOrDefaultAsync<string>(
        "select value from setting where name = @name", new { name }, transaction);

    public static Task SetAsync(DbTransaction transaction, string name, string value) => transaction.Connection!.ExecuteAsync(
        "insert into setting (name, value) values (@name, @value) on conflict (name) do update set value = excluded.value", new { name, value }, transaction);

    /// <summary>False when it was not there.</summary>
    public static async Task<bool> RemoveAsync(DbTransaction transaction, string name) =>
        await transaction.Connection!.ExecuteAsync("delete from setting where name = @name", new { name }, transaction) == 1;

    /// <summary>Counts up.</summary>
    public static Task AddAsync(DbTransaction transaction, string name, long by) => transaction.Connection!.ExecuteAsync(
        """
        insert into setting (name, value) values (@name, cast(@by as text))
        on conflict (name) do update set value = cast(cast(setting.value as bigint) + @by as text)
        """, new { name, by }, transaction);

    /// <summary>Raises a number by 1 at least, and to <paramref name="least"/>.</summary>
    /// <returns>The new one.</returns>
    public static async Task<long> RaiseAsync(DbTransaction transaction, string name, long least)
    {
        var next = await GetAsync(transaction, name) is { } text ? Math.Max(long.Parse(text, CultureInfo.InvariantCulture) + 1, least) : least;
        await SetAsync(transaction, name, next.ToString(CultureInfo.InvariantCulture));
        return next;
    }
}
