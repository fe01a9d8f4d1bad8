using Capstan.Protocol.V1;

namespace Capstan.Site.Distribution.Content;

/// <summary>What is decided about packages without asking anybody. Pure.</summary>
internal static class PackageRules
{
    /// <summary>Left free by each restore, for versions that the site has given out and does not remember.</summary>
    public const long EpochGap = 1_000;

    /// <summary>Most versions of all packages: one signed list of at most 5 MB names them, with what is advertised.</summary>
    public const int MostVersions = 15_000;

    /// <summary>What is wrong with a name; null for nothing. One with a slash, or of dots alone, has no address in the API.</summary>
    public static string? NameProblem(string? name) =>
        string.IsNullOrWhiteSpace(name) || name.Length > PackageManifest.MaxName || name.Any(char.IsControl) ? $"The name of a package has 1 to {PackageManifest.MaxName} characters, none of them control characters."
        : name.Contains('/', StringComparison.Ordinal) || name.All(letter => letter == '.') ? "The name of a package has no slash, and is not made of dots alone: give another one."
        : null;

    /// <summary>Number of a package's next version: never one that clients may know as another content.</summary>
    /// <param name="last">The last one that was given, removed or not; 0 before the first.</param>
    /// <param name="lastEpoch">In which epoch of the site.</param>
    /// <param name="epoch">The site's epoch now.</param>
    public static long NextVersion(long last, long lastEpoch, long epoch) => last + (epoch > lastEpoch && last > 0 ? EpochGap : 1);
}
