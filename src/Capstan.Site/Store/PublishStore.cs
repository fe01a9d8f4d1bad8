using System.Data.Common;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>One file of the CAP as it was published; the content of all current ones suffices to fill an empty CAP.</summary>
internal sealed record PublishedFile(string Path, byte[] Content, long IsPointer);

/// <summary>One state of the published tree, as one moment of the store had it.</summary>
/// <param name="Files">Path and length of the immutable files.</param>
/// <param name="Pointer">The content that names exactly these files and no later ones.</param>
internal sealed record PublishedTree(long Version, IReadOnlyList<(string Path, long Length)> Files, byte[] Pointer);

/// <summary>A file of an earlier state: its place in the order in which files were superseded.</summary>
internal sealed record Superseded(long At, string Path)
{
    /// <summary>Before the first.</summary>
    public static readonly Superseded None = new(0, "");
}

/// <summary>State of the metadata, and every file of the published tree, stored before any CAP gets it.</summary>
internal sealed class PublishStore(SiteDatabase database)
{
    public Task<(byte[] State, long Version)?> LoadAsync(CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<(byte[], long)?>("select state, version from publish_state where id = 1"), cancellationToken);

    /// <summary>Of a database that nobody has open, whatever its version: the state (null before the first publication), its version, and how many clients are approved.</summary>
    public static async Task<(byte[]? State, long Version, int Clients)> PeekAsync(string file, CancellationToken cancellationToken)
    {
        await using var connection = Dialect.Connection(Dialect.ConnectionString(file, readOnly: true, pooling: false));
        await connection.OpenAsync(cancellationToken);
        var state = await connection.QuerySingleOrDefaultAsync<(byte[]?, long)>("select state, version from publish_state where id = 1");
        return (state.Item1, state.Item2, await connection.ExecuteScalarAsync<int>("select count(*) from device where state = 'approved'"));
    }

    /// <summary>The version published last; 0 before the first.</summary>
    public Task<long> VersionAsync(CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<long>("select version from publish_state where id = 1"), cancellationToken);

    public static Task SaveStateAsync(DbTransaction transaction, byte[] state, long version) => transaction.Connection!.ExecuteAsync(
        """
        insert into publish_state (id, state, version) values (1, @state, @version)
        on conflict (id) do update set state = excluded.state, version = excluded.version
        """, new { state, version }, transaction);

    public static Task SaveFileAsync(DbTransaction transaction, string path, byte[] content, bool isPointer, long version, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into published_file (path, content, is_pointer, version, published_at) values (@path, @content, @pointer, @version, @now)
        on conflict (path) do update set content = excluded.content, is_pointer = excluded.is_pointer, version = excluded.version, superseded_at = null
        """, new { path, content, pointer = isPointer ? 1 : 0, version, now = Times.Of(now) }, transaction);

    /// <summary>Marks what the current state no longer uses. Roots stay for ever.</summary>
    public static async Task SupersedeAsync(DbTransaction transaction, IReadOnlySet<string> current, DateTimeOffset now)
    {
        var connection = transaction.Connection!;
        var gone = (await connection.QueryAsync<string>(
            "select path from published_file where superseded_at is null and path not like '%.root.json'", null, transaction)).Where(path => !current.Contains(path));
        await connection.ExecuteAsync("update published_file set superseded_at = @now where path = @path", gone.Select(path => new { path, now = Times.Of(now) }).ToList(), transaction);
    }

    /// <summary>The current files with the pointer that belongs to them, in one read: a publication meanwhile changes the pointer under its one path.</summary>
    /// <param name="after">Only the files published with a later version; null for all.</param>
    /// <exception cref="InvalidOperationException">Nothing was published yet.</exception>
    public Task<PublishedTree> CurrentAsync(long? after, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
    {
        // One statement is one moment, without a transaction.
        var rows = (await connection.QueryAsync<(string Path, long Length, byte[]? Pointer, long Version)>(
            """
            select path, length(content), case when is_pointer = 1 then content end, version from published_file
            where superseded_at is null and (version > @after or is_pointer = 1) order by is_pointer desc, path
            """, new { after = after ?? -1 })).ToList();
        return rows is [(_, _, { } pointer, var version), .. var files]
            ? new PublishedTree(version, [.. files.Select(file => (file.Path, file.Length))], pointer)
            : throw new InvalidOperationException("Nothing was published yet.");
    }, cancellationToken);

    /// <summary>The pointer and its version; null before the first publication.</summary>
    public Task<(byte[] Content, long Version)?> PointerAsync(CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<(byte[], long)?>("select content, version from published_file where is_pointer = 1"), cancellationToken);

    public Task<byte[]?> ContentAsync(string path, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<byte[]>("select content from published_file where path = @path", new { path }), cancellationToken);

    /// <summary>Files superseded before a time, at most 10,000, from the first after <paramref name="after"/>; the last one is the next call's <paramref name="after"/>.</summary>
    public Task<IReadOnlyList<Superseded>> GarbageAsync(DateTimeOffset before, Superseded after, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<Superseded>>(
        async connection => [.. await connection.QueryAsync<Superseded>(
            """
            select superseded_at as at, path from published_file
            where superseded_at < @before and (superseded_at > @at or (superseded_at = @at and path > @path)) order by superseded_at, path limit 10000
            """, new { before = Times.Of(before), at = after.At, path = after.Path })], cancellationToken);

    /// <summary>Forgets what was superseded up to a file, which is one of them.</summary>
    /// <returns>How many files.</returns>
    public static Task<int> ForgetAsync(DbTransaction transaction, Superseded until) => transaction.Connection!.ExecuteAsync(
        "delete from published_file where superseded_at < @at or (superseded_at = @at and path <= @path)", new { at = until.At, path = until.Path }, transaction);

    /// <summary>The revision of what a receipts bin says: the last one while that is the same, else a higher one, at least the seconds since 1970.</summary>
    /// <param name="mayBeRestored">This process has signed nothing for the bin yet: clients may have seen revisions that a restored site does not remember, so it rises in any case.</param>
    public static Task<long> ReceiptRevisionAsync(DbTransaction transaction, string bin, string contentSha256, bool mayBeRestored, DateTimeOffset now) => transaction.Connection!.ExecuteScalarAsync<long>(
        """
        insert into receipt_bin (bin, revision, content_sha256) values (@bin, @seconds, @content)
        on conflict (bin) do update set content_sha256 = excluded.content_sha256, revision = case
            when receipt_bin.content_sha256 = excluded.content_sha256 and not @mayBeRestored then receipt_bin.revision
            when receipt_bin.revision >= @seconds then receipt_bin.revision + 1
            else @seconds end
        returning revision
        """, new { bin, seconds = now.ToUnixTimeSeconds(), content = contentSha256, mayBeRestored }, transaction);
}
