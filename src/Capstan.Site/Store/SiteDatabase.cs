using System.Data.Common;

namespace Capstan.Site.Store;

/// <summary>The site's database: one writer at a time, readers beside it. Thread-safe.</summary>
/// <remarks>A write is one transaction: all of it is durable when a write returns, nothing of it after an exception.</remarks>
internal sealed class SiteDatabase : IAsyncDisposable
{
    private readonly DbConnection _writer;
    private readonly string _readerString;
    private readonly SemaphoreSlim _turn = new(1, 1);

    private SiteDatabase(DbConnection writer, string readerString)
    {
        _writer = writer;
        _readerString = readerString;
    }

    /// <summary>Opens the file, making it when it is not there, and brings its schema up to date.</summary>
    /// <exception cref="SiteException">The database is of a newer version, was changed, is damaged or cannot be opened.</exception>
    public static async Task<SiteDatabase> OpenAsync(string file, TimeProvider time, CancellationToken cancellationToken)
    {
        // Columns are named host_name, members HostName; the setting is the mapper's, for the whole process.
        Dapper.DefaultTypeMap.MatchNamesWithUnderscores = true;
        // So is this: the code that the mapper makes of a statement serves every connection to any of our databases, which all have one schema.
        Dapper.SqlMapper.ConnectionStringComparer = AnyDatabase.Instance;
        var writer = Dialect.Connection(Dialect.ConnectionString(file, readOnly: false));
        try
        {
            await writer.OpenAsync(cancellationToken);
            await Dialect.PrepareWriterAsync(writer);
            await Migrations.ApplyAsync(writer, Migrations.Embedded(), time, cancellationToken);
            return new SiteDatabase(writer, Dialect.ConnectionString(file, readOnly: true));
        }
        catch (DbException cause) when (Dialect.IsBusyOrDamaged(cause))
        {
            await writer.DisposeAsync();
            throw new SiteException($"The database {file} cannot be used: {cause.Message}. Free space or restore rights on its directory; restore the site from a backup if it is damaged.",
                "database_unusable", cause);
        }
        catch
        {
            await writer.DisposeAsync();
            throw;
        }
    }

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> query, CancellationToken cancellationToken)
    {
        await using var connection = Dialect.Connection(_readerString);
        await connection.OpenAsync(cancellationToken);
        return await query(connection);
    }

    public Task<T> WriteAsync<T>(Func<DbTransaction, Task<T>> work, CancellationToken cancellationToken) => WriteAsync(work, static () => { }, cancellationToken);

    /// <param name="undone">Called when nothing was stored, be it that the commit failed, before the next writer begins: forgets what the work left in memory.</param>
    public async Task<T> WriteAsync<T>(Func<DbTransaction, Task<T>> work, Action undone, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await using var transaction = await _writer.BeginTransactionAsync(cancellationToken);
            var result = await work(transaction);
            // A graceful stop finishes what it has begun: the commit no longer asks for cancellation.
            await transaction.CommitAsync(CancellationToken.None);
            return result;
        }
        catch
        {
            undone();
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task WriteAsync(Func<DbTransaction, Task> work, CancellationToken cancellationToken) =>
        WriteAsync(async transaction =>
        {
            await work(transaction);
            return true;
        }, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync();
        Dialect.CloseIdle(_readerString);
        await _writer.DisposeAsync();
        _turn.Dispose();
    }

    /// <summary>All databases are alike to the mapper: without it, it makes and keeps its code anew for each file, and once more for the readers.</summary>
    private sealed class AnyDatabase : IEqualityComparer<string>
    {
        public static readonly AnyDatabase Instance = new();

        public bool Equals(string? x, string? y) => true;

        public int GetHashCode(string connectionString) => 0;
    }
}
