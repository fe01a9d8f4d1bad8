using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Numbers of packages that any device has. Remembered between transactions; used by the one writer only, so not thread-safe.</summary>
internal sealed class PackageCatalog
{
    /// <summary>A fleet of 20,000 devices with three distributions has some 30,000 packages; beyond this the memory starts anew.</summary>
    private const int MaxRemembered = 200_000;

    private readonly Dictionary<InstalledPackage, long> _known = new(new SamePackage());

    /// <summary>The number of a package that is remembered; null for one that is not.</summary>
    public long? Known(InstalledPackage package) => _known.TryGetValue(package, out var id) ? id : null;

    /// <summary>Looks a package up, adds it when no device had it, and remembers its number.</summary>
    public async Task<long> AddAsync(DbTransaction transaction, InstalledPackage package)
    {
        var row = new
        {
            package.Name,
            package.Version,
            Arch = package.Architecture ?? "",
            package.Source,
            Publisher = package.Publisher ?? "",
            Summary = package.Summary ?? "",
            SizeBytes = package.SizeBytes ?? -1,
            // At once: a query must never see a package that it cannot compare.
            NameKey = Folding.Value(package.Name),
            VersionKey = VersionKey.Of(package.Source, package.Version),
        };
        var connection = transaction.Connection!;
        var id = await connection.QuerySingleOrDefaultAsync<long?>(
            """
            select package_id from package
            where name = @Name and version = @Version and arch = @Arch and source = @Source and publisher = @Publisher and summary = @Summary and size_bytes = @SizeBytes
            """, row, transaction)
            ?? await connection.QuerySingleAsync<long>(
            """
            insert into package (package_id, name, version, arch, source, publisher, summary, size_bytes, name_key, version_key)
            select coalesce(max(package_id), 0) + 1, @Name, @Version, @Arch, @Source, @Publisher, @Summary, @SizeBytes, @NameKey, @VersionKey from package
            returning package_id
            """, row, transaction);
        if (_known.Count >= MaxRemembered)
            _known.Clear();
        _known[package] = id;
        return id;
    }

    /// <summary>To be called when a transaction or savepoint that may have added packages was undone.</summary>
    public void Forget() => _known.Clear();

    /// <summary>Equal in what one row of the table holds: all but the time of installation, and what is not told is as empty.</summary>
    private sealed class SamePackage : IEqualityComparer<InstalledPackage>
    {
        public bool Equals(InstalledPackage? x, InstalledPackage? y) => x is not null && y is not null
            && Same(x.Name, y.Name) && Same(x.Version, y.Version) && Same(x.Architecture, y.Architecture) && Same(x.Source, y.Source)
            && Same(x.Publisher, y.Publisher) && Same(x.Summary, y.Summary) && (x.SizeBytes ?? -1) == (y.SizeBytes ?? -1);

        public int GetHashCode(InstalledPackage package) => HashCode.Combine(package.Name, package.Version, package.SizeBytes ?? -1);

        private static bool Same(string? x, string? y) => string.Equals(x ?? "", y ?? "", StringComparison.Ordinal);
    }
}
