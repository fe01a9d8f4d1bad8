using System.Data.Common;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Numbers of packages that any device has. Remembered between transactions; used by the one writer only, so not thread-safe.</summary>
internal sealed class PackageCatalog
{
    /// <summary>A fleet of 20,000 devices with three distributions has some 30,000 packages; beyond this the memory starts anew.</summary>
    private const int MaxRemembered = 200_000;

    private readonly Dictionary<Key, long> _known = [];

    public async Task<long> IdOfAsync(DbTransaction transaction, InstalledPackage package)
    {
        var key = new Key(package.Name, package.Version, package.Architecture ?? "", package.Source, package.Publisher ?? "", package.Summary ?? "", package.SizeBytes ?? -1);
        if (_known.TryGetValue(key, out var id))
            return id;

        var connection = transaction.Connection!;
        id = await connection.QuerySingleOrDefaultAsync<long?>(
            """
            select package_id from package
            where name = @Name and version = @Version and arch = @Arch and source = @Source and publisher = @Publisher and summary = @Summary and size_bytes = @SizeBytes
            """, key, transaction)
            ?? await connection.QuerySingleAsync<long>(
            """
            insert into package (package_id, name, version, arch, source, publisher, summary, size_bytes)
            select coalesce(max(package_id), 0) + 1, @Name, @Version, @Arch, @Source, @Publisher, @Summary, @SizeBytes from package
            returning package_id
            """, key, transaction);
        if (_known.Count >= MaxRemembered)
            _known.Clear();
        _known[key] = id;
        return id;
    }

    /// <summary>To be called when a transaction or savepoint that may have added packages was undone.</summary>
    public void Forget() => _known.Clear();

    private sealed record Key(string Name, string Version, string Arch, string Source, string Publisher, string Summary, long SizeBytes);
}
