using System.Text;
using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.Spool;

/// <summary>Keeps what this device used of its CAPs until it is part of a record: each contact is told to the site once, whatever crashes.</summary>
internal sealed class CapUseLog(ClientDatabase database)
{
    /// <summary>Notes what a contact was.</summary>
    public void Note(IReadOnlyList<CapUseHour> rows)
    {
        if (rows.Count == 0)
            return;
        database.Write(connection => Replace(connection, CapUseRows.Add(Noted(connection), rows)));
    }

    /// <summary>Moves all that was noted into the spool, added to what waits there; without hurry. One transaction.</summary>
    public void Report() => database.Write(connection =>
    {
        var noted = Noted(connection);
        if (noted.Count == 0)
            return;
        var report = new CapUse { Hours = CapUseRows.Add(Waiting(connection), noted) };
        RecordSpool.PutQuietly(connection, ItemKind.CapUse, Encoding.UTF8.GetString(Documents.CapUse.Encode(report)));
        Replace(connection, []);
    });

    private static IReadOnlyList<CapUseHour> Waiting(SqliteConnection connection)
    {
        if (RecordSpool.Body(connection, ItemKind.CapUse) is not { } body)
            return [];
        try
        {
            return Documents.CapUse.Decode(Encoding.UTF8.GetBytes(body)).Hours;
        }
        catch (ProtocolException)
        {
            // Of another program version: counts are an estimate, and these are lost. Nothing else depends on them.
            return [];
        }
    }

    private static List<CapUseHour> Noted(SqliteConnection connection) => connection.Query(
        "select path, hour, connections, held_ms, refused from cap_use",
        row => new CapUseHour(row.GetString(0), row.GetInt64(1), row.GetInt32(2), row.GetInt64(3), row.GetInt32(4)));

    private static void Replace(SqliteConnection connection, IReadOnlyList<CapUseHour> rows)
    {
        connection.Execute("delete from cap_use");
        foreach (var row in rows)
            connection.Execute("insert into cap_use (path, hour, connections, held_ms, refused) values ($path, $hour, $connections, $held, $refused)",
                ("$path", row.Path), ("$hour", row.Hour), ("$connections", row.Connections), ("$held", row.HeldMilliseconds), ("$refused", row.Refused));
    }
}
