using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>One numbered step of the schema.</summary>
internal sealed record Migration(int Number, string Name, string Sql)
{
    public string Sha256 { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql)));
}

/// <summary>Forward-only migrations, each in its own transaction, recorded with number, name and SHA-256.</summary>
internal static class Migrations
{
    /// <summary>The files <c>Store/Schema/0001-name.sql</c> and so on, in order.</summary>
    public static IReadOnlyList<Migration> Embedded()
    {
        var assembly = typeof(Migrations).Assembly;
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith("Schema/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(resource =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
                var name = Path.GetFileNameWithoutExtension(resource);
                return new Migration(int.Parse(name[..4], CultureInfo.InvariantCulture), name[5..], reader.ReadToEnd());
            })];
    }

    /// <exception cref="SiteException">An applied migration is not the one that this program carries, or the database is of a newer program.</exception>
    public static async Task ApplyAsync(DbConnection connection, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken)
    {
        await connection.ExecuteAsync(
            "create table if not exists migration (number integer primary key, name text not null, sha256 text not null, applied_at bigint not null)");
        var applied = (await connection.QueryAsync<(int Number, string Name, string Sha256)>(
            "select number, name, sha256 from migration order by number")).ToDictionary(row => row.Number);

        foreach (var row in applied.Values)
        {
            var ours = migrations.FirstOrDefault(migration => migration.Number == row.Number)
                ?? throw new SiteException($"The database has migration {row.Number} '{row.Name}', which this program (up to {migrations.Max(m => m.Number)}) does not know: it was used by a newer version. Start that version, or restore a backup made before the upgrade.",
                    "database_newer");
            if (!string.Equals(ours.Sha256, row.Sha256, StringComparison.Ordinal))
                throw new SiteException($"Migration {row.Number} '{row.Name}' was applied with SHA-256 {row.Sha256}, but this program carries {ours.Sha256}: the program was altered or is another build. Start the build that made this database.",
                    "migration_changed");
        }

        foreach (var migration in migrations.Where(migration => !applied.ContainsKey(migration.Number)))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await connection.ExecuteAsync(Dialect.Fill(migration.Sql), transaction: transaction);
            await connection.ExecuteAsync("insert into migration (number, name, sha256, applied_at) values (@Number, @Name, @Sha256, @At)",
                new { migration.Number, migration.Name, migration.Sha256, At = time.GetUtcNow().ToUnixTimeMilliseconds() }, transaction);
            await transaction.CommitAsync(CancellationToken.None);
        }
    }
}
