using Capstan.Site;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>
/// New sites for tests that are about something else than how a site begins. The whole schema is applied once per process, by the migrations themselves, and its file is copied for
/// each site: one after the other they cost each test more than most of what it does with its site. How a site begins without it stands in <see cref="SiteServerTests"/>, <see cref="SiteStartTests"/> and <see cref="SqliteStoreTests"/>.
/// </summary>
internal static class NewSite
{
    private static readonly Lazy<Task<byte[]>> s_database = new(MakeDatabaseAsync);

    /// <summary>As <see cref="SiteServer.InitializeAsync"/>. The directory must not be there yet, or be empty.</summary>
    public static async Task InitializeAsync(string directory, string siteCode, TimeProvider time)
    {
        var home = new SiteDirectory(directory);
        SiteDirectory.CreateOwned(home.Root);
        await PutDatabaseAsync(home.Database);
        await SiteServer.InitializeAsync(directory, siteCode, time, CancellationToken.None);
    }

    /// <summary>Writes the database of a new site.</summary>
    public static async Task PutDatabaseAsync(string file) => await File.WriteAllBytesAsync(file, await s_database.Value);

    private static async Task<byte[]> MakeDatabaseAsync()
    {
        var directory = Directory.CreateTempSubdirectory("capstan-schema-");
        try
        {
            var file = Path.Combine(directory.FullName, "site.db");
            await using (await SiteDatabase.OpenAsync(file, TimeProvider.System, CancellationToken.None))
            {
            }
            // Whoever closes it last puts all into the one file.
            Assert.False(File.Exists(file + "-wal"));
            return await File.ReadAllBytesAsync(file);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
