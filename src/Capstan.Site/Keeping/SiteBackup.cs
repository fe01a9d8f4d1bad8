using System.Data.Common;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Site.Store;

namespace Capstan.Site.Keeping;

/// <summary>What a backup holds.</summary>
/// <param name="Directory">Where it lies.</param>
/// <param name="RootKey">What became of the root key, for a person.</param>
public sealed record BackupReport(string Directory, string SiteCode, long Epoch, long PublishedVersion, int Clients, long LengthBytes, string RootKey);

/// <summary>Copies a site, running or not, into a new directory: database, keys, identity. What can be made again (CAPs, quarantine, the API's token) is left out.</summary>
/// <remarks>The database is one moment of it, whatever is written meanwhile. Interrupted anywhere, the directory has no manifest, and nothing restores it.</remarks>
public static class SiteBackup
{
    private const string Readme = "README.txt";
    private const string RootKeyName = "root.key.pem";

    /// <param name="withRootKey">Also the root key, when it lies in <c>keys/</c>: then whoever has the backup can become the site.</param>
    /// <exception cref="SiteException">With cause and next step; the directory is left as it is then.</exception>
    public static async Task<BackupReport> CreateAsync(string siteDirectory, string directory, bool withRootKey, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        var site = new SiteDirectory(siteDirectory);
        var identity = site.ReadIdentity();
        var folder = new BackupFolder(directory);
        BackupFolder.CreateEmpty(folder.Root, site.Root, "backup");
        try
        {
            SiteDirectory.WriteOwned(Path.Combine(folder.Root, Readme), Encoding.UTF8.GetBytes(ReadmeText(identity.SiteCode)));
            SiteDirectory.CreateOwned(folder.Site.Keys);
            RefuseRotation(site);
            var over = SiteKeys.FormerFiles(site).Where(former => former.Until <= time.GetUtcNow()).Select(former => former.Path).ToHashSet(StringComparer.Ordinal);
            var keys = Directory.EnumerateFiles(site.Keys, "*.key.pem").Where(path => !over.Contains(path)).Select(path => Path.GetFileName(path)).Where(name => withRootKey || name != RootKeyName).ToList();
            foreach (var name in keys)
                await BackupFolder.CopyAsync(Path.Combine(site.Keys, name), Path.Combine(folder.Site.Keys, name), cancellationToken);
            SiteDirectory.WriteOwned(folder.Site.Database, []);
            await Dialect.CopyAsync(site.Database, folder.Site.Database, cancellationToken);
            // A rotation keeps its new keys apart until the database names them: what was the same before and after is of the database's time.
            RefuseRotation(site);
            if (keys.Exists(name => !File.ReadAllBytes(Path.Combine(site.Keys, name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(folder.Site.Keys, name)))))
                throw KeysChanged();
            await BackupFolder.CopyAsync(site.Identity, folder.Site.Identity, cancellationToken);

            var (version, rootVersion, clients) = await VerifyAsync(folder.Site, cancellationToken);
            var files = await folder.MeasureAsync(
                [BackupFolder.DatabaseName, BackupFolder.IdentityName, .. keys.Select(name => $"{BackupFolder.KeysFolder}/{name}")], cancellationToken);
            var hasRoot = keys.Contains(RootKeyName, StringComparer.Ordinal);
            folder.Complete(new BackupManifest(BackupManifest.FormatName, BackupManifest.KnownVersion, identity.SiteCode, identity.Epoch, time.GetUtcNow(), version, rootVersion, clients, hasRoot, files));
            return new BackupReport(folder.Root, identity.SiteCode, identity.Epoch, version, clients, files.Sum(file => file.LengthBytes),
                hasRoot ? "The root key is in it: whoever has this backup can become your site. Keep it as you keep the root key."
                : File.Exists(Path.Combine(site.Keys, RootKeyName)) ? "The root key lies on the server and is NOT in it: keep copies of keys/root.key.pem of their own, or take --with-root-key."
                : "The root key is not on the server and not in it.");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or DbException)
        {
            throw new SiteException($"The backup to {folder.Root} failed: {cause.Message} What lies there has no {BackupManifest.FileName} and is refused by restore; remove it by hand, and begin again.", "backup_failed", cause);
        }
    }

    /// <summary>Reads the copy as a site would: pages, keys, and that they belong together.</summary>
    private static async Task<(long Version, int RootVersion, int Clients)> VerifyAsync(SiteDirectory copy, CancellationToken cancellationToken)
    {
        using var keys = SiteKeys.Load(copy);
        if (await Dialect.DamageAsync(copy.Database, cancellationToken) is { } damage)
            throw new SiteException($"The copy of the database is damaged: {damage} Look at the disks of this machine, and at the site's database: `capstan doctor`.", "backup_failed");
        var (state, version, clients) = await PublishStore.PeekAsync(copy.Database, cancellationToken);
        if (state is null)
            return (0, 0, clients);
        try
        {
            var repository = TufRepository.Load(state);
            return repository.Accepts(keys.Tuf)
                ? (version, repository.RootVersion, clients)
                : throw KeysChanged();
        }
        catch (ProtocolException cause)
        {
            throw new SiteException($"The published state in the copy cannot be read: {cause.Message}", "backup_failed", cause);
        }
    }

    private static void RefuseRotation(SiteDirectory site)
    {
        if (Directory.Exists(Path.Combine(site.Keys, SiteKeys.NextFolder)))
            throw new SiteException("A rotation of the site's keys is under way, or was interrupted. Wait for it, or start the site, which finishes it or takes it back; then take the backup again.", "backup_failed");
    }

    private static SiteException KeysChanged() => new("Keys and database do not belong together: the keys were changed meanwhile. Take the backup again.", "backup_failed");

    private static string ReadmeText(string siteCode) =>
        $"""
        This is a backup of the Capstan site {siteCode}: its database and its private keys. It is a secret: keep it as you keep the keys of the site itself.

        It is complete only with the file backup.json, which is written last.
        To restore it: capstan restore THIS-DIRECTORY --data NEW-DIRECTORY
        Client access points are not in it: a restored site fills them again.
        The content of packages is not in it either: a restored site reads it back from its client access points. Keep one of them whole.

        """;
}
