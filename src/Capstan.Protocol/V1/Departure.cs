namespace Capstan.Protocol.V1;

/// <summary>Upload item <c>departure</c>: the last word of a client that moves to another site. Shown, never used to decide: it ends no certificate, and the next record takes it back.</summary>
public sealed record Departure
{
    public int Version { get; init; } = 1;
    /// <summary>Code of the site that it moves to.</summary>
    public required string SiteCode { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
    }
}
