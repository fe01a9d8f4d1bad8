using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Keeping;

/// <summary>What a restore, or a new epoch, has done.</summary>
/// <param name="Clients">Approved ones.</param>
/// <param name="TokensEnded">Enrolment tokens that could still be used.</param>
/// <param name="Notes">For a person: what was seen on the CAPs, what to look after.</param>
public sealed record RestoreReport(string Directory, string SiteCode, long Epoch, int Clients, int TokensEnded, IReadOnlyList<string> Notes);

/// <summary>Makes a site of a backup, or lets a site that was put back by other means begin anew: in a new epoch, above all that its clients have seen.</summary>
public static class SiteRestore
{
    /// <summary>Restores into a new directory. The site is complete with its <c>site.json</c>, which is written last; what an interrupted call left is not taken for one.</summary>
    /// <param name="machine">Where connections are counted; null for this process alone.</param>
    /// <exception cref="SiteException">With cause and next step.</exception>
    public static Task<RestoreReport> RestoreAsync(string backup, string directory, TimeProvider time, NalMachine? machine, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        RestoreAsync(backup, directory, StorageProviders.All(time), time, machine, loggers, cancellationToken);

    /// <summary>As the public form, with given storage.</summary>
    internal static async Task<RestoreReport> RestoreAsync(string backup, string directory, IEnumerable<IStorageProvider> providers, TimeProvider time, NalMachine? machine,
        ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        var folder = new BackupFolder(backup);
        var home = new SiteDirectory(directory);
        try
        {
            var manifest = await folder.ReadAsync(cancellationToken);
            BackupFolder.CreateEmpty(home.Root, folder.Root, "restored site");
            // First of all: what an interrupted restore leaves is no beginning of a new site.
            SiteDirectory.WriteOwned(home.Restoring, []);
            using var taken = SiteServer.Lock(home);
            SiteDirectory.CreateOwned(home.Keys);
            SiteDirectory.CreateOwned(home.Quarantine);
            foreach (var file in manifest.Files.Where(file => file.Path != BackupFolder.IdentityName))
            {
                if (await BackupFolder.CopyAsync(Path.Combine(folder.Root, file.Path), Path.Combine(home.Root, file.Path), cancellationToken) != (file.LengthBytes, file.Sha256))
                    throw new SiteException($"{file.Path} of the backup {folder.Root} changed while it was read. Nothing was restored; remove {home.Root} by hand, and begin again.", "backup_damaged");
            }
            home.WriteNewApiToken();
            BackupFolder.FlushNames(home.Keys);
            var report = await BeginAsync(home, folder.Site.ReadIdentity(), $"from the backup of {manifest.CreatedAt:u}", isNew: true, providers, time, machine, loggers, cancellationToken);
            File.Delete(home.Restoring);
            return manifest.HasRootKey ? report with { Notes = [.. report.Notes, "The root key came with the backup and lies in keys/ now: take it away again."] } : report;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or DbException)
        {
            throw new SiteException($"Restoring to {home.Root} failed: {cause.Message} What lies there is no site; remove it by hand, and begin again.", "restore_failed", cause);
        }
    }

    /// <summary>For a site that was put back by other means (a snapshot of its machine, a copied directory), and for one that another restore has overtaken. It must not run.</summary>
    /// <exception cref="SiteException">With cause and next step.</exception>
    public static Task<RestoreReport> BeginEpochAsync(string directory, TimeProvider time, NalMachine? machine, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        BeginEpochAsync(directory, StorageProviders.All(time), time, machine, loggers, cancellationToken);

    /// <summary>As the public form, with given storage.</summary>
    internal static async Task<RestoreReport> BeginEpochAsync(string directory, IEnumerable<IStorageProvider> providers, TimeProvider time, NalMachine? machine, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        var home = new SiteDirectory(directory);
        var identity = home.ReadIdentity();
        using var taken = SiteServer.Lock(home);
        return await BeginAsync(home, identity, "as an administrator asked", isNew: false, providers, time, machine, loggers, cancellationToken);
    }

    private static async Task<RestoreReport> BeginAsync(SiteDirectory home, SiteIdentity before, string how, bool isNew, IEnumerable<IStorageProvider> providers, TimeProvider time,
        NalMachine? machine, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        await using var database = await SiteDatabase.OpenAsync(home.Database, time, cancellationToken);
        await KeyRotation.FinishAsync(home, database, time, cancellationToken);
        using var keys = SiteKeys.Load(home);
        var random = new Random(RandomNumberGenerator.GetInt32(int.MaxValue));
        var site = new SiteContext(before, home, keys, database, time, random);
        var caps = new CapStore(database);
        var published = await new PublishStore(database).LoadAsync(cancellationToken);
        await using var arbiter = new ConnectionArbiter(providers, new ArbiterOptions { Machine = machine }, time, random, loggers);
        var access = new CapAccess(arbiter, caps, new SiteAccounts(site, new AccountStore(database), loggers.CreateLogger<SiteAccounts>()));
        var shown = await new CapLook(site, access).AllAsync(await caps.ListAsync(cancellationToken), published?.State, cancellationToken);

        var now = time.GetUtcNow();
        var last = published?.Version ?? 0;
        var epoch = RestoreRules.Epoch(Math.Max(before.Epoch, await EpochSeenAsync(database, cancellationToken)), Highest(shown, cap => cap.Epoch), now);
        var floor = RestoreRules.VersionFloor(last, Highest(shown, cap => cap.Version), now);
        var text = $"The site began epoch {epoch} {how}, after epoch {before.Epoch}. Clients follow by themselves; those that it does not know ask again and wait for approval.";
        // The latest word of the latest life.
        var policies = shown.OrderByDescending(cap => cap.Epoch).ThenByDescending(cap => cap.Version).FirstOrDefault()?.Policies ?? [];
        var ended = (await new BuildStore(database).OrdersAsync(cancellationToken)).Where(order => order is { Stands: true, Downgrade: 1 }).ToList();
        var users = await new UserStore(database).ListAsync(cancellationToken);
        var packages = (await new PackageStore(database).ListAsync(cancellationToken)).DistinctBy(version => version.PackageId, StringComparer.Ordinal).Count();
        var (tokens, recovered, clients, offers) = await database.WriteAsync(async transaction =>
        {
            var lacking = await OfferRestore.NoteAsync(transaction, policies.SelectMany(policy => policy.Advertisements));
            var tokensEnded = await EpochStart.ApplyAsync(transaction, floor, Highest(shown, cap => cap.BuildOrder), lacking is null ? text : $"{text} {lacking}", now);
            await LocalAudit.AddAsync(transaction, isNew ? "restore" : "site new-epoch", $"epoch {epoch}, {how}", now);
            return (tokensEnded, await CapMemory.ApplyAsync(transaction, policies, now), await DeviceStore.CountApprovedAsync(transaction), lacking);
        }, cancellationToken);
        // Last: with it, the directory is the site of the new epoch. Interrupted before, it is none, or still that of the epoch before, and the call is repeated.
        home.WriteIdentity(before with { Epoch = epoch }, replace: !isNew);
        BackupFolder.FlushNames(home.Root);
        return new RestoreReport(home.Root, before.SiteCode, epoch, clients, tokens,
        [
            .. Notes(shown, last, published is null ? 0 : RootVersionOf(published.Value.State), now),
            .. isNew && packages > 0 ? [$"The content of {packages} packages is not in the backup: the site reads it back from its client access points when it runs. `capstan content verify` says what is whole nowhere."] : Array.Empty<string>(),
            .. offers is null ? Array.Empty<string>() : [offers],
            .. recovered is (0, 0) ? Array.Empty<string>() : [$"Policies on a CAP are newer than the backup: {recovered.Approved} clients were approved again by them, and {recovered.Retired} retired."],
            .. ended.Select(order => $"The order to go back to {order.Version} on {order.Platform} ended: clients may have been ordered another build since. Order again what they are to run: `capstan client build use`."),
            .. users.Count == 0 ? Array.Empty<string>() : [$"These may sign in, with the passwords of that time: {string.Join(", ", users.Select(user => user.Name))}. Remove who left since: `capstan user list`."],
        ]);
    }

    private static IEnumerable<string> Notes(IReadOnlyList<CapShown> shown, long last, int rootVersion, DateTimeOffset now)
    {
        foreach (var cap in shown)
            yield return cap.Failure is { } failure && cap.Version == 0
                ? $"{cap.Path}: could not be looked at ({failure.ReplaceLineEndings(" ")}); it is published to as soon as it can be."
                : cap.Version == 0 ? $"{cap.Path}: shows nothing of this site; it is filled again."
                : $"{cap.Path}: shows version {cap.Version}{(cap.Epoch > 0 ? $" of epoch {cap.Epoch}" : "")}; the restored site goes on above it.{(cap.Failure is { } reason ? $" Its policies could not all be read ({reason.ReplaceLineEndings(" ")}): clients that came or went after the backup ask again, or must be retired again." : "")}";
        if (Highest(shown, cap => cap.RootVersion) is var root && root > rootVersion && rootVersion > 0)
            yield return $"Keys were changed after the backup: CAPs show root version {root}, and the backup knows {rootVersion}. Clients refuse what its keys sign; restore a newer backup.";
        if (RestoreRules.IsClockDoubtful(last, now))
            yield return $"The backup's metadata has version {last}, which is ahead of this clock ({now:u}): the clock was wrong then, or is wrong now. Set it right before the site is started.";
    }

    private static long Highest(IReadOnlyList<CapShown> shown, Func<CapShown, long> number) => shown.Count == 0 ? 0 : shown.Max(number);

    private static int RootVersionOf(byte[] state) => Protocol.Tuf.TufRepository.Load(state).RootVersion;

    private static async Task<long> EpochSeenAsync(SiteDatabase database, CancellationToken cancellationToken) =>
        long.TryParse(await new SettingStore(database).GetAsync(SettingStore.EpochSeen, cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out var seen) ? seen : 0;
}
