using System.Data.Common;
using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>A program as the store has it.</summary>
internal sealed record ProgramRow(string PackageId, string Name, string Rules, string? FirstPackage, string? FirstName, long CreatedAt, long ChangedAt)
{
    public ProgramRules Read() => JsonSerializer.Deserialize(Rules, StoreJson.Default.ProgramRules)!;
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
    private const string Advertisements =
        "select advertisement_id, name, package_id, program_key, package_version, collection_id, document, revision, state, expires_at, halt_at, counts_from, created_at, changed_at, ended_at from advertisement";

    public Task<IReadOnlyList<ProgramRow>> ProgramsAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<ProgramRow>>(
        async connection => [.. await connection.QueryAsync<ProgramRow>(Programs + " order by package_id, name_key")], cancellationToken);

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

    /// <summary>The newest first; those that were removed are left out.</summary>
    public Task<IReadOnlyList<AdvertisementRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<AdvertisementRow>>(
        async connection => [.. await connection.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null order by created_at desc, advertisement_id")], cancellationToken);

    public static async Task<IReadOnlyList<AdvertisementRow>> ActiveAsync(DbTransaction transaction) =>
        [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null", null, transaction)];

    /// <summary>Also one that was removed.</summary>
    public Task<AdvertisementRow?> FindAsync(string id, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<AdvertisementRow>(Advertisements + " where advertisement_id = @id", new { id }), cancellationToken);

    public static Task<AdvertisementRow?> FindAsync(DbTransaction transaction, string id) => transaction.Connection!.QuerySingleOrDefaultAsync<AdvertisementRow>(
        Advertisements + " where advertisement_id = @id and ended_at is null", new { id }, transaction);

    /// <summary>Those of a program that go on.</summary>
    public static async Task<IReadOnlyList<AdvertisementRow>> OfProgramAsync(DbTransaction transaction, string packageId, string name) => [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(
        Advertisements + " where ended_at is null and state <> 'ended' and package_id = @packageId and program_key = @key", new { packageId, key = Folding.Value(name) }, transaction)];

    public static async Task<IReadOnlyList<string>> OfCollectionAsync(DbTransaction transaction, long collectionId) => [.. await transaction.Connection!.QueryAsync<string>(
        "select advertisement_id from advertisement where ended_at is null and collection_id = @collectionId order by advertisement_id", new { collectionId }, transaction)];

    public static async Task<IReadOnlyList<AdvertisementRow>> RowsOfCollectionAsync(DbTransaction transaction, long collectionId) =>
        [.. await transaction.Connection!.QueryAsync<AdvertisementRow>(Advertisements + " where ended_at is null and collection_id = @collectionId", new { collectionId }, transaction)];

    public static Task<int> CountAsync(DbTransaction transaction) => transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from advertisement where ended_at is null", null, transaction);

    /// <summary>Writes an advertisement down with the document that is to be signed.</summary>
    public static Task SaveAsync(DbTransaction transaction, Advertisement document, string packageId, long? packageVersion, long collectionId, int? haltAt, DateTimeOffset countsFrom, DateTimeOffset now, bool isEnded = false) => transaction.Connection!.ExecuteAsync(
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

    public static Task EndAsync(DbTransaction transaction, string id, DateTimeOffset now) =>
        transaction.Connection!.ExecuteAsync("update advertisement set ended_at = @now, pending = 1 where advertisement_id = @id", new { id, now = Times.Of(now) }, transaction);
}
