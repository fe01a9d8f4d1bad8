using System.Data.Common;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Content;

/// <summary>One version of a package as the site has it.</summary>
/// <param name="NewBytes">Of the packs that were written for it: what it cost.</param>
/// <param name="Native">What a native package in it says of itself, as JSON; null for none.</param>
/// <param name="WaitingSince">Since when it waits for a CAP that has all of its packs; null when clients are offered it.</param>
internal sealed record PackageVersionRecord(string PackageId, string Name, long Version, long SizeBytes, long FileCount, long NewBytes, string TreeSha256, string? Native, long AddedAt, long? WaitingSince);

/// <summary>A package and the number of the version that it got last, which may have been removed.</summary>
internal sealed record PackageRecord(string PackageId, string Name, long LastVersion, long LastEpoch);

/// <summary>Packages and their versions.</summary>
internal sealed class PackageStore(SiteDatabase database)
{
    private const string Versions =
        """
        select v.package_id, p.name, v.version, v.size_bytes, v.file_count, v.new_bytes, v.tree_sha256, v.native, v.added_at, w.since as waiting_since
        from content_version v join content_package p on p.package_id = v.package_id left join content_waiting w on w.package_id = v.package_id and w.version = v.version
        """;

    /// <summary>Every version of every package: by name, the newest first.</summary>
    public Task<IReadOnlyList<PackageVersionRecord>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<PackageVersionRecord>>(
        async connection => [.. await connection.QueryAsync<PackageVersionRecord>(Versions + " order by p.name_key, p.package_id, v.version desc")], cancellationToken);

    /// <summary>How many versions of all packages there are.</summary>
    public Task<long> CountVersionsAsync(CancellationToken cancellationToken) => database.ReadAsync(connection => connection.ExecuteScalarAsync<long>("select count(*) from content_version"), cancellationToken);

    /// <summary>One version, or the newest; null when it is not there.</summary>
    public static Task<PackageVersionRecord?> VersionAsync(DbTransaction transaction, string packageId, long? version) => transaction.Connection!.QueryFirstOrDefaultAsync<PackageVersionRecord>(
        Versions + " where v.package_id = @packageId and (@version is null or v.version = @version) order by v.version desc", new { packageId, version }, transaction);

    /// <summary>Versions of one package, the newest first; empty also for one that is not there.</summary>
    public Task<IReadOnlyList<PackageVersionRecord>> VersionsAsync(string packageId, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<PackageVersionRecord>>(
        async connection => [.. await connection.QueryAsync<PackageVersionRecord>(Versions + " where v.package_id = @packageId order by v.version desc", new { packageId })], cancellationToken);

    /// <summary>By its id; null when it is not there.</summary>
    public Task<PackageRecord?> FindAsync(string packageId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<PackageRecord>("select package_id, name, last_version, last_epoch from content_package where package_id = @packageId", new { packageId }), cancellationToken);

    /// <summary>As it is in a transaction; null when it is not there.</summary>
    public static Task<PackageRecord?> FindAsync(DbTransaction transaction, string packageId) => transaction.Connection!.QuerySingleOrDefaultAsync<PackageRecord>(
        "select package_id, name, last_version, last_epoch from content_package where package_id = @packageId", new { packageId }, transaction);

    /// <summary>As it is in a transaction, by its name in any case of letters.</summary>
    public static Task<PackageRecord?> NamedAsync(DbTransaction transaction, string name) => transaction.Connection!.QuerySingleOrDefaultAsync<PackageRecord>(
        "select package_id, name, last_version, last_epoch from content_package where name_key = @key", new { key = KeyOf(name) }, transaction);

    /// <summary>By its name in any case of letters; null when it is not there.</summary>
    public Task<PackageRecord?> NamedAsync(string name, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<PackageRecord>("select package_id, name, last_version, last_epoch from content_package where name_key = @key", new { key = KeyOf(name) }), cancellationToken);

    /// <summary>The signed document of a version; null when it is not there.</summary>
    public static Task<byte[]?> ManifestAsync(DbTransaction transaction, string packageId, long version) => transaction.Connection!.QuerySingleOrDefaultAsync<byte[]?>(
        "select manifest from content_version where package_id = @packageId and version = @version", new { packageId, version }, transaction);

    /// <summary>Id and number of every version that some CAP has had whole.</summary>
    public static async Task<IReadOnlyList<(string PackageId, long Version)>> NumbersAsync(DbTransaction transaction) =>
        [.. await transaction.Connection!.QueryAsync<(string, long)>("select package_id, version from content_version v where not exists (select 1 from content_waiting w where w.package_id = v.package_id and w.version = v.version) order by package_id, version", null, transaction)];

    /// <summary>Makes the package when it is not there, or writes down the number that its next version has.</summary>
    public static Task SaveAsync(DbTransaction transaction, PackageRecord package, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into content_package (package_id, name, name_key, last_version, last_epoch, created_at) values (@PackageId, @Name, @Key, @LastVersion, @LastEpoch, @Now)
        on conflict (package_id) do update set last_version = excluded.last_version, last_epoch = excluded.last_epoch
        """, new { package.PackageId, package.Name, Key = KeyOf(package.Name), package.LastVersion, package.LastEpoch, Now = Times.Of(now) }, transaction);

    public static Task AddVersionAsync(DbTransaction transaction, PackageVersionRecord version, byte[] manifest) => transaction.Connection!.ExecuteAsync(
        """
        insert into content_version (package_id, version, size_bytes, file_count, new_bytes, tree_sha256, manifest, native, added_at)
        values (@PackageId, @Version, @SizeBytes, @FileCount, @NewBytes, @TreeSha256, @manifest, @Native, @AddedAt);
        insert into content_waiting (package_id, version, since) values (@PackageId, @Version, @WaitingSince)
        """, new { version.PackageId, version.Version, version.SizeBytes, version.FileCount, version.NewBytes, version.TreeSha256, manifest, version.Native, version.AddedAt, version.WaitingSince }, transaction);

    /// <summary>Takes away one version, or all and the package with them. The packs are the caller's to release.</summary>
    /// <returns>How many versions; 0 also for what is not there.</returns>
    public static async Task<int> RemoveAsync(DbTransaction transaction, string packageId, long? version)
    {
        var parameters = new { packageId, version };
        await transaction.Connection!.ExecuteAsync("delete from version_pack where package_id = @packageId and (@version is null or version = @version)", parameters, transaction);
        await transaction.Connection!.ExecuteAsync("delete from content_waiting where package_id = @packageId and (@version is null or version = @version)", parameters, transaction);
        var removed = await transaction.Connection!.ExecuteAsync("delete from content_version where package_id = @packageId and (@version is null or version = @version)", parameters, transaction);
        if (version is null)
            await transaction.Connection!.ExecuteAsync("delete from content_package where package_id = @packageId", parameters, transaction);
        return removed;
    }

    private static string KeyOf(string name) => name.ToUpperInvariant();
}
