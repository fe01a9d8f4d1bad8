using System.Data.Common;
using System.Text.Json;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>What an offer must know of a version of a package.</summary>
/// <param name="NativeFormat"><c>deb</c> or <c>rpm</c> where the version is one package of an operating system; null otherwise.</param>
/// <param name="NativeName">Name of that package, and <paramref name="NativeFile"/>, the file in the version.</param>
internal sealed record OfferedPackage(string PackageId, string Name, long Version, string? NativeFormat, string? NativeName, string? NativeFile)
{
    /// <summary>How long after the end of an advertisement clients may still need its package to take away what it installed.</summary>
    private static readonly TimeSpan LongestRemoval = TimeSpan.FromDays(30);

    /// <param name="idOrName">Its id, or its name in any case of letters.</param>
    /// <param name="version">Null for the newest.</param>
    /// <returns>Null where there is no such package, or no such version.</returns>
    public static async Task<OfferedPackage?> FindAsync(DbTransaction transaction, string idOrName, long? version)
    {
        var row = await transaction.Connection!.QueryFirstOrDefaultAsync<Row>(
            """
            select p.package_id, p.name, v.version, v.native from content_package p join content_version v on v.package_id = p.package_id
            where (p.package_id = @idOrName or p.name_key = @key) and (@version is null or v.version = @version)
            order by case when p.package_id = @idOrName then 0 else 1 end, v.version desc
            """, new { idOrName, key = idOrName.ToUpperInvariant(), version }, transaction);
        if (row is null)
            return null;
        using var native = row.Native is null ? null : JsonDocument.Parse(row.Native);
        return new OfferedPackage(row.PackageId, row.Name, row.Version, Text("format"), Text("name"), Text("file"));

        string? Text(string member) => native?.RootElement.TryGetProperty(member, out var value) == true ? value.GetString() : null;
    }

    /// <summary>Lets a package or a version of it go: with a package go its programs.</summary>
    /// <param name="version">Null for all of it.</param>
    /// <exception cref="SiteException"><c>package_in_use</c>: an advertisement offers it, or runs it before what it offers; a program of another package names one of its programs as its first; or clients take away with it what a removed one has installed.</exception>
    public static async Task ReleaseAsync(DbTransaction transaction, string packageId, long? version, DateTimeOffset now)
    {
        var offers = (await OfferStore.ActiveAsync(transaction)).Where(offer => offer.State != AdvertisementRow.Ended && offer.Read().Offer.Chain().Any(step => step.PackageId == packageId && (version is null || step.PackageVersion == version))).Take(5).ToList();
        if (offers.Count > 0)
            throw new SiteException($"It is advertised ({string.Join(", ", offers.Select(offer => offer.AdvertisementId))}): clients would look for content that is gone. End that with `capstan advertisement remove`, or offer another version.", "package_in_use");
        // What takes it away is a command inside it. A client that has been silent for long keeps it no longer.
        var removing = (await OfferStore.BeingRemovedAsync(transaction, packageId, version, now - LongestRemoval)).Where(row => row.Read().Offer.Program.Removal?.Command is not null).Take(5).ToList();
        if (removing.Count > 0)
            throw new SiteException($"Clients still run it to take away what {string.Join(", ", removing.Select(row => $"{row.Name} ({row.AdvertisementId})"))} installed. Wait until they have reported that it is done, at most {LongestRemoval.TotalDays:0} days, or retire those that are gone.", "package_in_use");
        if (version is null && (await OfferStore.FollowersOfPackageAsync(transaction, packageId)) is { Count: > 0 } followers)
            throw new SiteException($"Its programs have to run before {string.Join(", ", followers.Take(5))}: remove those first, or make them anew without it (`capstan program create --replace`).", "package_in_use");
        if (version is null)
            await transaction.Connection!.ExecuteAsync("delete from program where package_id = @packageId", new { packageId }, transaction);
    }

    private sealed record Row(string PackageId, string Name, long Version, string? Native);
}
