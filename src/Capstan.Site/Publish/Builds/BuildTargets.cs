using System.Data.Common;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Publish.Builds;

/// <summary>Puts what clients are ordered to run into what is signed: the document, and each file of the ordered builds. Files of builds that nobody is ordered to run go.</summary>
internal static class BuildTargets
{
    /// <summary>Within the transaction that signs.</summary>
    public static async Task SetAsync(DbTransaction transaction, TufRepository repository, string siteCode)
    {
        var orders = await BuildStore.OrdersAsync(transaction);
        if (orders.Count == 0)
            return;
        // None may be left: then the document says so, since one that is missing says nothing.
        var builds = new ClientBuilds { SiteCode = siteCode, Builds = [.. orders.Where(order => order.Stands).Select(order => order.ToBuild())] };
        var document = Documents.ClientBuilds.Encode(builds);
        var hash = SiteTargets.Sha256(document);
        if (await SettingStore.GetAsync(transaction, SettingStore.PublishedBuilds) == hash)
            return;
        var files = builds.Builds.SelectMany(build => build.Files).DistinctBy(file => file.Sha256, StringComparer.Ordinal).ToDictionary(file => file.Target, StringComparer.Ordinal);
        var listed = repository.TargetsOf(TufRole.Client);
        foreach (var gone in listed.Where(path => path != Layout.ClientBuildsTarget && !files.ContainsKey(path)))
            repository.RemoveTarget(gone);
        foreach (var file in files.Values.Where(file => !listed.Contains(file.Target)))
            repository.SetTarget(file.Target, await BuildStore.PackedAsync(transaction, file.Sha256));
        repository.SetTarget(Layout.ClientBuildsTarget, document);
        await SettingStore.SetAsync(transaction, SettingStore.PublishedBuilds, hash);
    }
}
