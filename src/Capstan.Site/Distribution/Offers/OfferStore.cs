using System.Data.Common;
using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>A program as the store has it.</summary>
internal sealed record ProgramRow(string PackageId, string Name, string Rules, string? FirstPackage, string? FirstName, long CreatedAt, long ChangedAt)
{
    public ProgramRules Read() => JsonSerializer.Deserialize(Rules, StoreJson.Default.ProgramRules)!;
}

/// <summary>A program as lists show it, with the names of what it belongs to.</summary>
internal sealed record ProgramView
{
    public string PackageId { get; init; } = "";
    public string Rules { get; init; } = "";
    public long CreatedAt { get; init; }
    public long ChangedAt { get; init; }
    public string PackageName { get; init; } = "";
    /// <summary>PACKAGE/PROGRAM by name; null for none.</summary>
    public string? First { get; init; }
    /// <summary>That offer it and go on.</summary>
    public long Advertisements { get; init; }

    public ProgramSummary ToSummary() => new(PackageId, PackageName, JsonSerializer.Deserialize(Rules, StoreJson.Default.ProgramRules)!, First, (int)Advertisements, Times.At(CreatedAt), Times.At(ChangedAt));
}

/// <summary>An advertisement as the store has it.</summary>
/// <param name="State">That of its document, or <see cref="Ended"/>.</param>
/// <param name="CountsFrom">Machines that ended before count no more for its limit of failures. While it is halted nothing counts, and it is when it was halted, or when its times were set since.</param>
/// <param name="EndedAt">When it was removed.</param>
internal sealed record AdvertisementRow(string AdvertisementId, string Name, string PackageId, string ProgramKey, long? PackageVersion, long CollectionId, string Document, long Revision, string State,
    long? ExpiresAt, long? HaltAt, long CountsFrom, long CreatedAt, long ChangedAt, long? EndedAt)
{
    /// <summary>It was ended, and what it has done stays: it is still listed, has expired, and its program has no removal any more.</summary>
    public const string Ended = "ended";

    public Advertisement Read() => Documents.Advertisement.Decode(Encoding.UTF8.GetBytes(Document));
}

/// <summary>Programs and advertisements.</summary>
internal sealed class OfferStore(SiteDatabase database)
{
    private const string Programs = "select package_id, name, rules, first_package, first_name, created_at, changed_at from program";
    private const string Views =
        """
        select p.package_id, p.rules, p.created_at, p.changed_at, coalesce(c.name, p.package_id) as package_name,
               case when p.first_package is null then null else coalesce(fc.name, p.first_package) || '/' || coalesce(fp.name, p.first_name) end as first,
               (select count(*) from advertisement a where a.package_id = p.package_id and a.program_key = p.name_key and a.ended_at is null and a.state <> 'ended') as advertisements
        from program p
        left join content_package c on c.package_id = p.package_id
        left join content_package fc on fc.package_id = p.first_package
        left join program fp on fp.package_id = p.first_package and fp.name_key = p.first_name
        """;
    private const string Advertisements =
        "select advertisement_id, name, package_id, program_key, package_version, collection_id, document, revision, state, expires_at, halt_at, counts_from, created_at, changed_at, ended_at from advertisement";

    public Task<IReadOnlyList<ProgramView>> ProgramsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<ProgramView>>(
        async connection => [.. await connection.QueryAsync<ProgramView>(Views)], cancellationToken);

    public static Task<ProgramView> ProgramViewAsync(DbTransaction transaction, string packageId, string name) => transaction.Connection!.QuerySingleAsync<ProgramView>(
        Views + " where p.package_id = @packageId and p.name_key = @key", new { packageId, key = Folding.Value(name) }, transaction);

    public static async Task<IReadOnlyList<ProgramRow>> ProgramsOfAsync(DbTransaction transaction, string packageId) =>
        [.. await transaction.Connection!.QueryAsync<ProgramRow>(Programs + " where package_id = @packageId order by name_key", new { packageId }, transaction)];

    public static Task<ProgramRow?> ProgramAsync(DbTransaction transaction, string packageId, string name) => transaction.Connection!.QuerySingleOrDefaultAsync<ProgramRow>(
        Programs + " where package_id = @packageId and name_key = @key", new { packageId, key = Folding.Value(name) }, transaction);

    public static Task SaveProgramAsync(DbTransaction transaction, string packageId, ProgramRules rules, string? firstPackage, string? firstName, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into program (package_id, name, name_key, rules, first_package, first_name, created_at, changed_at) values (@packageId, @Name, @key, @rules, @firstPackage, @firstName, @now, @now)
        on conflict (package_id, name_key) do update set rules = excluded.rules, first_package = excluded.first_package, first_name = excluded.first_name, changed_at = excluded.changed_at
        """,
        new { packageId, rules.Name, key = Folding.Value(rules.Name), rules = JsonSerializer.Serialize(rules, StoreJson.Default.ProgramRules), firstPackage, firstName, now = Times.Of(now) }, transaction);

    public static Task RemoveProgramAsync(DbTransaction transaction, string packageId, string name) =>
        transaction.Connection!.ExecuteAsync("delete from program where package_id = @packageId and name_key = @key", new { packageId, key = Folding.Value(name) }, transaction);

    /// <summary>Programs that name another as their first.</summary>
    public static async Task<IReadOnlyList<ProgramRow>> FollowersAsync(DbTransaction transaction, string packageId, string name) => [.. await transaction.Connection!.QueryAsync<ProgramRow>(
        Programs + " where first_package = @packageId and first_name = @key", new { packageId, key = Folding.Value(name) }, transaction)];

    /// <summary>PACKAGE/PROGRAM of programs of other packages that name one of this package as their first.</summary>
    public static async Task<IReadOnlyList<string>> FollowersOfPackageAsync(DbTransaction transaction, string packageId) => [.. await transaction.Connection!.QueryAsync<string>(
        "select coalesce(c.name, p.package_id) || '/' || p.name from program p left join content_package c on c.package_id = p.package_id where p.first_package = @packageId and p.package_id <> @packageId order by 1", new { packageId }, transaction)];

    /// <summary>The newest first; those that were removed are left out.</summary>
    public Task<IReadOnlyList<AdvertisementRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AdvertisementRow>>(
        async connection => [.. await connection.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null order by created_at desc, advertisement_id")], cancellationToken);

    public static async Task<IReadOnlyList<AdvertisementRow>> ActiveAsync(DbTransaction transaction) =>
        [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null", null, transaction)];

    /// <summary>Of all that were ever made, those included that were removed.</summary>
    public static async Task<IReadOnlyList<string>> IdsAsync(DbTransaction transaction) => [.. await transaction.Connection!.QueryAsync<string>("select advertisement_id from advertisement", null, transaction)];

    /// <summary>Also one that was removed.</summary>
    public Task<AdvertisementRow?> FindAsync(string id, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<AdvertisementRow>(Advertisements + " where advertisement_id = @id", new { id }), cancellationToken);

    public static Task<AdvertisementRow?> FindAsync(DbTransaction transaction, string id) => transaction.Connection!.QuerySingleOrDefaultAsync<AdvertisementRow>(
        Advertisements + " where advertisement_id = @id and ended_at is null", new { id }, transaction);

    /// <summary>Those of a program that go on.</summary>
    public static async Task<IReadOnlyList<AdvertisementRow>> OfProgramAsync(DbTransaction transaction, string packageId, string name) => [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(
        Advertisements + " where ended_at is null and state <> 'ended' and package_id = @packageId and program_key = @key", new { packageId, key = Folding.Value(name) }, transaction)];

    /// <summary>Those of a package that were removed since a time, where a client that ran them has not yet said that it is done with them.</summary>
    /// <param name="version">That ran last; null for any.</param>
    public static async Task<IReadOnlyList<AdvertisementRow>> BeingRemovedAsync(DbTransaction transaction, string packageId, long? version, DateTimeOffset since) => [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(
        $"""
        {Advertisements} where package_id = @packageId and ended_at >= @since and exists (
            select 1 from advertisement_state s join device d on d.number = s.device_number
            where s.advertisement_id = advertisement.advertisement_id and s.is_told = 1 and s.run_number is not null and d.state = 'approved' and (@version is null or s.run_version = @version))
        """, new { packageId, version, since = Times.Of(since) }, transaction)];

    public static async Task<IReadOnlyList<string>> OfCollectionAsync(DbTransaction transaction, long collectionId) => [.. await transaction.Connection!.QueryAsync<string>(
        "select advertisement_id from advertisement where ended_at is null and collection_id = @collectionId order by advertisement_id", new { collectionId }, transaction)];

    public static async Task<IReadOnlyList<AdvertisementRow>> RowsOfCollectionAsync(DbTransaction transaction, long collectionId) =>
        [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null and collection_id = @collectionId", new { collectionId }, transaction)];

    public static Task<int> CountAsync(DbTransaction transaction) => transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from advertisement where ended_at is null", null, transaction);

    /// <summary>Writes an advertisement down with the document that is to be signed; its figures are counted anew where they are of others than before.</summary>
    public static async Task SaveAsync(DbTransaction transaction, Advertisement document, string packageId, long? packageVersion, long collectionId, int? haltAt, DateTimeOffset countsFrom, DateTimeOffset now, bool isEnded = false)
    {
        var connection = transaction.Connection!;
        var known = await connection.QuerySingleOrDefaultAsync<(long, long)>("select collection_id, counts_from from advertisement where advertisement_id = @AdvertisementId", new { document.AdvertisementId }, transaction);
        await connection.ExecuteAsync(
            """
            insert into advertisement (advertisement_id, name, package_id, program_key, package_version, collection_id, document, revision, state, expires_at, halt_at, counts_from, pending, created_at, changed_at)
            values (@AdvertisementId, @Name, @packageId, @programKey, @packageVersion, @collectionId, @text, @Revision, @State, @ExpiresAt, @haltAt, @countsFrom, 1, @now, @now)
            on conflict (advertisement_id) do update set name = excluded.name, package_version = excluded.package_version, collection_id = excluded.collection_id, document = excluded.document,
                revision = excluded.revision, state = excluded.state, expires_at = excluded.expires_at, halt_at = excluded.halt_at, counts_from = excluded.counts_from, pending = 1, changed_at = excluded.changed_at
            """,
            new
            {
                document.AdvertisementId,
                document.Name,
                packageId,
                programKey = Folding.Value(document.Offer.Program.Name),
                packageVersion,
                collectionId,
                text = Encoding.UTF8.GetString(Documents.Advertisement.Encode(document)),
                document.Revision,
                State = isEnded ? AdvertisementRow.Ended : document.State,
                document.ExpiresAt,
                haltAt,
                countsFrom = Times.Of(countsFrom),
                now = Times.Of(now),
            }, transaction);
        if (known != (collectionId, Times.Of(countsFrom)))
            await OfferCounts.RecountAsync(transaction, document.AdvertisementId);
    }

    public static Task EndAsync(DbTransaction transaction, string id, DateTimeOffset now) =>
        transaction.Connection!.ExecuteAsync("update advertisement set ended_at = @now, pending = 1 where advertisement_id = @id", new { id, now = Times.Of(now) }, transaction);
}
