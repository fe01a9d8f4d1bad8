using System.Data.Common;
using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>The last hardware and software inventory of each device. A package that many devices have is one row (<see cref="PackageCatalog"/>).</summary>
internal sealed class InventoryStore(SiteDatabase database, PackageCatalog packages)
{
    private static readonly (string Source, string Folder)[] Databases = [("dpkg", "/var/lib/dpkg"), ("rpm", "/var/lib/rpm"), ("rpm", "/usr/lib/sysimage/rpm")];

    public static async Task SaveHardwareAsync(DbTransaction transaction, long number, HardwareInventory hardware, string document, DateTimeOffset now)
    {
        await transaction.RunAsync(
            """
            insert into hardware (device_number, document, received_at) values (@number, @document, @now)
            on conflict (device_number) do update set document = excluded.document, received_at = excluded.received_at
            """, ("@number", number), ("@document", document), ("@now", Times.Of(now)));
        await DeviceStore.ApplyHardwareSummaryAsync(transaction, number, hardware);
    }

    /// <summary>Makes the rows equal to the document: only differences are written. A source that could not be read keeps its rows: unknown is not empty.</summary>
    public async Task SaveSoftwareAsync(DbTransaction transaction, long number, SoftwareInventory software, DateTimeOffset now)
    {
        var connection = transaction.Connection!;
        var current = (await connection.QueryAsync<(long Package, long? InstalledAt, string Source)>(
            "select d.package_id, d.installed_at, p.source from device_package d join package p on p.package_id = d.package_id where d.device_number = @number",
            new { number }, transaction)).ToDictionary(row => row.Package);

        var wanted = new Dictionary<long, long?>(software.Packages.Count);
        foreach (var package in software.Packages)
            wanted[packages.Known(package) ?? await packages.AddAsync(transaction, package)] = package.InstalledAt;

        var unread = software.Unread.Select(source => PackageSource(source.Source)).ToHashSet(StringComparer.Ordinal);
        // A source that cannot be placed may be any: then nothing goes.
        var isAny = unread.Any(source => !Databases.Any(database => database.Source == source) && !current.Values.Any(row => row.Source == source));
        foreach (var kept in current.Values.Where(row => isAny || unread.Contains(row.Source)))
            wanted.TryAdd(kept.Package, kept.InstalledAt);
        var gone = current.Keys.Where(id => !wanted.ContainsKey(id)).ToList();
        if (gone.Count > 0)
            await transaction.RunAsync(Dialect.RemovePackages, ("@number", number), ("@rows", Rows(gone.Select(id => KeyValuePair.Create(id, default(long?))))));
        var changed = wanted.Where(pair => !current.TryGetValue(pair.Key, out var row) || row.InstalledAt != pair.Value).ToList();
        if (changed.Count > 0)
            await transaction.RunAsync(Dialect.SavePackages, ("@number", number), ("@rows", Rows(changed)));

        await transaction.RunAsync(
            """
            insert into software_inventory (device_number, unread, received_at) values (@number, @unread, @now)
            on conflict (device_number) do update set unread = excluded.unread, received_at = excluded.received_at
            """,
            ("@number", number), ("@unread", JsonSerializer.Serialize(software.Unread, StoreJson.Default.IReadOnlyListUnreadSource)), ("@now", Times.Of(now)));
        await DeviceStore.SetPackageCountAsync(transaction, number, wanted.Count);
    }

    public Task<(string Document, long ReceivedAt)?> HardwareAsync(long number, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<(string, long)?>(
            "select document, received_at from hardware where device_number = @number", new { number }), cancellationToken);

    public Task<(SoftwareInventory Software, DateTimeOffset At)?> SoftwareAsync(long number, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
    {
        if (await connection.QuerySingleOrDefaultAsync<(string Unread, long At)?>(
            "select unread, received_at from software_inventory where device_number = @number", new { number }) is not { } head)
            return default((SoftwareInventory, DateTimeOffset)?);
        var rows = await connection.QueryAsync<SoftwareRow>(
            "select name, version, arch, source, publisher, summary, size_bytes, installed_at from software where device_number = @number order by name, version, arch",
            new { number });
        return (new SoftwareInventory
        {
            Packages = [.. rows.Select(row => row.ToPackage())],
            Unread = JsonSerializer.Deserialize(head.Unread, StoreJson.Default.IReadOnlyListUnreadSource) ?? [],
        }, Times.At(head.At));
    }, cancellationToken);

    /// <summary>A source that was not read is named as itself, or by a path in its database.</summary>
    private static string PackageSource(string unread) => Databases.FirstOrDefault(database => unread == database.Folder
        || unread.StartsWith($"{database.Folder}/", StringComparison.Ordinal)).Source ?? unread;

    /// <summary>All rows as one JSON object, package number to time of installation: one statement instead of 600.</summary>
    private static string Rows(IEnumerable<KeyValuePair<long, long?>> rows)
    {
        var json = new StringBuilder("{");
        // In the order of the key, as the rows are stored.
        foreach (var (package, installedAt) in rows.OrderBy(row => row.Key))
        {
            json.Append(json.Length == 1 ? "\"" : ",\"").Append(package).Append("\":");
            if (installedAt is { } at)
                json.Append(at);
            else
                json.Append("null");
        }
        return json.Append('}').ToString();
    }

    private sealed record SoftwareRow(string Name, string Version, string Arch, string Source, string Publisher, string Summary, long SizeBytes, long? InstalledAt)
    {
        public InstalledPackage ToPackage() => new(Name, Version, Told(Arch), Told(Publisher), InstalledAt, Source, Told(Summary), SizeBytes < 0 ? null : SizeBytes);

        private static string? Told(string text) => text.Length == 0 ? null : text;
    }
}
