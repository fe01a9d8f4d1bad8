using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.State;

/// <summary>Numbered, embedded, forward-only scripts <c>Schema/NNNN-name.sql</c>, each applied once in a transaction of its own and recorded with its hash.</summary>
internal static class Migrations
{
    private const string Marker = ".State.Schema.";

    /// <exception cref="ClientException"><c>state_newer</c>: a newer program wrote the file; <c>state_damaged</c>: an applied script differs from ours.</exception>
    public static void Apply(SqliteConnection connection, string path)
    {
        connection.Execute("create table if not exists migration (number integer primary key, name text not null, sha256 text not null) strict");
        var applied = Applied(connection);
        Check(applied, path);
        foreach (var script in Scripts().Where(script => !applied.ContainsKey(script.Number)))
        {
            using var transaction = connection.BeginTransaction();
            connection.Execute(script.Text);
            connection.Execute("insert into migration (number, name, sha256) values ($number, $name, $hash)",
                ("$number", script.Number), ("$name", script.Name), ("$hash", script.Hash));
            transaction.Commit();
        }
    }

    /// <summary>For a reader, which migrates nothing: an older file is read as far as it goes by the owner only.</summary>
    /// <exception cref="ClientException"><c>state_newer</c>, <c>state_damaged</c>, or <c>state_older</c>: the client must run once first.</exception>
    public static void CheckReadable(SqliteConnection connection, string path)
    {
        var known = connection.Scalar("select count(*) from sqlite_master where name = 'migration'") is 1L;
        var applied = known ? Applied(connection) : [];
        Check(applied, path);
        if (applied.Count < Scripts().Count)
            throw new ClientException($"{path} was written by an older program, or its installation did not finish; run capstan-client install or run first", "state_older");
    }

    private static Dictionary<int, string> Applied(SqliteConnection connection) =>
        new(connection.Query("select number, sha256 from migration", row => KeyValuePair.Create(row.GetInt32(0), row.GetString(1))));

    private static void Check(Dictionary<int, string> applied, string path)
    {
        var scripts = Scripts().ToDictionary(script => script.Number);
        foreach (var (number, hash) in applied)
        {
            if (!scripts.TryGetValue(number, out var script))
                throw new ClientException($"{path} was written by a newer program (schema {number}, this program knows {scripts.Keys.Max()}); "
                    + "install that version again", "state_newer");
            if (!string.Equals(script.Hash, hash, StringComparison.Ordinal))
                throw new ClientException($"{path}: schema {number} ({script.Name}) was applied from another text than this program has; "
                    + "use the program that made the file", "state_damaged");
        }
    }

    private static List<Script> Scripts()
    {
        var assembly = typeof(Migrations).Assembly;
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.Contains(Marker, StringComparison.Ordinal))
            .Select(name => Load(assembly, name))
            .OrderBy(script => script.Number)];
    }

    private static Script Load(Assembly assembly, string resource)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
        var text = reader.ReadToEnd();
        var name = resource[(resource.IndexOf(Marker, StringComparison.Ordinal) + Marker.Length)..];
        return new Script(int.Parse(name.AsSpan(0, 4), NumberStyles.None, CultureInfo.InvariantCulture), name, text,
            Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text))));
    }

    private sealed record Script(int Number, string Name, string Text, string Hash);
}
