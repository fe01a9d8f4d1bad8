using System.Data.Common;
using Capstan.Protocol.Content;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Content;

/// <summary>A chunk that is in a pack.</summary>
/// <param name="Pack">Number of the pack in the store.</param>
/// <param name="Offset">In the pack, in bytes.</param>
/// <param name="Chunk">The chunk.</param>
internal sealed record KnownChunk(long Pack, int Offset, StoredChunk Chunk);

/// <summary>One pack.</summary>
/// <param name="UnusedSince">Since when no version names it; null while one does.</param>
internal sealed record PackRow(long Number, string Sha256, long LengthBytes, long? UnusedSince)
{
    public ContentHash Name => ContentHash.Parse(Sha256);
}

/// <summary>Which packs the site has, and which chunk lies where.</summary>
internal sealed class ContentStore(SiteDatabase database, TimeProvider time)
{
    /// <summary>Where each of these chunks lies; null for one that is in no pack.</summary>
    public Task<IReadOnlyList<KnownChunk?>> FindAsync(IEnumerable<ContentHash> hashes, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<KnownChunk?>>(async connection =>
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "select pack, offset_bytes, stored_bytes, length_bytes from content_chunk where hash = @hash";
        var hash = Add(command, "@hash");
        var found = new List<KnownChunk?>();
        foreach (var wanted in hashes)
        {
            hash.Value = wanted.ToArray();
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            found.Add(await reader.ReadAsync(cancellationToken)
                ? new KnownChunk(reader.GetInt64(0), reader.GetInt32(1), new StoredChunk(reader.GetInt32(2), reader.GetInt32(3), wanted))
                : null);
        }
        return found;
    }, cancellationToken);

    public Task<(ContentHash Name, long LengthBytes)> PackAsync(long number, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
    {
        var (sha256, length) = await connection.QuerySingleAsync<(string, long)>("select sha256, length_bytes from content_pack where number = @number", new { number });
        return (ContentHash.Parse(sha256), length);
    }, cancellationToken);

    /// <summary>A pack is complete on the disk: its chunks are found there from now on. Unused, until a version names it.</summary>
    public Task AddPackAsync(ContentHash pack, int lengthBytes, IReadOnlyList<(StoredChunk Chunk, int Offset)> chunks, CancellationToken cancellationToken) => database.WriteAsync(async transaction =>
    {
        var number = await transaction.Connection!.ExecuteScalarAsync<long>(
            """
            insert into content_pack (number, sha256, length_bytes, added_at, unused_since)
            values ((select coalesce(max(number), 0) + 1 from content_pack), @sha256, @lengthBytes, @now, @now)
            on conflict (sha256) do update set unused_since = case when content_pack.unused_since is null then null else excluded.unused_since end
            returning number
            """, new { sha256 = pack.ToString(), lengthBytes, now = Times.Of(time.GetUtcNow()) }, transaction);
        await using var command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
        // One that lay elsewhere lay in a pack that is damaged: otherwise it would not have been stored again.
        command.CommandText =
            """
            insert into content_chunk (hash, pack, offset_bytes, stored_bytes, length_bytes) values (@hash, @pack, @offset, @stored, @length)
            on conflict (hash) do update set pack = excluded.pack, offset_bytes = excluded.offset_bytes, stored_bytes = excluded.stored_bytes
            """;
        Add(command, "@pack").Value = number;
        var (hash, offset, stored, length) = (Add(command, "@hash"), Add(command, "@offset"), Add(command, "@stored"), Add(command, "@length"));
        foreach (var (chunk, place) in chunks)
        {
            (hash.Value, offset.Value, stored.Value, length.Value) = (chunk.Hash.ToArray(), place, chunk.StoredBytes, chunk.LengthBytes);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }, cancellationToken);

    /// <summary>All packs, those included that no version names.</summary>
    public Task<IReadOnlyList<PackRow>> PacksAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<PackRow>>(
        async connection => [.. await connection.QueryAsync<PackRow>("select number, sha256, length_bytes, unused_since from content_pack order by number")], cancellationToken);

    /// <summary>Within the transaction that adds a version: it names these packs.</summary>
    public static async Task UseAsync(DbTransaction transaction, string packageId, long version, IEnumerable<ContentHash> packs)
    {
        var rows = packs.Select(pack => new { packageId, version, sha256 = pack.ToString() }).ToList();
        await transaction.Connection!.ExecuteAsync(
            "insert into version_pack (package_id, version, pack) select @packageId, @version, number from content_pack where sha256 = @sha256", rows, transaction);
        await transaction.Connection!.ExecuteAsync("update content_pack set unused_since = null where sha256 = @sha256", rows, transaction);
    }

    /// <summary>Within the transaction that removed versions: what no version names any more is unused from now on.</summary>
    public Task ReleaseAsync(DbTransaction transaction) => transaction.Connection!.ExecuteAsync(
        "update content_pack set unused_since = @now where unused_since is null and not exists (select 1 from version_pack where pack = number)",
        new { now = Times.Of(time.GetUtcNow()) }, transaction);

    /// <summary>Forgets the chunks of packs that were unused before a time: from now on nothing new refers to them. The rows of the packs stay for CAPs that still have them.</summary>
    /// <returns>The packs.</returns>
    public Task<IReadOnlyList<PackRow>> ForgetChunksAsync(DateTimeOffset before, CancellationToken cancellationToken) => database.WriteAsync<IReadOnlyList<PackRow>>(async transaction =>
    {
        var connection = transaction.Connection!;
        var unused = (await connection.QueryAsync<PackRow>(
            "select number, sha256, length_bytes, unused_since from content_pack where unused_since < @before", new { before = Times.Of(before) }, transaction)).ToList();
        if (unused.Count > 0)
            await connection.ExecuteAsync("delete from content_chunk where pack in (select number from content_pack where unused_since < @before)", new { before = Times.Of(before) }, transaction);
        return unused;
    }, cancellationToken);

    /// <summary>Forgets packs that nobody has any more.</summary>
    public Task ForgetPacksAsync(DateTimeOffset before, CancellationToken cancellationToken) => database.WriteAsync(transaction =>
        transaction.Connection!.ExecuteAsync("delete from content_pack where unused_since < @before", new { before = Times.Of(before) }, transaction), cancellationToken);

    private static DbParameter Add(DbCommand command, string name)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        command.Parameters.Add(parameter);
        return parameter;
    }
}
