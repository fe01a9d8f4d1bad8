using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

public sealed class SqliteStoreTests : SiteStoreConformance
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-store-").FullName;

    internal override Task<SiteDatabase> CreateAsync() => SiteDatabase.OpenAsync(Path.Combine(_directory, "site.db"), TimeProvider.System, CancellationToken.None);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}
