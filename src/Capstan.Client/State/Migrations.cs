using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace Capstan.Client.State;

/// <summary>Numbered, embedded, forward-only scripts <c>Schema/NNNN-name.sql</c>, each applied once in a transaction of its own and recorded with its hash.</summary>
/// <remarks>
/// A build that failed its trial leaves a file that it has migrated, and the build before it goes on with that file: it is never copied or put back, since the record chain would
/// fork. So from 0004 on a script begins with <c>-- oldest: N</c>: programs that know N scripts and more can work with the file after it. Adding is nearly always possible under N as before;
/// what older programs cannot bear comes releases later, when nobody goes back to them (ADR 11).
/// </remarks>
internal static class Migrations
{
    private const string Marker = ".State.Schema.";
    private const string Oldest = "-- oldest: ";

    /// <summary>How many scripts this program knows.</summary>
    public static int Known => Scripts().Max(script => script.Number);

    /// <param name="package">How many scripts the package's build knows, null for unknown; asked only when the file would change so that not every program can work with it. Null where this is that build.</param>
    /// <exception cref="ClientException"><c>state_newer</c>: a newer program wrote the file; <c>state_damaged</c>: an applied script differs from ours;
    /// <c>package_older</c>: the package's build could not read the file any more. Nothing was changed then.</exception>
    public static void Apply(SqliteConnection connection, string path, Func<int?>? package)
    {
        connection.Execute("create table if not exists migration (number integer primary key, name text not null, sha256 text not null) strict");
        var applied = Applied(connection);
        Check(connection, applied, path);
        var wanted = Scripts().Where(script => !applied.ContainsKey(script.Number)).ToList();
        // An empty file is nobody's yet.
        if (applied.Count > 0 && package is not null)
            KeepLastResort(wanted.Max(script => OldestOf(script.Text)), OldestIn(connection), package, path);
        foreach (var script in wanted)
        {
            using var transaction = connection.BeginTransaction();
            connection.Execute(script.Text);
            connection.Execute("insert into migration (number, name, sha256) values ($number, $name, $hash)",
                ("$number", script.Number), ("$name", script.Name), ("$hash", script.Hash));
            if (OldestOf(script.Text) is { } oldest)
                Note(connection, oldest);
            transaction.Commit();
        }
    }

    /// <summary>What starts when nothing else does must go on being able to: a file that it could not read would leave this machine alone, for good.</summary>
    /// <param name="wanted">How many scripts a program must know to work with the file afterwards; null for no more than now.</param>
    /// <param name="present">The same of the file now; null for a file that does not say it.</param>
    /// <exception cref="ClientException"><c>package_older</c>.</exception>
    public static void KeepLastResort(int? wanted, int? present, Func<int?> package, string path)
    {
        if (wanted is not { } needed || needed <= (present ?? 0))
            return;
        var known = package();
        if (known is null || known < needed)
            throw new ClientException($"this build would change {path} so that the package's own build, which starts when nothing else does, could not read it (it {(known is null ? "does not say which schema it knows" : $"knows schema {known}")}, "
                + $"and {needed} is needed); install the present package of capstan-client, and order this build again", "package_older");
    }

    /// <summary>For a reader, which migrates nothing: an older file is read as far as it goes by the owner only.</summary>
    /// <exception cref="ClientException"><c>state_newer</c>, <c>state_damaged</c>, or <c>state_older</c>: the client must run once first.</exception>
    public static void CheckReadable(SqliteConnection connection, string path)
    {
        var known = connection.Scalar("select count(*) from sqlite_master where name = 'migration'") is 1L;
        var applied = known ? Applied(connection) : [];
        Check(connection, applied, path);
        if (applied.Count < Scripts().Count)
            throw new ClientException($"{path} was written by an older program, or its installation did not finish; run capstan-client install or run first", "state_older");
    }

    private static Dictionary<int, string> Applied(SqliteConnection connection) =>
        new(connection.Query("select number, sha256 from migration", row => KeyValuePair.Create(row.GetInt32(0), row.GetString(1))));

    /// <summary>What a script says of the oldest program that can work with the file after it; null for a script of before that rule.</summary>
    public static int? OldestOf(string script) =>
        script.StartsWith(Oldest, StringComparison.Ordinal) && int.TryParse(script.AsSpan(Oldest.Length, script.IndexOf('\n', StringComparison.Ordinal) - Oldest.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static void Check(SqliteConnection connection, Dictionary<int, string> applied, string path)
    {
        var scripts = Scripts().ToDictionary(script => script.Number);
        foreach (var (number, hash) in applied)
        {
            if (!scripts.TryGetValue(number, out var script))
            {
                // One that does not say it is for none of ours.
                if (OldestIn(connection) <= scripts.Keys.Max())
                    continue;
                throw new ClientException($"{path} was written by a newer program (schema {number}, this program knows {scripts.Keys.Max()}); "
                    + "install that version again", "state_newer");
            }
            if (!string.Equals(script.Hash, hash, StringComparison.Ordinal))
                throw new ClientException($"{path}: schema {number} ({script.Name}) was applied from another text than this program has; "
                    + "use the program that made the file", "state_damaged");
        }
    }

    /// <summary>The highest that any script has said: what an older program cannot bear stays in the file.</summary>
    public static void Note(SqliteConnection connection, int oldest) => ClientState.Put(connection, StateKey.SchemaOldest, Math.Max(oldest, OldestIn(connection) ?? 0));

    /// <summary>How many scripts a program must know to work with this file; null for a file that does not say it.</summary>
    public static int? OldestIn(SqliteConnection connection) =>
        int.TryParse(connection.Scalar("select value from state where name = $name", ("$name", StateKey.SchemaOldest)) as string, NumberStyles.None, CultureInfo.InvariantCulture, out var oldest) ? oldest : null;

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
