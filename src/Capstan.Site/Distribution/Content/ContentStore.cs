using System.Data.Common;
using Capstan.Protocol.Content;
using Capstan.Site.Store;
using Dapper;
using static System.FormattableString;

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
    /// <summary>Rows of one statement: a statement costs more than the row that it finds or writes, and each parameter is looked for among all.</summary>
    private const int RowsFound = 48, RowsWritten = 12;

    /// <summary>Where each of these chunks lies; null for one that is in no pack.</summary>
    public Task<IReadOnlyList<KnownChunk?>> FindAsync(IReadOnlyList<ContentHash> hashes, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<KnownChunk?>>(async connection =>
    {
        await using var command = connection.CreateCommand();
        var wanted = Enumerable.Range(0, RowsFound).Select(row => Add(command, Invariant($"@hash{row}"))).ToList();
        command.CommandText = $"select hash, pack, offset_bytes, stored_bytes, length_bytes from content_chunk where hash in ({string.Join(',', wanted.Select(hash => hash.ParameterName))})";
        var found = new Dictionary<ContentHash, KnownChunk>();
        foreach (var part in hashes.Chunk(RowsFound))
        {
            // What is missing to a full statement is asked for twice.
            foreach (var (row, hash) in wanted.Index())
                hash.Value = part[Math.Min(row, part.Length - 1)].ToArray();
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                var hash = new ContentHash(reader.GetFieldValue<byte[]>(0));
                found[hash] = new KnownChunk(reader.GetInt64(1), reader.GetInt32(2), new StoredChunk(reader.GetInt32(3), reader.GetInt32(4), hash));
            }
        }
        return [.. hashes.Select(hash => found.GetValueOrDefault(hash))];
    }, cancellationToken);

    public Task<PackRow> PackAsync(long number, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleAsync<PackRow>("select number, sha256, length_bytes, unused_since from content_pack where number = @number", new { number }), cancellationToken);

    /// <summary>A pack is complete on the disk: its chunks are found there from now on. Unused, until a version names it.</summary>
    public Task AddPackAsync(ContentHash pack, int lengthBytes, IReadOnlyCollection<ChunkPlace> chunks, CancellationToken cancellationToken) => database.WriteAsync(async transaction =>
    {
        var number = await transaction.Connection!.ExecuteScalarAsync<long>(
            """
            insert into content_pack (number, sha256, length_bytes, added_at, unused_since)
            values ((select coalesce(max(number), 0) + 1 from content_pack), @sha256, @lengthBytes, @now, @now)
            on conflict (sha256) do update set unused_since = case when content_pack.unused_since is null then null else excluded.unused_since end
            returning number
            """, new { sha256 = pack.ToString(), lengthBytes, now = Times.Of(time.GetUtcNow()) }, transaction);
        DbCommand? command = null;
        try
        {
            foreach (var part in chunks.Chunk(RowsWritten))
            {
                if (command?.Parameters.Count != 1 + 4 * part.Length)
                {
                    if (command is not null)
                        await command.DisposeAsync();
                    command = InsertChunks(transaction, number, part.Length);
                }
                var parameter = 1;
                foreach (var place in part)
                {
                    command.Parameters[parameter++].Value = place.Chunk.Hash.ToArray();
                    command.Parameters[parameter++].Value = place.Offset;
                    command.Parameters[parameter++].Value = place.Chunk.StoredBytes;
                    command.Parameters[parameter++].Value = place.Chunk.LengthBytes;
                }
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        }
        finally
        {
            if (command is not null)
                await command.DisposeAsync();
        }
    }, cancellationToken);

    /// <summary>The chunks that are looked for in a pack, by their place in it: all of it, but for those that were stored anew elsewhere.</summary>
    public Task<IReadOnlyList<(int Offset, StoredChunk Chunk)>> ChunksOfAsync(long number, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<(int, StoredChunk)>>(async connection =>
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "select hash, offset_bytes, stored_bytes, length_bytes from content_chunk where pack = @pack order by offset_bytes";
        Add(command, "@pack").Value = number;
        var found = new List<(int, StoredChunk)>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            found.Add((reader.GetInt32(1), new StoredChunk(reader.GetInt32(2), reader.GetInt32(3), new ContentHash((byte[])reader[0]))));
        return found;
    }, cancellationToken);

    /// <summary>Signed manifests of the versions that name a pack, the newest first; of several with one list only one.</summary>
    public Task<IReadOnlyList<byte[]>> ManifestsOfAsync(long number, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<byte[]>>(async connection => [.. (await connection.QueryAsync<(string Tree, byte[] Manifest)>(
        "select v.tree_sha256, v.manifest from version_pack p join content_version v on v.package_id = p.package_id and v.version = p.version where p.pack = @number order by v.added_at desc", new { number })).DistinctBy(row => row.Tree, StringComparer.Ordinal).Select(row => row.Manifest)], cancellationToken);

    /// <summary>All packs, those included that no version names.</summary>
    public Task<IReadOnlyList<PackRow>> PacksAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<PackRow>>(
        async connection => [.. await connection.QueryAsync<PackRow>("select number, sha256, length_bytes, unused_since from content_pack order by number")], cancellationToken);

    /// <summary>Those that a version names.</summary>
    public static async Task<IReadOnlyList<PackRow>> PacksOfAsync(DbTransaction transaction, string packageId, long version) => [.. await transaction.Connection!.QueryAsync<PackRow>(
        "select p.number, p.sha256, p.length_bytes, p.unused_since from version_pack v join content_pack p on p.number = v.pack where v.package_id = @packageId and v.version = @version", new { packageId, version }, transaction)];

    /// <summary>Those that a version names.</summary>
    public Task<IReadOnlyList<PackRow>> PacksOfAsync(string packageId, long version, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<PackRow>>(async connection => [.. await connection.QueryAsync<PackRow>(
        "select p.number, p.sha256, p.length_bytes, p.unused_since from version_pack v join content_pack p on p.number = v.pack where v.package_id = @packageId and v.version = @version", new { packageId, version })], cancellationToken);

    /// <summary>Versions that wait for a CAP that has all of their packs.</summary>
    public Task<IReadOnlyList<(string PackageId, long Version)>> WaitingAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<(string, long)>>(
        async connection => [.. await connection.QueryAsync<(string, long)>("select package_id, version from content_waiting order by since")], cancellationToken);

    /// <summary>They wait no longer.</summary>
    public static Task ReadyAsync(DbTransaction transaction, IEnumerable<(string PackageId, long Version)> versions) => transaction.Connection!.ExecuteAsync(
        "delete from content_waiting where package_id = @PackageId and version = @Version", versions.Select(version => new { version.PackageId, version.Version }), transaction);

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

    private static DbCommand InsertChunks(DbTransaction transaction, long pack, int rows)
    {
        var command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
        Add(command, "@pack").Value = pack;
        var values = Enumerable.Range(0, rows).Select(row =>
            $"({Add(command, Invariant($"@hash{row}")).ParameterName}, @pack, {Add(command, Invariant($"@offset{row}")).ParameterName}, {Add(command, Invariant($"@stored{row}")).ParameterName}, {Add(command, Invariant($"@length{row}")).ParameterName})");
        // One that lay elsewhere lay in a pack that is damaged, or is the tree's and was wanted in one piece: otherwise it would not have been stored again.
        command.CommandText =
            $"""
            insert into content_chunk (hash, pack, offset_bytes, stored_bytes, length_bytes) values {string.Join(',', values)}
            on conflict (hash) do update set pack = excluded.pack, offset_bytes = excluded.offset_bytes, stored_bytes = excluded.stored_bytes
            """;
        return command;
    }

    private static DbParameter Add(DbCommand command, string name)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        command.Parameters.Add(parameter);
        return parameter;
    }
}
