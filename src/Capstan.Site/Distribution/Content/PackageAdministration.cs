using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Takes packages in, lists and removes them. A version is published when all of it is durable in packs, and never changes.</summary>
internal sealed class PackageAdministration(SiteContext site, PackFolder folder, HomePacks home, ContentStore content, PackageStore packages, ContentWay way, NativePackages native, ContentTurn turn, ContentKeeper keeper, Publisher publisher,
    ILogger<PackageAdministration> logger)
{
    /// <summary>Makes a package of an archive: its version 1.</summary>
    /// <param name="upload">Told how it goes.</param>
    /// <exception cref="SiteException"><c>bad_package</c>, <c>package_exists</c>, <c>package_too_large</c>, <c>disk_full</c>, <c>too_many_versions</c>, <c>too_many_uploads</c>.</exception>
    public async Task<PackageVersionRow> CreateAsync(string name, Stream archive, PackageUploadWatch upload, CancellationToken cancellationToken)
    {
        if (PackageRules.NameProblem(name) is { } problem)
            throw new SiteException(problem, "bad_package");
        await RefuseTakenAsync(name, cancellationToken);
        return await PublishAsync(new PackageRecord(ObjectId.New(), name, 0, site.Site.Epoch), archive, upload, cancellationToken);
    }

    /// <summary>As the other form, for an upload that nobody watches.</summary>
    public Task<PackageVersionRow> CreateAsync(string name, Stream archive, CancellationToken cancellationToken) => CreateAsync(name, archive, new PackageUploadWatch(site.Time), cancellationToken);

    /// <summary>Makes the next version. An archive of the same content as the newest one makes none.</summary>
    /// <exception cref="SiteException">As for a new package; <c>package_unknown</c>.</exception>
    public async Task<PackageVersionRow> AddVersionAsync(string packageId, Stream archive, PackageUploadWatch upload, CancellationToken cancellationToken) =>
        await PublishAsync(await FindAsync(packageId, cancellationToken), archive, upload, cancellationToken);

    /// <summary>As the other form, for an upload that nobody watches.</summary>
    public Task<PackageVersionRow> AddVersionAsync(string packageId, Stream archive, CancellationToken cancellationToken) => AddVersionAsync(packageId, archive, new PackageUploadWatch(site.Time), cancellationToken);

    /// <summary>The newest version of each package, by name.</summary>
    public async Task<IReadOnlyList<PackageRow>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await packages.ListAsync(cancellationToken)).GroupBy(version => version.PackageId, StringComparer.Ordinal).Select(versions => versions.First() is var newest
            ? new PackageRow(newest.PackageId, newest.Name, (int)newest.Version, versions.Count(), newest.SizeBytes, (int)newest.FileCount, Times.At(newest.AddedAt), NativeOf(newest))
            : null!)];

    /// <exception cref="SiteException"><c>package_unknown</c></exception>
    public async Task<PackageDetail> ShowAsync(string packageId, CancellationToken cancellationToken)
    {
        var package = await FindAsync(packageId, cancellationToken);
        var versions = await packages.VersionsAsync(package.PackageId, cancellationToken);
        var rows = new List<PackageVersionRow>();
        foreach (var version in versions)
            rows.Add(RowOf(version, isNew: false) with { Caps = await way.OfAsync(version.PackageId, version.Version, cancellationToken) });
        return new PackageDetail(package.PackageId, package.Name, rows);
    }

    /// <summary>Takes away one version, or the package with all. Clients that have its content keep it; packs that nothing else needs go after <see cref="ContentKeeper.Grace"/>.</summary>
    /// <param name="packageId">Its id or its name.</param>
    /// <param name="version">Null for all.</param>
    /// <exception cref="SiteException"><c>package_unknown</c>, <c>package_in_use</c></exception>
    public async Task RemoveAsync(string packageId, int? version, CancellationToken cancellationToken)
    {
        var package = await FindAsync(packageId, cancellationToken);
        var removed = await site.Database.WriteAsync(async transaction =>
        {
            await OfferedPackage.ReleaseAsync(transaction, package.PackageId, version, site.Time.GetUtcNow());
            var count = await PackageStore.RemoveAsync(transaction, package.PackageId, version);
            if (count == 0 && version is not null)
                throw Unknown(packageId, version);
            await content.ReleaseAsync(transaction);
            return count;
        }, cancellationToken);
        ContentLog.PackageRemoved(logger, package.PackageId, package.Name, removed);
        keeper.Changed();
        publisher.Changed(PublishUrgency.Now);
    }

    private async Task<PackageVersionRow> PublishAsync(PackageRecord package, Stream archive, PackageUploadWatch upload, CancellationToken cancellationToken)
    {
        await RefuseFullAsync(cancellationToken);
        // One at a time: what it takes of memory and disk is then what one takes, and nothing is collected that it counts on.
        upload.Waits(() => turn.Holder);
        using var taken = await turn.TakeAsync($"publishing {package.Name}", cancellationToken);
        // Those before it in the queue have made versions since.
        await RefuseFullAsync(cancellationToken);
        upload.Begins();
        var published = await new Publication(folder, content, Unsound).RunAsync(archive, cancellationToken);
        var nativeJson = published.SingleFile is { } file && await native.ReadAsync(file, cancellationToken) is { } found ? JsonSerializer.Serialize(found, StoreJson.Default.NativeFile) : null;
        var row = await site.Database.WriteAsync(async transaction =>
        {
            // Gigabytes were read since: others have published, removed or named something meanwhile.
            if (package.LastVersion == 0 && await PackageStore.FindAsync(transaction, package.PackageId) is null)
            {
                if (await PackageStore.NamedAsync(transaction, package.Name) is { } taken)
                    throw Taken(taken);
            }
            else
                package = await PackageStore.FindAsync(transaction, package.PackageId) ?? throw Unknown(package.PackageId, null);
            if (await PackageStore.VersionAsync(transaction, package.PackageId, null) is { } newest && newest.TreeSha256 == published.Tree.Sha256 && await IsHereAsync(transaction, newest))
                return RowOf(newest, isNew: false) with { NewBytes = published.NewBytes };
            var now = site.Time.GetUtcNow();
            var number = PackageRules.NextVersion(package.LastVersion, package.LastEpoch, site.Site.Epoch);
            var manifest = Encode(new PackageManifest
            {
                SiteCode = site.Site.SiteCode,
                PackageId = package.PackageId,
                PackageVersion = (int)number,
                Name = package.Name,
                SizeBytes = published.SizeBytes,
                FileCount = published.FileCount,
                Tree = published.Tree,
            });
            await PackageStore.SaveAsync(transaction, package with { LastVersion = number, LastEpoch = site.Site.Epoch }, now);
            var version = new PackageVersionRecord(package.PackageId, package.Name, number, published.SizeBytes, published.FileCount, published.NewBytes, published.Tree.Sha256, nativeJson, Times.Of(now), Times.Of(now));
            await PackageStore.AddVersionAsync(transaction, version, manifest);
            await ContentStore.UseAsync(transaction, package.PackageId, number, published.Packs);
            return RowOf(version, isNew: true);
        }, cancellationToken);
        if (!row.IsNew)
        {
            // What it had lost is here again, and may lack on CAPs, too.
            if (row.NewBytes > 0)
                keeper.LookAgain();
            return row;
        }
        ContentLog.PackagePublished(logger, row.PackageId, row.Version, row.Name, row.FileCount, row.SizeBytes, row.NewBytes);
        keeper.Changed();
        publisher.Changed(PublishUrgency.Now);
        return row;
    }

    /// <summary>A publication found out what nobody had looked for: other versions may need the pack, so it comes back from a CAP.</summary>
    private void Unsound(PackRow pack, PackCondition condition)
    {
        ContentLog.PackNotBuiltUpon(logger, pack.Sha256, condition.State, condition.Problem ?? "it is not there, or not what its name says");
        // What could not be read now may be read later: it stays where it is.
        if (pack.UnusedSince is null && condition.Problem is null)
            home.Lost(pack, condition);
        keeper.LookAgain();
    }

    /// <summary>Whether every pack that a version names lies on the disk. Of one that lacks a pack the content just came again, and its next version names where that lies now.</summary>
    private async Task<bool> IsHereAsync(System.Data.Common.DbTransaction transaction, PackageVersionRecord version) =>
        (await ContentStore.PacksOfAsync(transaction, version.PackageId, version.Version)).All(pack => folder.Length(pack.Name) == pack.LengthBytes);

    /// <summary>By id, or by name.</summary>
    private async Task<PackageRecord> FindAsync(string package, CancellationToken cancellationToken) =>
        await packages.FindAsync(package, cancellationToken) ?? await packages.NamedAsync(package, cancellationToken) ?? throw Unknown(package, null);

    private async Task RefuseTakenAsync(string name, CancellationToken cancellationToken)
    {
        if (await packages.NamedAsync(name, cancellationToken) is { } taken)
            throw Taken(taken);
    }

    private async Task RefuseFullAsync(CancellationToken cancellationToken)
    {
        if (await packages.CountVersionsAsync(cancellationToken) >= PackageRules.MostVersions)
            throw new SiteException($"A site has at most {PackageRules.MostVersions} versions of packages, which one signed list names: remove those that nobody needs, with `capstan package remove`.", "too_many_versions");
    }

    private static SiteException Taken(PackageRecord taken) =>
        new($"There is a package named {taken.Name} ({taken.PackageId}). For its next version, name it by its id: `capstan package create … --id {taken.PackageId}`.", "package_exists");

    private static byte[] Encode(PackageManifest manifest)
    {
        try
        {
            return Documents.PackageManifest.Encode(manifest);
        }
        catch (ProtocolException cause)
        {
            throw new SiteException($"The package cannot be published: {cause.Message}. Divide it.", "package_too_large", cause);
        }
    }

    private static SiteException Unknown(string packageId, int? version) =>
        new(version is null ? $"There is no package '{packageId}'; `capstan package list` shows all." : $"There is no version {version} of a package '{packageId}'; `capstan package show {packageId}` shows all.", "package_unknown");

    private static NativeFile? NativeOf(PackageVersionRecord version) => version.Native is null ? null : JsonSerializer.Deserialize(version.Native, StoreJson.Default.NativeFile);

    private static PackageVersionRow RowOf(PackageVersionRecord version, bool isNew) => new(version.PackageId, version.Name, (int)version.Version, version.SizeBytes, (int)version.FileCount, version.NewBytes,
        version.TreeSha256, Times.At(version.AddedAt), isNew, NativeOf(version))
    { WaitingSince = Times.At(version.WaitingSince) };
}
