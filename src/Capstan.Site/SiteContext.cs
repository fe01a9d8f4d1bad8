using Capstan.Site.Store;

namespace Capstan.Site;

/// <summary>What every part of an open site works with.</summary>
internal sealed record SiteContext(SiteIdentity Site, SiteDirectory Directory, SiteKeys Keys, SiteDatabase Database, TimeProvider Time, Random Random)
{
    public long NowMilliseconds => Times.Of(Time.GetUtcNow());
}
