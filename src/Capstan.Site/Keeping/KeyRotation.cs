using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Site.Keeping;

/// <summary>What a rotation has done.</summary>
/// <param name="RootVersion">Of the root that names the keys now.</param>
/// <param name="NewRootKey">Where a new root key lies; null when the root key stayed.</param>
/// <param name="SealedUntil">Until when uploads to the former sealing key are opened; null when it stayed.</param>
public sealed record RotationReport(string SiteCode, IReadOnlyList<string> Roles, int RootVersion, string? NewRootKey, DateTimeOffset? SealedUntil);

/// <summary>Replaces keys of a site that does not run: new keys are made, metadata is signed with them and stored, and then they take the old ones' place.</summary>
/// <remarks>
/// The transaction that stores the metadata decides, since it names the rotation. Interrupted before it, the new keys are thrown away by the next start; after it, the next start puts them in place
/// (<see cref="FinishAsync"/>).
/// </remarks>
public static class KeyRotation
{
    private const string Mark = "rotation";

    /// <param name="roles">Empty for all that lie on the server; see <see cref="RotationPlan.Names"/>.</param>
    /// <param name="rootKey">A file with the present root key; null for the one in <c>keys/</c>.</param>
    /// <exception cref="SiteException">With cause and next step.</exception>
    public static async Task<RotationReport> RotateAsync(string directory, IReadOnlyList<string> roles, bool withRoot, string? rootKey, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        var plan = RotationPlan.Of(roles, withRoot);
        var home = new SiteDirectory(directory);
        var identity = home.ReadIdentity();
        using var taken = SiteServer.Lock(home);
        await using var database = await SiteDatabase.OpenAsync(home.Database, time, cancellationToken);
        await FinishAsync(home, database, time, cancellationToken);
        var stored = await new PublishStore(database).LoadAsync(cancellationToken)
            ?? throw new SiteException($"The site in {home.Root} has never published, so nobody knows its keys yet. Start it once.", "never_published");
        using var now = SiteKeys.Load(home);
        var repository = TufRepository.Load(stored.State);
        if (!repository.Accepts(now.Tuf))
            throw Publisher.KeysOfAnotherSite(home);
        using var root = plan.NeedsRootKey ? RootKey(home, rootKey) : null;
        if (root is not null && !repository.IsRootKey(root))
            throw new SiteException($"{rootKey ?? SiteKeys.PathOf(home, SiteKeys.Root)} is not the root key that root version {repository.RootVersion} names: it was replaced, or is another site's.", "root_key_wrong");

        var mark = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        Prepare(home, plan, mark);
        using var next = SiteKeys.Load(home, next: true);
        var settings = new SettingStore(database);
        var at = await Publisher.SigningTimeAsync(settings, repository.RootExpires, time, cancellationToken);
        // After a restore that has not been started yet, this is the first publication: it goes above what clients have seen.
        var floor = await Publisher.FloorAsync(settings, stored.Version, cancellationToken);
        if (root is not null)
            repository.RotateRoot([root], [withRoot ? next.Tuf.ByRole[SiteKeys.Root] : root], 1, next.Tuf, at);
        await database.WriteAsync(async transaction =>
        {
            var files = repository.Publish(next.Tuf, at, floor, force: true);
            await Publisher.StoreAsync(transaction, repository, files, at);
            if (plan.Roles.Contains(SiteKeys.SealingRole, StringComparer.Ordinal))
                await SealAgainAsync(transaction, new SiteContext(identity, home, now, database, time, new Random(RandomNumberGenerator.GetInt32(int.MaxValue))), next);
            await SettingStore.SetAsync(transaction, SettingStore.Rotation, mark);
            await LocalAudit.AddAsync(transaction, "site rotate-keys", string.Join(", ", plan.Roles), at);
            await StatusStore.AddAsync(transaction, null, new StatusMessage
            {
                Severity = "information",
                Code = "keys_rotated",
                Component = "keeping",
                Text = $"New keys: {string.Join(", ", plan.Roles)}; root version {repository.RootVersion}. Take a backup: older ones hold keys that clients refuse.",
                ReportedAt = Times.Of(at),
            }, at);
        }, cancellationToken);
        var until = time.GetUtcNow() + RotationPlan.Overlap;
        PutInPlace(home, until);
        return new RotationReport(identity.SiteCode, plan.Roles, repository.RootVersion, withRoot ? SiteKeys.PathOf(home, SiteKeys.Root) : null,
            plan.Roles.Contains(SiteKeys.SealingRole, StringComparer.Ordinal) ? until : null);
    }

    /// <summary>What an interrupted rotation left: keys that the store names take their place, others go. The site's lock is held.</summary>
    internal static async Task FinishAsync(SiteDirectory home, SiteDatabase database, TimeProvider time, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(home.Keys, SiteKeys.NextFolder);
        if (!Directory.Exists(folder))
            return;
        var mark = Path.Combine(folder, Mark);
        if (File.Exists(mark) && await new SettingStore(database).GetAsync(SettingStore.Rotation, cancellationToken) is { } named && await File.ReadAllTextAsync(mark, cancellationToken) == named)
            PutInPlace(home, time.GetUtcNow() + RotationPlan.Overlap);
        else
            Clear(home);
    }

    /// <summary>Removes former sealing keys some time after they opened for the last time: whoever gets hold of the directory later opens no old uploads with them.</summary>
    /// <remarks>Under a clock that is wrong it comes too early; clients then sign again what was sealed to the key.</remarks>
    internal static void ForgetFormer(SiteDirectory home, DateTimeOffset now)
    {
        foreach (var (path, until) in SiteKeys.FormerFiles(home).ToList())
        {
            if (until + RotationPlan.Kept <= now)
                File.Delete(path);
        }
    }

    private static ECDsa RootKey(SiteDirectory home, string? file)
    {
        var path = file ?? SiteKeys.PathOf(home, SiteKeys.Root);
        return File.Exists(path)
            ? SiteKeys.ReadSigning(path)
            : throw new SiteException($"This needs the root key, and {path} is not there. Bring the stick with your copy and give --root-key FILE; without it only --role site, packages, client, policy, receipts and sealing can be replaced.", "root_key_missing");
    }

    /// <summary>The mark comes last: without it, what lies here is thrown away.</summary>
    private static void Prepare(SiteDirectory home, RotationPlan plan, string mark)
    {
        var folder = Path.Combine(home.Keys, SiteKeys.NextFolder);
        SiteDirectory.CreateOwned(folder);
        foreach (var role in plan.Roles)
            SiteKeys.CreateNext(home, role);
        SiteDirectory.WriteOwned(Path.Combine(folder, Mark), Encoding.ASCII.GetBytes(mark));
        BackupFolder.FlushNames(folder);
        BackupFolder.FlushNames(home.Keys);
    }

    /// <summary>The passwords of connection accounts lie sealed to the site itself.</summary>
    private static async Task SealAgainAsync(DbTransaction transaction, SiteContext before, SiteKeys next)
    {
        var accounts = new SiteAccounts(before, new AccountStore(before.Database), NullLogger<SiteAccounts>.Instance);
        foreach (var row in await AccountStore.ListAsync(transaction))
        {
            if (accounts.Open(row) is not { } account)
                continue;
            var secret = PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(account.Name, account.Password.Reveal())] }, next.SealingKey);
            await AccountStore.RemoveAsync(transaction, row);
            await AccountStore.AddAsync(transaction, row with { Secret = secret });
        }
    }

    /// <summary>Each step can be repeated: a key that waits has not taken its place yet.</summary>
    private static void PutInPlace(SiteDirectory home, DateTimeOffset sealedUntil)
    {
        if (File.Exists(SiteKeys.NextPathOf(home, SiteKeys.SealingRole)) && File.Exists(SiteKeys.PathOf(home, SiteKeys.SealingRole)))
        {
            var sealing = File.ReadAllBytes(SiteKeys.PathOf(home, SiteKeys.SealingRole));
            // An earlier try may have come as far, at another time.
            if (!SiteKeys.FormerFiles(home).Any(former => File.ReadAllBytes(former.Path).AsSpan().SequenceEqual(sealing)))
                SiteDirectory.WriteWhole(SiteKeys.FormerPathOf(home, sealedUntil), sealing);
        }
        foreach (var role in RotationPlan.Names.Append(SiteKeys.Root).Where(role => File.Exists(SiteKeys.NextPathOf(home, role))))
            File.Move(SiteKeys.NextPathOf(home, role), SiteKeys.PathOf(home, role), overwrite: true);
        BackupFolder.FlushNames(home.Keys);
        Clear(home);
    }

    private static void Clear(SiteDirectory home)
    {
        var folder = Path.Combine(home.Keys, SiteKeys.NextFolder);
        // The mark first: from then on nothing here counts. By name, and nothing else.
        File.Delete(Path.Combine(folder, Mark));
        foreach (var role in RotationPlan.Names.Append(SiteKeys.Root))
            File.Delete(SiteKeys.NextPathOf(home, role));
        Directory.Delete(folder);
        BackupFolder.FlushNames(home.Keys);
    }
}
