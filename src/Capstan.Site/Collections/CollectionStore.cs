using System.Data.Common;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Collections;

/// <summary>A collection as the store has it.</summary>
/// <param name="Query">Null for static members only.</param>
/// <param name="Error">Why the last evaluation failed; null when it did not.</param>
/// <param name="Members">How many it has.</param>
/// <param name="Came">Clients that came by the query alone since <paramref name="CameSince"/> while something was offered to it: see <see cref="CollectionHold"/>.</param>
/// <param name="HeldSince">Since when its members stay until somebody confirms; null for not. <paramref name="HeldComing"/> and <paramref name="HeldRemovals"/> are those of the hold.</param>
internal sealed record CollectionRow(long CollectionId, string Name, string? Query, long Priority, long BuiltIn, long AddedAt, long? EvaluatedAt, string? Error, long Members, long Came, long CameSince,
    long? HeldSince, long HeldComing, long HeldRemovals)
{
    public bool IsBuiltIn => BuiltIn != 0;
}

/// <summary>Why a device is a member.</summary>
[Flags]
internal enum MemberWhy
{
    None = 0,
    Name = 1,
    Query = 2,
}

/// <summary>A device as lists of members show it.</summary>
internal sealed record MemberRow(long Number, string DeviceId, string HostName, string? OperatingSystem, long? LastSeen, long Why);

/// <summary>Collections, whom they name, and who is in them.</summary>
internal sealed class CollectionStore(SiteDatabase database)
{
    /// <summary>Of two that set the same the later one counts: what is built in is the weakest, then priority decides, then the name, in any case of its letters.</summary>
    public const string WeakestFirst = "built_in desc, priority, name_key";

    /// <summary>The other way round, of a table named <c>c</c>.</summary>
    private const string StrongestFirst = "c.built_in, c.priority desc, c.name_key desc";

    private const string Columns = "collection_id, name, query, priority, built_in, added_at, evaluated_at, error, members, came, came_since, held_since, held_coming, held_removals";

    public Task<IReadOnlyList<CollectionRow>> ListAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<CollectionRow>>(async connection =>
        [.. await connection.QueryAsync<CollectionRow>($"select {Columns} from collection order by built_in desc, case when built_in = 1 then collection_id end, priority desc, name_key desc")], cancellationToken);

    public Task<CollectionRow?> FindAsync(string name, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<CollectionRow>($"select {Columns} from collection where name_key = @key", new { key = Folding.Value(name) }), cancellationToken);

    public static Task<CollectionRow?> FindAsync(DbTransaction transaction, string name) => transaction.Connection!.QuerySingleOrDefaultAsync<CollectionRow>(
        $"select {Columns} from collection where name_key = @key", new { key = Folding.Value(name) }, transaction);

    public static Task<CollectionRow?> FindAsync(DbTransaction transaction, long id) => transaction.Connection!.QuerySingleOrDefaultAsync<CollectionRow>(
        $"select {Columns} from collection where collection_id = @id", new { id }, transaction);

    public static async Task<IReadOnlyList<CollectionRow>> AllAsync(DbConnection connection, DbTransaction? transaction) =>
        [.. await connection.QueryAsync<CollectionRow>($"select {Columns} from collection order by collection_id", null, transaction)];

    public static Task<int> CountAsync(DbTransaction transaction) => transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from collection", null, transaction);

    public static Task<long> AddAsync(DbTransaction transaction, string name, string? query, long priority, DateTimeOffset now) => transaction.Connection!.ExecuteScalarAsync<long>(
        """
        insert into collection (collection_id, name, name_key, query, priority, built_in, added_at)
        select coalesce(max(collection_id), 0) + 1, @name, @key, @query, @priority, 0, @now from collection
        returning collection_id
        """, new { name, key = Folding.Value(name), query, priority, now = Times.Of(now) }, transaction);

    public static Task ChangeAsync(DbTransaction transaction, long id, string? query, long priority) => transaction.Connection!.ExecuteAsync(
        "update collection set query = @query, priority = @priority where collection_id = @id", new { id, query, priority }, transaction);

    /// <summary>Takes a collection away with its members and all that is set for it.</summary>
    public static async Task RemoveAsync(DbTransaction transaction, CollectionRow row)
    {
        await transaction.Connection!.ExecuteAsync("delete from client_setting where scope = @scope", new { scope = Publish.Settings.SettingScope.OfCollection(row.Name) }, transaction);
        foreach (var table in new[] { "collection_static", "collection_member", "collection" })
            await transaction.Connection!.ExecuteAsync($"delete from {table} where collection_id = @CollectionId", new { row.CollectionId }, transaction);
    }

    public static Task AddStaticAsync(DbTransaction transaction, long id, string deviceId) => transaction.RunAsync(
        "insert into collection_static (collection_id, device_id) values (@id, @deviceId) on conflict (collection_id, device_id) do nothing", ("@id", id), ("@deviceId", deviceId));

    /// <summary>False when it was none by name.</summary>
    public static async Task<bool> DropStaticAsync(DbTransaction transaction, long id, string deviceId) =>
        await transaction.RunAsync("delete from collection_static where collection_id = @id and device_id = @deviceId", ("@id", id), ("@deviceId", deviceId)) == 1;

    /// <summary>One page of the members, by host name.</summary>
    public Task<IReadOnlyList<MemberRow>> MembersAsync(long id, int offset, int limit, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<MemberRow>>(
        async connection => [.. await connection.QueryAsync<MemberRow>(
            """
            select d.number, d.device_id, d.host_name, d.operating_system, d.last_seen, m.why from collection_member m join device d on d.number = m.device_number
            where m.collection_id = @id order by lower(d.host_name), d.device_id limit @limit offset @offset
            """, new { id, limit, offset })], cancellationToken);

    /// <summary>Collections of a device, the strongest first.</summary>
    public Task<IReadOnlyList<(string Name, string? Query, MemberWhy Why)>> OfDeviceAsync(string deviceId, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<(string, string?, MemberWhy)>>(
        async connection => [.. (await connection.QueryAsync<(string Name, string? Query, long Why)>(
            $"""
            select c.name, c.query, m.why from collection_member m join collection c on c.collection_id = m.collection_id join device d on d.number = m.device_number
            where d.device_id = @deviceId order by {StrongestFirst}
            """, new { deviceId })).Select(row => (row.Name, row.Query, (MemberWhy)row.Why))], cancellationToken);

    /// <summary>Approved devices that a condition selects, by number.</summary>
    /// <param name="now">See <see cref="ReadUntilAsync"/>.</param>
    /// <param name="only">Numbers of the devices that are asked about, at most <see cref="DeviceFacts.Page"/>; null for all.</param>
    public static async Task<IReadOnlySet<long>> SelectAsync(DbConnection connection, DbTransaction? transaction, QuerySql query, DateTimeOffset now, IReadOnlyCollection<long>? only = null)
    {
        var parameters = new DynamicParameters(query.Parameters.ToDictionary(pair => pair.Key, object? (pair) => pair.Value, StringComparer.Ordinal));
        parameters.Add("@now", Times.Of(now));
        if (only is not null)
            parameters.Add("only", only);
        return (await connection.QueryAsync<long>(
            $"select d.number from device d join device_fact f on f.device_number = d.number where d.state = 'approved'{(only is null ? "" : " and d.number in @only")} and {query.Condition}", parameters, transaction)).ToHashSet();
    }

    /// <summary>Up to when the site knows what devices have sent: the oldest last look into the inbox of a CAP, at most <paramref name="now"/>.</summary>
    /// <remarks>A site that was off for a month has not heard of anybody: that makes nobody silent.</remarks>
    public static async Task<DateTimeOffset> ReadUntilAsync(DbConnection connection, DbTransaction? transaction, DateTimeOffset now) =>
        await connection.ExecuteScalarAsync<long?>("select min(last_drained) from cap", null, transaction) is { } oldest && oldest < Times.Of(now) ? Times.At(oldest) : now;

    /// <summary>What a query selects now, against the last refresh of the facts; who is in a collection, to compare; and whom it names.</summary>
    /// <param name="until">Ends the query where it is.</param>
    /// <exception cref="OperationCanceledException">With <paramref name="until"/>.</exception>
    public Task<(IReadOnlySet<long> Selected, IReadOnlySet<long> Members, IReadOnlySet<long> Named)> PreviewAsync(QuerySql? query, long? collection, DateTimeOffset now, CancellationToken until) =>
        database.ReadAsync<(IReadOnlySet<long>, IReadOnlySet<long>, IReadOnlySet<long>)>(async connection =>
        {
            using var ends = Dialect.Interrupts(connection, until);
            try
            {
                return (
                    query is null ? new HashSet<long>() : await SelectAsync(connection, null, query, await ReadUntilAsync(connection, null, now)),
                    (await connection.QueryAsync<long>("select device_number from collection_member where collection_id = @collection", new { collection = collection ?? 0 })).ToHashSet(),
                    await StaticAsync(connection, null, collection ?? 0));
            }
            catch (DbException) when (until.IsCancellationRequested)
            {
                throw new OperationCanceledException(until);
            }
        }, until);

    /// <summary>Devices by number, by host name; at most 1,000.</summary>
    public Task<IReadOnlyList<MemberRow>> DevicesAsync(IEnumerable<long> numbers, int limit, CancellationToken cancellationToken)
    {
        var some = numbers.Order().ToList();
        return some.Count == 0 ? Task.FromResult<IReadOnlyList<MemberRow>>([]) : database.ReadAsync<IReadOnlyList<MemberRow>>(async connection =>
        {
            var rows = new List<MemberRow>();
            foreach (var chunk in some.Chunk(500))
                rows.AddRange(await connection.QueryAsync<MemberRow>("select number, device_id, host_name, operating_system, last_seen, 0 as why from device where number in @chunk", new { chunk }));
            return [.. rows.OrderBy(row => row.HostName, StringComparer.OrdinalIgnoreCase).ThenBy(row => row.DeviceId, StringComparer.Ordinal).Take(limit)];
        }, cancellationToken);
    }

    public static async Task<IReadOnlyDictionary<long, MemberWhy>> MembershipAsync(DbConnection connection, DbTransaction? transaction, long id) =>
        (await connection.QueryAsync<(long Number, long Why)>("select device_number, why from collection_member where collection_id = @id", new { id }, transaction)).ToDictionary(row => row.Number, row => (MemberWhy)row.Why);

    public static async Task<IReadOnlySet<long>> MembersAsync(DbTransaction transaction, long id) =>
        (await transaction.Connection!.QueryAsync<long>("select device_number from collection_member where collection_id = @id", new { id }, transaction)).ToHashSet();

    /// <summary>Approved devices that a collection names.</summary>
    public static async Task<IReadOnlySet<long>> StaticAsync(DbConnection connection, DbTransaction? transaction, long id) => (await connection.QueryAsync<long>(
        "select d.number from collection_static s join device d on d.device_id = s.device_id where s.collection_id = @id and d.state = 'approved'", new { id }, transaction)).ToHashSet();

    public static async Task<IReadOnlySet<long>> ApprovedAsync(DbConnection connection, DbTransaction? transaction) =>
        (await connection.QueryAsync<long>("select number from device where state = 'approved'", null, transaction)).ToHashSet();

    /// <summary>How many of some devices were clients before a time.</summary>
    public static async Task<int> OlderAsync(DbTransaction transaction, IEnumerable<long> numbers, DateTimeOffset than)
    {
        var older = 0;
        foreach (var chunk in numbers.Chunk(DeviceFacts.Page))
            older += await transaction.Connection!.ExecuteScalarAsync<int>("select count(*) from device where number in @chunk and coalesce(approved_at, 0) < @than", new { chunk, than = Times.Of(than) }, transaction);
        return older;
    }

    public static Task SaveMemberAsync(DbTransaction transaction, long id, long number, MemberWhy why) => why == MemberWhy.None
        ? transaction.RunAsync("delete from collection_member where collection_id = @id and device_number = @number", ("@id", id), ("@number", number))
        : transaction.RunAsync(
            "insert into collection_member (collection_id, device_number, why) values (@id, @number, @why) on conflict (collection_id, device_number) do update set why = excluded.why",
            ("@id", id), ("@number", number), ("@why", (long)why));

    /// <summary>Writes down what an evaluation found.</summary>
    public static Task EvaluatedAsync(DbTransaction transaction, CollectionRow row, long? evaluatedAt) => transaction.Connection!.ExecuteAsync(
        """
        update collection set evaluated_at = @evaluatedAt, error = @Error, members = @Members, came = @Came, came_since = @CameSince, held_since = @HeldSince, held_coming = @HeldComing, held_removals = @HeldRemovals
        where collection_id = @CollectionId
        """, new { evaluatedAt, row.Error, row.Members, row.Came, row.CameSince, row.HeldSince, row.HeldComing, row.HeldRemovals, row.CollectionId }, transaction);

    /// <summary>Counts the members of one anew.</summary>
    public static Task CountedAsync(DbTransaction transaction, long id) =>
        transaction.Connection!.ExecuteAsync("update collection set members = (select count(*) from collection_member m where m.collection_id = collection.collection_id) where collection_id = @id", new { id }, transaction);

    /// <summary>Some were looked at, and are what they were.</summary>
    public static async Task StillAsync(DbTransaction transaction, IReadOnlyCollection<long> ids, DateTimeOffset now)
    {
        if (ids.Count > 0)
            await transaction.Connection!.ExecuteAsync("update collection set evaluated_at = @now where collection_id in @ids", new { now = Times.Of(now), ids }, transaction);
    }
}
