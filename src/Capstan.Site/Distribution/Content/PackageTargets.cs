using System.Data.Common;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Site.Distribution.Content;

/// <summary>Puts the manifest of each version into what is signed, and takes away those of versions that were removed.</summary>
internal static class PackageTargets
{
    private const string Prefix = TufRole.Packages + "/pkg-";

    /// <summary>Within the transaction that signs. A version is left out until some CAP has all of its packs, so no client is sent to what is not there yet.</summary>
    public static async Task SetAsync(DbTransaction transaction, TufRepository repository)
    {
        var listed = repository.TargetsOf(TufRole.Packages).Where(path => path.StartsWith(Prefix, StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        foreach (var (packageId, version) in await PackageStore.NumbersAsync(transaction))
        {
            var path = Layout.PackageTarget(packageId, (int)version);
            // A number is never given again, so what is listed is what is stored.
            if (!listed.Remove(path))
                repository.SetTarget(path, (await PackageStore.ManifestAsync(transaction, packageId, version))!);
        }
        foreach (var gone in listed)
            repository.RemoveTarget(gone);
    }
}
