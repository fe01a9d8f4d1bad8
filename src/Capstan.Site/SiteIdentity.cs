namespace Capstan.Site;

/// <summary>The document <c>site.json</c>: what makes a directory a site. Written last by <c>site init</c>.</summary>
/// <param name="Epoch">Starts at 1; a restored site takes a higher one, see <see cref="Keeping.RestoreRules"/>.</param>
/// <param name="CreatedAt">Unix milliseconds.</param>
internal sealed record SiteIdentity(int Version, string SiteCode, long Epoch, long CreatedAt);
