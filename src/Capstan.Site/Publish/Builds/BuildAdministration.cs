using System.IO.Compression;
using System.Security.Cryptography;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish.Builds;

/// <summary>Takes builds of the agent in, and orders which one clients run.</summary>
internal sealed class BuildAdministration(SiteContext site, BuildStore builds, Publisher publisher)
{
    /// <summary>Of Brotli: a third of the size in a few seconds; the next steps take minutes for a tenth less.</summary>
    private const int Quality = 6;

    /// <summary>Files that came without their build are kept so long.</summary>
    private static readonly TimeSpan KeepLoose = TimeSpan.FromDays(1);

    /// <summary>Packs and keeps a file, unless it is here already.</summary>
    /// <exception cref="SiteException"><c>bad_build</c>: longer than a client takes, or not the content that its name says.</exception>
    public async Task SaveFileAsync(string sha256, Stream content, CancellationToken cancellationToken)
    {
        if (await builds.HasFileAsync(sha256, cancellationToken))
            return;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var packed = new MemoryStream();
        long length = 0;
        var brotli = new BrotliStream(packed, new BrotliCompressionOptions { Quality = Quality }, leaveOpen: true);
        await using (brotli.ConfigureAwait(false))
        {
            var buffer = new byte[128 << 10];
            while (await content.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            {
                length += count;
                if (length > BuildFile.MaxBytes)
                    throw new SiteException($"The file has more than {BuildFile.MaxBytes >> 20} MiB, which no client takes.", "bad_build");
                hash.AppendData(buffer, 0, count);
                await brotli.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            }
        }
        if (Convert.ToHexStringLower(hash.GetHashAndReset()) != sha256)
            throw new SiteException("The content that arrived is not the one with that SHA-256: send it again.", "bad_build");
        await builds.SaveFileAsync(sha256, length, packed.ToArray(), site.Time.GetUtcNow(), cancellationToken);
    }

    public async Task<IReadOnlyList<ClientBuildRow>> ListAsync(CancellationToken cancellationToken)
    {
        var orders = (await builds.OrdersAsync(cancellationToken)).Where(order => order.Stands).ToDictionary(order => order.Platform, StringComparer.Ordinal);
        return [.. (await builds.ListAsync(cancellationToken)).Select(row => Row(row, orders.GetValueOrDefault(row.Platform)))];
    }

    /// <summary>Makes a build of files that are here. The same build again changes nothing.</summary>
    /// <exception cref="SiteException"><c>bad_build</c>, <c>build_exists</c>: a version has one content for ever.</exception>
    public async Task<ClientBuildRow> AddAsync(ClientBuildAdd request, CancellationToken cancellationToken) => await site.Database.WriteAsync(async transaction =>
    {
        CheckPlatform(request.Platform);
        var files = new List<BuildFile>();
        foreach (var file in request.Files)
            files.Add(new BuildFile(file.Name, file.IsExecutable,
                await BuildStore.LengthAsync(transaction, file.Sha256) ?? throw new SiteException($"The content of {file.Name} is not here: send it first.", "bad_build"),
                file.Sha256, Layout.BuildFileTarget(file.Sha256)));
        files.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        var build = new ClientBuild { Platform = request.Platform, Version = request.Version, Order = 1, Downgrade = false, SpreadSeconds = 0, Files = files };
        Check([build]);
        if (build.Version == ClientBuild.OfPackage)
            throw new SiteException($"'{ClientBuild.OfPackage}' is no version: it stands for the build that each machine's own package has.", "bad_build");
        if (await BuildStore.FindAsync(transaction, build.Platform, build.Version) is { } known)
        {
            if ((build with { Files = known.Files }).Id() != build.Id())
                throw new SiteException($"Version {build.Version} for {build.Platform} is here with another content. Give the new one another version, or remove the old one first.", "build_exists");
            return Row(known, order: null);
        }
        await BuildStore.AddAsync(transaction, build.Platform, build.Version, files, site.Time.GetUtcNow());
        return Row((await BuildStore.FindAsync(transaction, build.Platform, build.Version))!, order: null);
    }, cancellationToken);

    /// <exception cref="SiteException"><c>build_unknown</c>, <c>build_in_use</c>.</exception>
    public Task RemoveAsync(string platform, string version, CancellationToken cancellationToken) => site.Database.WriteAsync(async transaction =>
    {
        if ((await BuildStore.OrdersAsync(transaction)).Any(order => order.Stands && order.Platform == platform && order.Version == version))
            throw new SiteException($"Clients are ordered to run {version} ({platform}). Order another one first: `capstan client build use`.", "build_in_use");
        if (!await BuildStore.RemoveAsync(transaction, platform, version))
            throw Unknown(platform, version);
        await BuildStore.PruneFilesAsync(transaction, site.Time.GetUtcNow() - KeepLoose);
    }, cancellationToken);

    /// <summary>Orders a version. The same again is a new order: clients on which it failed try it once more.</summary>
    /// <exception cref="SiteException"><c>build_unknown</c>, <c>bad_build</c>.</exception>
    public async Task<ClientBuildOrdered> UseAsync(ClientBuildUse request, CancellationToken cancellationToken)
    {
        CheckPlatform(request.Platform);
        var ordered = await site.Database.WriteAsync(async transaction =>
        {
            var before = (await BuildStore.OrdersAsync(transaction)).FirstOrDefault(order => order.Platform == request.Platform);
            var isPackage = request.Version == ClientBuild.OfPackage;
            var row = isPackage ? null : await BuildStore.FindAsync(transaction, request.Platform, request.Version) ?? throw Unknown(request.Platform, request.Version);
            var clients = await DeviceStore.CountApprovedAsync(transaction);
            var build = new ClientBuild
            {
                Platform = request.Platform,
                Version = request.Version,
                Order = BuildRules.Number(before?.OrderNumber, site.Time.GetUtcNow()),
                Downgrade = request.Downgrade == true || BuildRules.IsDowngrade(request.Version, before?.Highest),
                SpreadSeconds = request.SpreadSeconds ?? (int)BuildRules.Spread(clients, row?.PackedBytes ?? 0).TotalSeconds,
                Files = row?.Files ?? [],
            };
            await BuildStore.OrderAsync(transaction, build, BuildRules.Highest(request.Version, before?.Highest), site.Time.GetUtcNow());
            // All of them, as they are published: an order that cannot be would stop every publication.
            Check([.. (await BuildStore.OrdersAsync(transaction)).Where(order => order.Stands).Select(order => order.ToBuild())]);
            return new ClientBuildOrdered(build.Platform, build.Version, build.Order, build.Downgrade, build.SpreadSeconds, row?.PackedBytes ?? 0, (int)clients);
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Now);
        return ordered;
    }

    /// <summary>Ends the order for a platform: its clients keep the build that they have, until they are ordered another one.</summary>
    /// <exception cref="SiteException"><c>build_unknown</c>.</exception>
    public async Task EndAsync(string platform, CancellationToken cancellationToken)
    {
        await site.Database.WriteAsync(async transaction => await BuildStore.EndOrderAsync(transaction, platform, site.Time.GetUtcNow())
            ? true
            : throw new SiteException($"Clients of {platform} are ordered no build; `capstan client build list` shows all.", "build_unknown"), cancellationToken);
        publisher.Changed(PublishUrgency.Now);
    }

    private void Check(IReadOnlyList<ClientBuild> all)
    {
        try
        {
            Documents.ClientBuilds.Encode(new ClientBuilds { SiteCode = site.Site.SiteCode, Builds = all });
        }
        catch (ProtocolException cause)
        {
            throw new SiteException($"Clients would refuse this: {cause.Message}.", "bad_build", cause);
        }
    }

    private static void CheckPlatform(string platform)
    {
        if (!BuildRules.Platforms.Contains(platform, StringComparer.Ordinal))
            throw new SiteException($"'{platform}' is no platform of the agent: choose from {string.Join(", ", BuildRules.Platforms)}.", "bad_build");
    }

    private static SiteException Unknown(string platform, string version) =>
        new($"There is no build {version} for {platform}; `capstan client build list` shows all.", "build_unknown");

    private static ClientBuildRow Row(BuildRow row, BuildOrderRow? order) => new(row.Platform, row.Version,
        new ClientBuild { Platform = row.Platform, Version = row.Version, Order = 1, Downgrade = false, SpreadSeconds = 0, Files = row.Files }.Id(),
        row.Files.Count, row.Files.Sum(file => file.LengthBytes), row.PackedBytes, Times.At(row.AddedAt), order?.Version == row.Version, order?.Version == row.Version ? Times.At(order.OrderedAt) : null);
}
