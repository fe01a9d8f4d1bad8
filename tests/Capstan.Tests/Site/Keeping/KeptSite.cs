using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Site;
using Capstan.Site.Keeping;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site.Keeping;

/// <summary>Backups and restores around <see cref="SiteHarness"/>: one CAP, and one directory for each life of the site.</summary>
internal static class KeptSite
{
    public static string Home(this SiteHarness site) => Path.Combine(site.Directory, "site");

    public static Task<BackupReport> BackUpAsync(this SiteHarness site, string name, bool withRootKey = false) =>
        SiteBackup.CreateAsync(site.Home(), Backup(site, name), withRootKey, site.Context.Time, CancellationToken.None);

    public static string Backup(this SiteHarness site, string name) => Path.Combine(Path.GetDirectoryName(site.CapDirectory)!, name);

    /// <summary>The site of a backup, open and published; on the same CAP.</summary>
    /// <param name="life">A new name.</param>
    public static async Task<SiteHarness> RestoreAsync(this SiteHarness site, string backup, string life, bool isCapLost = false)
    {
        var directory = site.Backup(life);
        if (isCapLost)
            Directory.Delete(site.CapDirectory, recursive: true);
        var report = await RestoreAsync(site.Backup(backup), Path.Combine(directory, "site"), site.Context.Time);
        var restored = await OpenAsync(directory, site.CapDirectory, site.Context.Time);
        Assert.Equal(report.Epoch, restored.Context.Site.Epoch);
        return restored;
    }

    public static Task<RestoreReport> RestoreAsync(string backup, string home, TimeProvider time) =>
        SiteRestore.RestoreAsync(backup, home, [new LocalProvider(time)], time, null, NullLoggerFactory.Instance, CancellationToken.None);

    public static async Task<SiteHarness> OpenAsync(string directory, string cap, TimeProvider time, Func<IStorageProvider, IStorageProvider>? wrap = null)
    {
        var restored = await SiteHarness.OpenAsync(directory, time, wrap);
        restored.CapDirectory = cap;
        restored.KeepDirectory = true;
        await restored.Get<Publisher>().StartAsync(CancellationToken.None);
        // As an administrator would after a loss: the folder as it is now.
        if (!Directory.Exists(cap))
            await restored.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        await restored.PublishAsync();
        await restored.DrainAsync();
        return restored;
    }

    public static async Task<IReadOnlyList<string>> CodesAsync(this SiteHarness site) => [.. (await site.Get<HealthReader>().ReadAsync(CancellationToken.None)).Select(condition => condition.Code)];
}
