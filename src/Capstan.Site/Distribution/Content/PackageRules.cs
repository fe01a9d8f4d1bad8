namespace Capstan.Site.Distribution.Content;

/// <summary>What is decided about packages without asking anybody. Pure.</summary>
internal static class PackageRules
{
    /// <summary>Left free by each restore, for versions that the site has given out and does not remember.</summary>
    public const long EpochGap = 1_000;

    /// <summary>Number of a package's next version: never one that clients may know as another content.</summary>
    /// <param name="last">The last one that was given, removed or not; 0 before the first.</param>
    /// <param name="lastEpoch">In which epoch of the site.</param>
    /// <param name="epoch">The site's epoch now.</param>
    public static long NextVersion(long last, long lastEpoch, long epoch) => last + (epoch > lastEpoch && last > 0 ? EpochGap : 1);
}
