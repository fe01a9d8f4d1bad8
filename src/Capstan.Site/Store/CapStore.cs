using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>One client access point as the site works with it.</summary>
internal sealed record CapState(string Path, string? Licensing, long Headroom, long? LastPublished, long PublishedVersion, long? LastDrained, long InboxCount,
    long Failures, long? FailingSince, long? NextTry, string? ErrorCode, string? LastError)
{
    public CapRow ToRow() => new(Path, Licensing, (int)Headroom, LastError is not null ? "failing" : LastPublished is null ? "new" : "ok",
        Times.At(LastPublished), PublishedVersion, Times.At(LastDrained), (int)InboxCount, Times.At(NextTry), LastError);
}

/// <summary>The client access points and how the last work on each went.</summary>
internal sealed class CapStore(SiteDatabase database)
{
    private const string Columns =
        "path, licensing, headroom, last_published, published_version, last_drained, inbox_count, failures, failing_since, next_try, error_code, last_error";

    public Task<IReadOnlyList<CapState>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<CapState>>(
        async connection => [.. await connection.QueryAsync<CapState>($"select {Columns} from cap order by added_at, path")], cancellationToken);

    /// <summary>False when the path is on the list already.</summary>
    public Task<bool> AddAsync(string path, string? licensing, int headroom, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(async transaction => await transaction.Connection!.ExecuteAsync(
            "insert into cap (path, licensing, headroom, added_at) values (@path, @licensing, @headroom, @now) on conflict (path) do nothing",
            new { path, licensing, headroom, now = Times.Of(now) }, transaction) == 1, cancellationToken);

    public Task<bool> RemoveAsync(string path, CancellationToken cancellationToken) => database.WriteAsync(
        async transaction => await transaction.Connection!.ExecuteAsync("delete from cap where path = @path", new { path }, transaction) == 1, cancellationToken);

    public Task PublishedAsync(string path, long version, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set last_published = @now, published_version = @version where path = @path;
            update cap set failures = 0, failing_since = null, next_try = null, error_code = null, last_error = null
            where path = @path and (error_code is null or error_code not like 'inbox.%')
            """, new { path, version, now = Times.Of(now) }, transaction), cancellationToken);

    public Task DrainedAsync(string path, int inboxCount, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set last_drained = @now, inbox_count = @inboxCount where path = @path;
            update cap set failures = 0, failing_since = null, next_try = null, error_code = null, last_error = null where path = @path and error_code like 'inbox.%'
            """, new { path, inboxCount, now = Times.Of(now) }, transaction), cancellationToken);

    public Task FailedAsync(string path, string code, string error, DateTimeOffset now, DateTimeOffset nextTry, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            """
            update cap set failures = failures + 1, failing_since = coalesce(failing_since, @now), next_try = @nextTry, error_code = @code, last_error = @error
            where path = @path
            """, new { path, code, error, now = Times.Of(now), nextTry = Times.Of(nextTry) }, transaction), cancellationToken);
}
