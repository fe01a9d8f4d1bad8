using System.Data.Common;
using System.Text.Json;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>A build that the site has.</summary>
/// <param name="PackedBytes">All of its files, as clients fetch them.</param>
internal sealed record BuildRow(string Platform, string Version, string FilesJson, long PackedBytes, long AddedAt)
{
    public IReadOnlyList<BuildFile> Files => BuildStore.Read(FilesJson);
}

/// <summary>The order for one platform.</summary>
/// <param name="EndedAt">Since when it is none any more; null while it stands.</param>
internal sealed record BuildOrderRow(string Platform, string Version, string FilesJson, long OrderNumber, long Downgrade, long SpreadSeconds, string Highest, long OrderedAt, long? EndedAt)
{
    public bool Stands => EndedAt is null;

    public ClientBuild ToBuild() => new()
    {
        Platform = Platform,
        Version = Version,
        Order = OrderNumber,
        Downgrade = Downgrade == 1,
        SpreadSeconds = (int)SpreadSeconds,
        Files = BuildStore.Read(FilesJson),
    };
}

/// <summary>Builds of the agent, their files, and what each platform is ordered to run.</summary>
internal sealed class BuildStore(SiteDatabase database)
{
    private const string Rows = """
        select b.platform, b.version, b.files as files_json,
            (select coalesce(sum(length(f.packed)), 0) from build_file f where b.files like '%' || f.sha256 || '%') as packed_bytes, b.added_at
        from build b
        """;

    public Task<IReadOnlyList<BuildRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<BuildRow>>(async connection =>
    {
        var rows = new List<BuildRow>();
        // One by one: of a computed column SQLite tells no type while there is no row, and then a list of none could not be mapped.
        foreach (var (platform, version) in await connection.QueryAsync<(string, string)>("select platform, version from build order by platform, added_at desc, version"))
        {
            if (await connection.QuerySingleOrDefaultAsync<BuildRow>(Rows + " where b.platform = @platform and b.version = @version", new { platform, version }) is { } row)
                rows.Add(row);
        }
        return rows;
    }, cancellationToken);

    public static Task<BuildRow?> FindAsync(DbTransaction transaction, string platform, string version) => transaction.Connection!.QuerySingleOrDefaultAsync<BuildRow>(
        Rows + " where b.platform = @platform and b.version = @version", new { platform, version }, transaction);

    public Task<bool> HasFileAsync(string sha256, CancellationToken cancellationToken) => database.ReadAsync(
        async connection => await connection.ExecuteScalarAsync<long>("select count(*) from build_file where sha256 = @sha256", new { sha256 }) == 1, cancellationToken);

    /// <summary>Unpacked length of a file; null for one that is not there.</summary>
    public static Task<long?> LengthAsync(DbTransaction transaction, string sha256) => transaction.Connection!.QuerySingleOrDefaultAsync<long?>(
        "select length_bytes from build_file where sha256 = @sha256", new { sha256 }, transaction);

    public static Task<byte[]> PackedAsync(DbTransaction transaction, string sha256) => transaction.Connection!.QuerySingleAsync<byte[]>(
        "select packed from build_file where sha256 = @sha256", new { sha256 }, transaction);

    public Task SaveFileAsync(string sha256, long length, byte[] packed, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        transaction => transaction.Connection!.ExecuteAsync(
            "insert into build_file (sha256, length_bytes, packed, added_at) values (@sha256, @length, @packed, @now) on conflict (sha256) do nothing",
            new { sha256, length, packed, now = Times.Of(now) }, transaction), cancellationToken);

    public static Task AddAsync(DbTransaction transaction, string platform, string version, IReadOnlyList<BuildFile> files, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        "insert into build (platform, version, files, added_at) values (@platform, @version, @files, @now)", new { platform, version, files = Write(files), now = Times.Of(now) }, transaction);

    public static async Task<bool> RemoveAsync(DbTransaction transaction, string platform, string version) => await transaction.Connection!.ExecuteAsync(
        "delete from build where platform = @platform and version = @version", new { platform, version }, transaction) == 1;

    /// <summary>Forgets files that no build and no order has, but for those that came lately: their build may be on its way.</summary>
    public static Task<int> PruneFilesAsync(DbTransaction transaction, DateTimeOffset before) => transaction.Connection!.ExecuteAsync(
        """
        delete from build_file where added_at < @before
            and not exists (select 1 from build where build.files like '%' || build_file.sha256 || '%')
            and not exists (select 1 from build_order where build_order.ended_at is null and build_order.files like '%' || build_file.sha256 || '%')
        """, new { before = Times.Of(before) }, transaction);

    /// <summary>Those that ended, too.</summary>
    public Task<IReadOnlyList<BuildOrderRow>> OrdersAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<BuildOrderRow>>(
        async connection => [.. await connection.QueryAsync<BuildOrderRow>(Orders)], cancellationToken);

    public static async Task<IReadOnlyList<BuildOrderRow>> OrdersAsync(DbTransaction transaction) =>
        [.. await transaction.Connection!.QueryAsync<BuildOrderRow>(Orders, null, transaction)];

    public static Task OrderAsync(DbTransaction transaction, ClientBuild build, string highest, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into build_order (platform, version, files, order_number, downgrade, spread_seconds, highest, ordered_at)
        values (@platform, @version, @files, @order, @downgrade, @spread, @highest, @now)
        on conflict (platform) do update set version = excluded.version, files = excluded.files, order_number = excluded.order_number, downgrade = excluded.downgrade,
            spread_seconds = excluded.spread_seconds, highest = excluded.highest, ordered_at = excluded.ordered_at, ended_at = null
        """, new
        {
            platform = build.Platform,
            version = build.Version,
            files = Write(build.Files),
            order = build.Order,
            downgrade = build.Downgrade ? 1 : 0,
            spread = build.SpreadSeconds,
            highest,
            now = Times.Of(now),
        }, transaction);

    /// <returns>False when there is none that stands.</returns>
    public static async Task<bool> EndOrderAsync(DbTransaction transaction, string platform, DateTimeOffset now) => await transaction.Connection!.ExecuteAsync(
        "update build_order set ended_at = @now where platform = @platform and ended_at is null", new { platform, now = Times.Of(now) }, transaction) == 1;

    /// <summary>The same order under a higher number.</summary>
    public static Task RaiseOrderAsync(DbTransaction transaction, string platform, long number) => transaction.Connection!.ExecuteAsync(
        "update build_order set order_number = @number where platform = @platform", new { platform, number }, transaction);

    public static IReadOnlyList<BuildFile> Read(string json) => JsonSerializer.Deserialize(json, StoreJson.Default.IReadOnlyListBuildFile) ?? [];

    private const string Orders = "select platform, version, files as files_json, order_number, downgrade, spread_seconds, highest, ordered_at, ended_at from build_order order by platform";

    private static string Write(IReadOnlyList<BuildFile> files) => JsonSerializer.Serialize(files, StoreJson.Default.IReadOnlyListBuildFile);
}
