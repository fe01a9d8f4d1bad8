using System.Data.Common;
using System.Text.Json;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>One client access point as the site works with it.</summary>
internal sealed record CapState(string Path, string? Licensing, long Headroom, long? LastPublished, long PublishedVersion, long? LastDrained, long InboxCount,
    long Failures, long? FailingSince, long? NextTry, string? ErrorCode, string? LastError,
    long DrainFailures = 0, long? DrainFailingSince = null, long? DrainNextTry = null, string? DrainErrorCode = null, string? DrainLastError = null, string AliasNames = "[]")
{
    /// <summary>Names of the site's connection accounts, in the order in which they are tried.</summary>
    public IReadOnlyList<string> Accounts { get; init; } = [];

    /// <summary>Names of the clients' accounts: their own, or the site's when they have none.</summary>
    public IReadOnlyList<string> ClientAccounts { get; init; } = [];

    /// <summary>Other names of its server.</summary>
    public IReadOnlyList<string> Aliases => AliasNames == "[]" ? [] : JsonSerializer.Deserialize(AliasNames, StoreJson.Default.IReadOnlyListString) ?? [];

    /// <summary>What fails; of two kinds of work, publishing.</summary>
    public CapFailure? Failure =>
        LastError is not null ? new(Failures, FailingSince, NextTry, ErrorCode, LastError)
        : DrainLastError is not null ? new(DrainFailures, DrainFailingSince, DrainNextTry, DrainErrorCode, DrainLastError)
        : null;

    public bool IsPublishingDue(long now) => IsDue(NextTry, now);

    public bool IsDrainingDue(long now) => IsDue(DrainNextTry, now);

    public CapRow ToRow() => new(Path, Licensing, (int)Headroom, Failure is not null ? "failing" : LastPublished is null ? "new" : "ok",
        Times.At(LastPublished), PublishedVersion, Times.At(LastDrained), (int)InboxCount, Times.At(Failure?.NextTry), Failure?.Message, Failure?.Code,
        Accounts.Count == 0 ? null : Accounts, ClientAccounts.Count == 0 ? null : ClientAccounts)
    {
        Aliases = Aliases.Count == 0 ? null : Aliases,
    };

    /// <summary>No next try is further ahead than this: one that is was set while the clock was wrong.</summary>
    private static bool IsDue(long? nextTry, long now) => nextTry is not { } next || next <= now || next - now > (long)CapStore.LongestPause.TotalMilliseconds;
}

/// <summary>Work on a CAP that fails now.</summary>
/// <param name="Count">In a row.</param>
internal sealed record CapFailure(long Count, long? Since, long? NextTry, string? Code, string Message);

/// <summary>The client access points and how the last work on each went.</summary>
internal sealed class CapStore(SiteDatabase database)
{
    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    /// <summary>How often an unchanged inbox is written down.</summary>
    private static readonly TimeSpan DrainedInterval = TimeSpan.FromMinutes(1);

    private const string Columns =
        """
        path, licensing, headroom, last_published, published_version, last_drained, inbox_count, failures, failing_since, next_try, error_code, last_error,
        drain_failures, drain_failing_since, drain_next_try, drain_error_code, drain_last_error, alias_names
        """;

    public Task<IReadOnlyList<CapState>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<CapState>>(
        async connection =>
        {
            var accounts = (await connection.QueryAsync<(string Cap, string Role, string Name)>(
                "select cap, role, name from cap_account order by added_at desc, name")).ToLookup(row => (row.Cap, row.Role), row => row.Name);
            return [.. (await connection.QueryAsync<CapState>($"select {Columns} from cap order by added_at, path")).Select(cap => cap with
            {
                Accounts = [.. accounts[(cap.Path, AccountRole.Site)]],
                ClientAccounts = [.. accounts[(cap.Path, accounts.Contains((cap.Path, AccountRole.Clients)) ? AccountRole.Clients : AccountRole.Site)]],
            })];
        }, cancellationToken);

    /// <summary>False when the path is on the list already.</summary>
    public static async Task<bool> AddAsync(DbTransaction transaction, string path, string? licensing, int headroom, DateTimeOffset now) =>
        await transaction.Connection!.ExecuteAsync(
            "insert into cap (path, licensing, headroom, added_at) values (@path, @licensing, @headroom, @now) on conflict (path) do nothing",
            new { path, licensing, headroom, now = Times.Of(now) }, transaction) == 1;

    /// <summary>Other names of its server. No effect when the path is not on the list.</summary>
    public static Task SetAliasesAsync(DbTransaction transaction, string path, IReadOnlyList<string> aliases) => transaction.Connection!.ExecuteAsync(
        "update cap set alias_names = @names where path = @path", new { path, names = JsonSerializer.Serialize(aliases, StoreJson.Default.IReadOnlyListString) }, transaction);

    /// <summary>How its server is licensed. No effect when the path is not on the list.</summary>
    public static Task LicenseAsync(DbTransaction transaction, string path, string? licensing, int headroom) => transaction.Connection!.ExecuteAsync(
        "update cap set licensing = @licensing, headroom = @headroom where path = @path", new { path, licensing, headroom }, transaction);

    /// <summary>False when it was not on the list. Its accounts stay: <see cref="AccountStore.RemoveAllAsync"/>.</summary>
    public static async Task<bool> RemoveAsync(DbTransaction transaction, string path) =>
        await transaction.Connection!.ExecuteAsync("delete from cap where path = @path", new { path }, transaction) == 1;

    /// <summary>Where the folder of a CAP was mounted when it was last used; null when that is not known, or the path not on the list.</summary>
    public Task<string?> MountAsync(string path, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<string?>("select mounted_at from cap where path = @path", new { path }), cancellationToken);

    /// <summary>False when the path is not on the list.</summary>
    public Task<bool> SetMountAsync(string path, string mount, CancellationToken cancellationToken) => database.WriteAsync(
        async transaction => await transaction.Connection!.ExecuteAsync("update cap set mounted_at = @mount where path = @path", new { path, mount }, transaction) == 1, cancellationToken);

    public Task PublishedAsync(string path, long version, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set last_published = @now, published_version = @version, failures = 0, failing_since = null, next_try = null, error_code = null, last_error = null
            where path = @path
            """, new { path, version, now = Times.Of(now) }, transaction), cancellationToken);

    /// <summary>The storage is there again: what the loader missed on it is no longer so, and it looks at once.</summary>
    public Task FoundAsync(string path, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set drain_failures = 0, drain_failing_since = null, drain_next_try = null, drain_error_code = null, drain_last_error = null
            where path = @path and drain_error_code = 'NotFound'
            """, new { path }, transaction), cancellationToken);

    /// <summary>Writes only what changed, or once a minute: a write waits for the disk.</summary>
    public async Task DrainedAsync(string path, int inboxCount, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var parameters = new { path, inboxCount, now = Times.Of(now), from = Times.Of(now - DrainedInterval) };
        if (await database.ReadAsync(connection => connection.ExecuteScalarAsync<bool>(
            """
            select count(*) from cap
            where path = @path and inbox_count = @inboxCount and drain_last_error is null and last_drained > @from and last_drained <= @now
            """, parameters), cancellationToken))
            return;
        await database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set last_drained = @now, inbox_count = @inboxCount, drain_failures = 0, drain_failing_since = null, drain_next_try = null,
                           drain_error_code = null, drain_last_error = null
            where path = @path
            """, parameters, transaction), cancellationToken);
    }

    public Task PublishingFailedAsync(string path, string code, string error, DateTimeOffset now, DateTimeOffset nextTry, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set failures = failures + 1, failing_since = coalesce(failing_since, @now), next_try = @nextTry, error_code = @code, last_error = @error
            where path = @path
            """, new { path, code, error, now = Times.Of(now), nextTry = Times.Of(nextTry) }, transaction), cancellationToken);

    /// <param name="published">When the CAP had been published as this draining began: one that was published since is looked at anew first.</param>
    public Task DrainingFailedAsync(string path, long? published, string code, string error, DateTimeOffset now, DateTimeOffset nextTry, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set drain_failures = drain_failures + 1, drain_failing_since = coalesce(drain_failing_since, @now), drain_next_try = @nextTry,
                           drain_error_code = @code, drain_last_error = @error
            where path = @path and coalesce(last_published, 0) = coalesce(@published, 0)
            """, new { path, published, code, error, now = Times.Of(now), nextTry = Times.Of(nextTry) }, transaction), cancellationToken);
}
