using Capstan.Client.Identity;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.State;

/// <summary><c>client.db</c>: one SQLite file, one connection, WAL, every commit durable. Thread-safe: one statement or transaction at a time.</summary>
internal sealed class ClientDatabase : IDisposable
{
    public const string FileName = "client.db";

    // Result codes of SQLite (sqlite.org/rescode.html).
    private const int Perm = 3, Busy = 5, ReadOnlyFile = 8, IoError = 10, Corrupt = 11, Full = 13, CannotOpen = 14, NotADatabase = 26;
    private const int NeedsRecovery = 264, NeedsRollback = 776;

    private readonly Lock _gate = new();
    private readonly SqliteConnection _connection;
    private readonly string _path;

    private ClientDatabase(string path, SqliteOpenMode mode)
    {
        _path = path;
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
            DefaultTimeout = 5,
        }.ConnectionString);
    }

    public static string PathIn(string directory) => Path.Combine(directory, FileName);

    /// <summary>Opens for the one process that works in the directory; makes the file and migrates it.</summary>
    /// <param name="package">As of <see cref="Migrations.Apply"/>.</param>
    /// <exception cref="ClientException"><c>state_damaged</c>, <c>state_newer</c>, <c>package_older</c>, <c>disk_full</c>, <c>access_denied</c>. Nothing was deleted.</exception>
    public static ClientDatabase Open(string directory, Func<int?>? package = null)
    {
        var database = new ClientDatabase(PathIn(directory), SqliteOpenMode.ReadWriteCreate);
        return database.Opened(connection =>
        {
            DurableFile.EnsurePrivate(database._path);
            connection.Open();
            // secure_delete: an enrolment secret that was removed must not stay in free pages.
            connection.Execute("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma secure_delete = on");
            if (connection.Scalar("pragma quick_check(1)") is not "ok")
                throw database.Damaged("its quick check failed", null);
            Migrations.Apply(connection, database._path, package);
        });
    }

    /// <summary>Opens beside a running client, for reading only.</summary>
    /// <exception cref="ClientException">As <see cref="Open"/>.</exception>
    public static ClientDatabase OpenReadOnly(string directory)
    {
        try
        {
            return Reading(directory);
        }
        catch (ClientException e) when (e.InnerException is SqliteException { SqliteExtendedErrorCode: NeedsRecovery or NeedsRollback })
        {
            // What a killed process left open must be taken back first, and only who may write can do that.
            using (var writer = new ClientDatabase(PathIn(directory), SqliteOpenMode.ReadWrite))
                writer.Opened(connection =>
                {
                    connection.Open();
                    connection.Scalar("select count(*) from sqlite_master");
                });
            return Reading(directory);
        }
    }

    private static ClientDatabase Reading(string directory)
    {
        var database = new ClientDatabase(PathIn(directory), SqliteOpenMode.ReadOnly);
        return database.Opened(connection =>
        {
            connection.Open();
            Migrations.CheckReadable(connection, database._path);
        });
    }

    /// <summary>One or more reads that belong together.</summary>
    public T Read<T>(Func<SqliteConnection, T> read)
    {
        lock (_gate)
            return Guarded(() => read(_connection));
    }

    /// <summary>One durable transaction: all of it happened, or nothing.</summary>
    public void Write(Action<SqliteConnection> write)
    {
        lock (_gate)
            Guarded(() =>
            {
                using var transaction = _connection.BeginTransaction();
                write(_connection);
                transaction.Commit();
                return true;
            });
    }

    /// <summary>Moves the write-ahead log into the file and empties it, so that deleted secrets are gone from both.</summary>
    public void Checkpoint()
    {
        lock (_gate)
            Guarded(() => _connection.Execute("pragma wal_checkpoint(truncate)"));
    }

    public void Dispose()
    {
        lock (_gate)
            _connection.Dispose();
    }

    private ClientDatabase Opened(Action<SqliteConnection> open)
    {
        try
        {
            Guarded(() =>
            {
                open(_connection);
                return true;
            });
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private T Guarded<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (SqliteException e)
        {
            throw e.SqliteErrorCode switch
            {
                Corrupt or NotADatabase => Damaged(e.Message, e),
                Full => ClientErrors.DiskFull(_path, e),
                Perm or ReadOnlyFile or CannotOpen => ClientErrors.AccessDenied(_path, e),
                Busy => new ClientException($"{_path} is locked by another program; try again when it has finished", "client_in_use", e),
                IoError => new ClientException($"{_path} cannot be read or written ({e.Message}); check the disk", "state_unreadable", e),
                _ => new ClientException($"{_path}: {e.Message}", "state_unreadable", e),
            };
        }
        catch (UnauthorizedAccessException e)
        {
            throw ClientErrors.AccessDenied(_path, e);
        }
    }

    private ClientException Damaged(string cause, Exception? inner) =>
        new($"the client's state {_path} is damaged ({cause}); nothing was changed. Move the file away and run "
            + "capstan-client install --token-file F again: the keys, and so the identity, are kept, and the client goes on with the records that the site has; "
            + "a copy from a backup would repeat their numbers", "state_damaged", inner);
}
