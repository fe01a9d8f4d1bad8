using System.Text;
using Capstan.Client.State;
using Capstan.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.Spool;

/// <summary>A signed record that waits for the site's acknowledgement.</summary>
/// <param name="Attempts">How often it was written to a CAP; 0 for never.</param>
/// <param name="WrittenAt">By the wall clock of then: a hint.</param>
internal sealed record SpooledRecord(long Sequence, string Jws, string Hash, long Epoch, string Recipient, IReadOnlySet<string> Kinds, int Attempts, DateTimeOffset? WrittenAt)
{
    /// <summary>Places and hashes under which it was written before it was signed again, as <see cref="Place"/>.</summary>
    public IReadOnlyList<string> Former { get; init; } = [];

    public bool IsRequest => Kinds.Contains(ItemKind.ConfigurationRequest);

    /// <summary>Whether a site that has this record at this place has these items: as it is signed now, or as it was.</summary>
    public bool Is(long sequence, string hash) => (Sequence == sequence && Hash == hash) || Former.Contains(Place(sequence, hash), StringComparer.Ordinal);

    public static string Place(long sequence, string hash) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{sequence}:{hash}");
}

/// <summary>What waits for a record: the newest of a kind and code.</summary>
internal sealed record SpooledItem(string Kind, string Code, string Body, int Count);

/// <summary>
/// Items wait here, coalesced, until they become one signed record; records wait here until the site acknowledges them. A record is signed and
/// stored once, in the transaction that takes its items and its sequence, so that a crash anywhere resends the same bytes.
/// </summary>
internal sealed class RecordSpool(ClientDatabase database)
{
    /// <summary>Records that may be unacknowledged; beyond it items stay, coalescing.</summary>
    public const int MaxRecords = 16;
    /// <summary>Characters of unacknowledged records, 4 MB: at or beyond it no record is added. The last one may exceed it, since one inventory may.</summary>
    public const long MaxBytes = 4_000_000;

    /// <summary>Replaces the waiting item of the same kind.</summary>
    /// <param name="fingerprint">Remembered with it, so that an unchanged inventory is not sent again; null for none.</param>
    public void Put(string kind, ReadOnlySpan<byte> document, string? fingerprint = null, Urgency urgency = Urgency.AtOnce)
    {
        var body = Encoding.UTF8.GetString(document);
        database.Write(connection =>
        {
            PutItem(connection, kind, "", body, urgency);
            if (fingerprint is not null)
                ClientState.Put(connection, StateKey.Fingerprint(kind), fingerprint);
        });
    }

    /// <summary>Changes the waiting item of a kind that has one at most, as long as it is not signed.</summary>
    /// <returns>False when none waits.</returns>
    public bool Amend<T>(DocumentKind<T> kind, Func<T, T> change) where T : class
    {
        var waits = false;
        database.Write(connection =>
        {
            if (Body(connection, kind.Name) is not { } waiting)
                return;
            waits = true;
            var body = Encoding.UTF8.GetString(kind.Encode(change(kind.Decode(Encoding.UTF8.GetBytes(waiting)))));
            connection.Execute("update item set body = $body where kind = $kind and code = ''", ("$body", body), ("$kind", kind.Name));
        });
        return waits;
    }

    /// <summary>Puts the answer to an order in, and notes in the same transaction that it was followed.</summary>
    public void PutAnswer(string kind, ReadOnlySpan<byte> document, string orderKey, long order)
    {
        var body = Encoding.UTF8.GetString(document);
        database.Write(connection =>
        {
            PutItem(connection, kind, "", body, Urgency.AtOnce);
            ClientState.Put(connection, orderKey, order);
        });
    }

    /// <summary>Puts the configuration request in and notes, in the same transaction, that it was made.</summary>
    public void PutRequest(ConfigurationRequest request) => database.Write(connection =>
    {
        PutItem(connection, ItemKind.ConfigurationRequest, "", Encoding.UTF8.GetString(Documents.ConfigurationRequest.Encode(request)), Urgency.AtOnce);
        ClientState.Put(connection, StateKey.RequestWanted, null);
    });

    /// <summary>Takes a configuration request out, inside another transaction: the site has answered.</summary>
    public static void DropRequest(SqliteConnection connection) =>
        connection.Execute("delete from item where kind = $kind", ("$kind", ItemKind.ConfigurationRequest));

    /// <summary>Adds a status message: the same component and code again raises the count. A text that was reported last is quiet.</summary>
    public void PutStatus(StatusMessage message, Urgency urgency) => database.Write(connection =>
    {
        var key = StateKey.Reported(message.Component, message.Code);
        var known = connection.Scalar("select value from state where name = $name", ("$name", key)) as string;
        PutItem(connection, ItemKind.Status, $"{message.Component}/{message.Code}",
            Encoding.UTF8.GetString(Documents.StatusMessage.Encode(message)), string.Equals(known, message.Text, StringComparison.Ordinal) ? Urgency.Quiet : urgency);
        ClientState.Put(connection, key, message.Text);
    });

    /// <summary>Replaces the waiting item of the same kind inside another transaction; it goes with the next record that is made.</summary>
    public static void PutQuietly(SqliteConnection connection, string kind, string body) => PutItem(connection, kind, "", body, Urgency.Quiet);

    /// <summary>The waiting item of a kind that has one at most; null for none.</summary>
    public static string? Body(SqliteConnection connection, string kind) =>
        (string?)connection.Scalar("select body from item where kind = $kind and code = ''", ("$kind", kind));

    /// <summary>Whether a condition was told, and is not over.</summary>
    public bool Lasts(string component, string code) => database.Read(connection =>
        connection.Scalar("select value from state where name = $name", ("$name", StateKey.Reported(component, code))) is string);

    /// <summary>The condition is over: when it comes again, it is news.</summary>
    public void Over(string component, string code) =>
        database.Write(connection => ClientState.Put(connection, StateKey.Reported(component, code), null));

    /// <summary>This client stays after all: a last word that is not in a record goes, and one that is, is followed by a heartbeat, which takes it back.</summary>
    /// <returns>False when it never said one.</returns>
    public bool WithdrawDeparture()
    {
        var isSaid = false;
        database.Write(connection =>
        {
            var waited = connection.Execute("delete from item where kind = $kind", ("$kind", ItemKind.Departure)) > 0;
            var told = connection.Execute("delete from state where name = $name", ("$name", StateKey.Departed)) > 0;
            if (told)
                ClientState.ClearMoment(connection, MomentName.Heartbeat);
            isSaid = waited || told;
        });
        return isSaid;
    }

    public IReadOnlyList<SpooledItem> Items() => database.Read(connection => connection.Query(
        // Requests and facts before messages about them.
        "select kind, code, body, count from item order by case kind when 'configuration-request' then 0 when 'heartbeat' then 1 when 'status' then 3 else 2 end, kind, code",
        row => new SpooledItem(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt32(3))));

    /// <summary>Whether an approved client has something to send at once. A request is none: the site has answered it.</summary>
    public bool UrgentItems() => database.Read(connection =>
        connection.Scalar("select 1 from item where urgent = 1 and kind <> $kind limit 1", ("$kind", ItemKind.ConfigurationRequest)) is not null);

    /// <summary>Whether an approved client that is at a CAP has something to send there.</summary>
    public bool HasNews() => database.Read(connection =>
        connection.Scalar("select 1 from item where urgent > 0 and kind <> $kind limit 1", ("$kind", ItemKind.ConfigurationRequest)) is not null);

    public IReadOnlyList<SpooledRecord> Records() => database.Read(connection => connection.Query(
        "select sequence, jws, hash, epoch, recipient, kinds, attempts, written_at, former from record order by sequence",
        row => new SpooledRecord(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetInt64(3), row.GetString(4),
            row.GetString(5).Split(',').ToHashSet(StringComparer.Ordinal), row.GetInt32(6),
            row.IsDBNull(7) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(7)))
        {
            Former = row.GetString(8).Split(' ', StringSplitOptions.RemoveEmptyEntries),
        }));

    /// <summary>How many items and records wait.</summary>
    public int Count() => database.Read(connection => (int)(long)connection.Scalar("select (select count(*) from item) + (select count(*) from record)")!);

    /// <summary>Whether the chain was last brought up to another epoch of the site. False for a client that has made no record.</summary>
    public bool IsBehind(long epoch) => database.Read(connection =>
        (connection.Scalar("select epoch from record order by sequence desc limit 1")
            ?? connection.Scalar("select cast(value as integer) from state where name = $name", ("$name", StateKey.ReceiptsEpoch))) is long last && last != epoch);

    /// <summary>Whether a configuration request waits, as an item or in a record.</summary>
    public bool HasRequest() => Items().Any(item => item.Kind == ItemKind.ConfigurationRequest) || Records().Any(record => record.IsRequest);

    public bool HasUnacknowledged() => database.Read(connection => connection.Scalar("select 1 from record where attempts > 0 limit 1") is not null);

    /// <summary>Whether another record may be made now.</summary>
    /// <param name="maxBytes">At most <see cref="MaxBytes"/>.</param>
    public bool HasRoom(long maxBytes) => database.Read(connection =>
        (long)connection.Scalar("select count(*) from record")! < MaxRecords
        && (long)connection.Scalar("select coalesce(sum(length(jws)), 0) from record")! < Math.Min(maxBytes, MaxBytes));

    /// <summary>Stores a new record, takes its items out and moves the chain: one transaction.</summary>
    public void Store(SpooledRecord record, IReadOnlyList<SpooledItem> taken) => database.Write(connection =>
    {
        Insert(connection, record);
        Take(connection, taken);
        ClientState.Put(connection, StateKey.Sequence, record.Sequence);
        ClientState.Put(connection, StateKey.LastHash, record.Hash);
        ClientState.Put(connection, StateKey.Departed, record.Kinds.Contains(ItemKind.Departure) ? "yes" : null);
    });

    /// <summary>Replaces unacknowledged records by the same ones signed for another recipient or epoch.</summary>
    public void Replace(IReadOnlyList<SpooledRecord> records) => database.Write(connection =>
    {
        foreach (var record in records)
        {
            connection.Execute("delete from record where sequence = $sequence", ("$sequence", record.Sequence));
            Insert(connection, record);
        }
        ClientState.Put(connection, StateKey.LastHash, records[^1].Hash);
    });

    /// <summary>Drops an item that cannot be sent, and forgets that it was collected: a later one may fit.</summary>
    public void Drop(SpooledItem item) => database.Write(connection =>
    {
        connection.Execute("delete from item where kind = $kind and code = $code", ("$kind", item.Kind), ("$code", item.Code));
        ClientState.Put(connection, StateKey.Fingerprint(item.Kind), null);
    });

    /// <summary>Goes on with the chain that the site has: one transaction.</summary>
    /// <param name="records">All that wait, signed to follow <paramref name="head"/>; empty for none.</param>
    /// <param name="mayBeOnTheWay">This machine may have written records that it does not remember, and the site may still take them in first.</param>
    public void Continue(Receipt head, IReadOnlyList<SpooledRecord> records, bool mayBeOnTheWay) => database.Write(connection =>
    {
        connection.Execute("delete from record");
        foreach (var record in records)
            Insert(connection, record);
        ClientState.Put(connection, StateKey.Sequence, head.Sequence + records.Count);
        ClientState.Put(connection, StateKey.LastHash, records.Count > 0 ? records[^1].Hash : head.RecordHash);
        ClientState.Put(connection, StateKey.Acknowledged, head.Sequence);
        // Another machine's record follows, or may.
        if (records.Count == 0 && mayBeOnTheWay)
            ClientState.Put(connection, StateKey.Departed, null);
        ClientState.Put(connection, StateKey.ContinuedAfter, mayBeOnTheWay ? head.Sequence.ToString(System.Globalization.CultureInfo.InvariantCulture) : null);
    });

    /// <summary>Stores a new record in front of all that wait, and takes its items out: one transaction.</summary>
    /// <param name="waiting">All that wait, signed to follow <paramref name="record"/>.</param>
    public void StoreInFront(SpooledRecord record, IReadOnlyList<SpooledRecord> waiting, IReadOnlyList<SpooledItem> taken) => database.Write(connection =>
    {
        connection.Execute("delete from record");
        Insert(connection, record);
        foreach (var behind in waiting)
            Insert(connection, behind);
        Take(connection, taken);
        ClientState.Put(connection, StateKey.Sequence, waiting[^1].Sequence);
        ClientState.Put(connection, StateKey.LastHash, waiting[^1].Hash);
    });

    public void MarkWritten(long sequence, DateTimeOffset now) => database.Write(connection =>
        connection.Execute("update record set attempts = attempts + 1, written_at = $at where sequence = $sequence",
            ("$sequence", sequence), ("$at", now.ToUnixTimeMilliseconds())));

    /// <summary>Forgets records up to a sequence that the site has, and that the kinds it wants in full were ever sent: one transaction.</summary>
    /// <param name="again">Kinds to send again; empty for none.</param>
    /// <param name="resyncRevision">Revision of the last receipts whose wishes were taken.</param>
    /// <returns>How many records were forgotten.</returns>
    public int Acknowledge(Receipts receipts, long sequence, IReadOnlyCollection<string> again, long resyncRevision)
    {
        var forgotten = 0;
        database.Write(connection =>
        {
            forgotten = connection.Execute("delete from record where sequence <= $sequence", ("$sequence", sequence));
            ClientState.Put(connection, StateKey.Acknowledged, sequence);
            connection.Execute("delete from state where name = $name and cast(value as integer) < $sequence", ("$name", StateKey.ContinuedAfter), ("$sequence", sequence));
            ClientState.Put(connection, StateKey.ReceiptsEpoch, receipts.Epoch);
            ClientState.Put(connection, StateKey.ReceiptsRevision, receipts.Revision);
            ClientState.Put(connection, StateKey.ResyncRevision, resyncRevision);
            foreach (var kind in again)
            {
                ClientState.Put(connection, StateKey.Fingerprint(kind), null);
                ClientState.ClearMoment(connection, kind == ItemKind.Heartbeat ? MomentName.Heartbeat : MomentName.Inventory);
            }
        });
        return forgotten;
    }

    private static void Take(SqliteConnection connection, IReadOnlyList<SpooledItem> items)
    {
        foreach (var item in items)
            connection.Execute("delete from item where kind = $kind and code = $code", ("$kind", item.Kind), ("$code", item.Code));
    }

    private static void PutItem(SqliteConnection connection, string kind, string code, string body, Urgency urgency) => connection.Execute("""
        insert into item (kind, code, body, count, urgent) values ($kind, $code, $body, 1, $urgent)
        on conflict (kind, code) do update set body = excluded.body, count = item.count + 1, urgent = case when 1 in (item.urgent, excluded.urgent) then 1 else max(item.urgent, excluded.urgent) end
        """, ("$kind", kind), ("$code", code), ("$body", body), ("$urgent", (int)urgency));

    private static void Insert(SqliteConnection connection, SpooledRecord record) => connection.Execute("""
        insert into record (sequence, jws, hash, epoch, recipient, kinds, attempts, written_at, former)
        values ($sequence, $jws, $hash, $epoch, $recipient, $kinds, $attempts, $writtenAt, $former)
        """, ("$sequence", record.Sequence), ("$jws", record.Jws), ("$hash", record.Hash), ("$epoch", record.Epoch), ("$recipient", record.Recipient),
        ("$kinds", string.Join(',', record.Kinds.Order(StringComparer.Ordinal))), ("$attempts", record.Attempts),
        ("$writtenAt", record.WrittenAt?.ToUnixTimeMilliseconds()), ("$former", string.Join(' ', record.Former)));
}
