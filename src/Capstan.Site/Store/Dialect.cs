using System.Data.Common;
using Dapper;
using Microsoft.Data.Sqlite;

namespace Capstan.Site.Store;

/// <summary>The few statements in which the databases differ. SQLite today; PostgreSQL joins here when it is added.</summary>
internal static class Dialect
{
    /// <summary>Writes the packages of one device, given as a JSON object of package number to time of installation or null (in PostgreSQL: <c>json_each_text</c>).</summary>
    /// <remarks>The condition that is always true tells the parser that <c>on</c> does not belong to a join.</remarks>
    public const string SavePackages = """
        insert into device_package (device_number, package_id, installed_at)
        select @number, cast(key as integer), value from json_each(@rows) where true
        on conflict (device_number, package_id) do update set installed_at = excluded.installed_at
        """;

    /// <summary>Removes packages of one device, given in the same form.</summary>
    public const string RemovePackages =
        "delete from device_package where device_number = @number and package_id in (select cast(key as integer) from json_each(@rows))";

    /// <summary>Fills the placeholders of a migration: <c>{bytes}</c> (a column of bytes) and <c>{clustered}</c> (rows stored in the order of their key).</summary>
    public static string Fill(string migration) => migration
        .Replace("{bytes}", "blob", StringComparison.Ordinal)
        .Replace("{clustered}", "without rowid", StringComparison.Ordinal);

    public static string ConnectionString(string file, bool readOnly) => ConnectionString(file, readOnly, pooling: readOnly);

    public static string ConnectionString(string file, bool readOnly, bool pooling) => new SqliteConnectionStringBuilder
    {
        DataSource = file,
        Mode = readOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate,
        DefaultTimeout = 30,
        Pooling = pooling,
    }.ConnectionString;

    public static DbConnection Connection(string connectionString) => new SqliteConnection(connectionString);

    /// <summary>Ends what a connection does when the token is cancelled: a statement that runs asks for no token itself.</summary>
    public static CancellationTokenRegistration Interrupts(DbConnection connection, CancellationToken token) =>
        token.Register(static state => SQLitePCL.raw.sqlite3_interrupt(((SqliteConnection)state!).Handle), connection);

    /// <summary>Closes the readers that wait for their next use: they hold the file, whatever lies under its name by then.</summary>
    public static void CloseIdle(string connectionString)
    {
        using var connection = new SqliteConnection(connectionString);
        SqliteConnection.ClearPool(connection);
    }

    /// <summary>WAL, so that readers never wait for the writer; FULL, because a commit after which an upload is deleted must survive a power cut.</summary>
    public static async Task PrepareWriterAsync(DbConnection connection) =>
        await connection.ExecuteAsync("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma cache_size = -65536;");

    /// <summary>Copies one moment of a database, in use or not, into an empty file.</summary>
    /// <exception cref="DbException">It cannot be read, or the copy not be written.</exception>
    public static async Task CopyAsync(string file, string copy, CancellationToken cancellationToken)
    {
        await using (var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, DefaultTimeout = 30, Pooling = false }.ConnectionString))
        {
            await connection.OpenAsync(cancellationToken);
            await connection.ExecuteAsync(new CommandDefinition("vacuum into @copy", new { copy }, commandTimeout: 0, cancellationToken: cancellationToken));
        }
        await using var written = new FileStream(copy, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        written.Flush(flushToDisk: true);
    }

    /// <summary>What is wrong with the pages of a database; null when nothing is. Leaves it as one file.</summary>
    /// <exception cref="DbException">It cannot be read at all.</exception>
    public static async Task<string?> DamageAsync(string file, CancellationToken cancellationToken)
    {
        await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await connection.ExecuteAsync("pragma journal_mode = delete");
        var answer = await connection.QueryFirstAsync<string>(new CommandDefinition("pragma integrity_check(1)", commandTimeout: 0, cancellationToken: cancellationToken));
        return answer == "ok" ? null : answer;
    }

    /// <summary>True when the values themselves were refused (constraint, too large, type): trying again cannot help.</summary>
    public static bool IsBadData(DbException error) => error is SqliteException { SqliteErrorCode: 18 or 19 or 20 };

    /// <summary>True when the disk that holds the database has no room.</summary>
    public static bool IsDiskFull(Exception error) => error is SqliteException { SqliteErrorCode: 13 };

    /// <summary>The message of a failed start, for the causes that a person can do something about.</summary>
    public static bool IsBusyOrDamaged(DbException error) => error is SqliteException { SqliteErrorCode: 5 or 6 or 8 or 10 or 11 or 13 or 14 or 26 };
}
