using Capstan.Site.Store;

namespace Capstan.Site;

/// <summary>What every part of an open site works with.</summary>
internal sealed record SiteContext(SiteIdentity Site, SiteDirectory Directory, SiteKeys Keys, SiteDatabase Database, TimeProvider Time, Random Random)
{
    /// <summary>How many bins of policies the first publish makes, as a power of two; those of a site that has published stay. Default 8 bits (256 bins), 4 to 12.</summary>
    public int PolicyBinBits { get; init; } = 8;

    public long NowMilliseconds => Times.Of(Time.GetUtcNow());
}
