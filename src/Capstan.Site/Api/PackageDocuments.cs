namespace Capstan.Site.Api;

/// <summary>GET /api/v1/packages: each package with its newest version.</summary>
/// <param name="Version">Number of the newest version.</param>
/// <param name="Versions">How many versions the site has.</param>
/// <param name="SizeBytes">Of the files of the newest version.</param>
/// <param name="Native">What a Debian or RPM package that it holds says of itself; null for none.</param>
public sealed record PackageRow(string PackageId, string Name, int Version, int Versions, long SizeBytes, int FileCount, DateTimeOffset AddedAt, NativeFile? Native);

/// <summary>GET /api/v1/packages/{id}: its versions, the newest first.</summary>
public sealed record PackageDetail(string PackageId, string Name, IReadOnlyList<PackageVersionRow> Versions);

/// <summary>The answer to POST /api/v1/packages?name=… and POST /api/v1/packages/{id}/versions, whose body is a tar stream.</summary>
/// <param name="NewBytes">What was written for it, packed, with the list of its files: the rest of its content was there. Of small files more than <paramref name="SizeBytes"/>.</param>
/// <param name="TreeSha256">Of the list of what it holds: equal for equal content.</param>
/// <param name="IsNew">False: the newest version has this content already, and none was made.</param>
public sealed record PackageVersionRow(string PackageId, string Name, int Version, long SizeBytes, int FileCount, long NewBytes, string TreeSha256, DateTimeOffset AddedAt, bool IsNew, NativeFile? Native)
{
    /// <summary>Since when it waits for a client access point that has all of it; null when clients are offered it.</summary>
    public DateTimeOffset? WaitingSince { get; init; }

    /// <summary>How it is on each client access point; null where nobody asked for that.</summary>
    public IReadOnlyList<VersionOnCap>? Caps { get; init; }
}

/// <param name="Cap">Its path.</param>
/// <param name="Packs">That hold the version.</param>
/// <param name="MissingPacks">Of those, what is not there yet; null when the site has not looked there since it started.</param>
/// <param name="NextTry">When a CAP that failed is tried again.</param>
/// <param name="Problem">Why it waits there; null when nothing is wrong.</param>
public sealed record VersionOnCap(string Cap, int Packs, int? MissingPacks, long? MissingBytes, DateTimeOffset? NextTry, string? Problem);

/// <summary>GET /api/v1/site-directory: what is no source of a package.</summary>
/// <param name="Directory">Null for who asks from another machine.</param>
public sealed record SiteDirectoryRow(string? Directory);

/// <summary>GET /api/v1/package-uploads/{id}: an upload of a package whose request named itself so in the header <c>Capstan-Upload</c>.</summary>
/// <param name="State"><c>waiting</c> (one is published at a time), <c>receiving</c>, <c>published</c> or <c>refused</c>.</param>
/// <param name="ReceivedBytes">Of the archive.</param>
/// <param name="WaitingFor">What is published meanwhile; null when it does not wait.</param>
/// <param name="Result">Null unless it is published.</param>
/// <param name="Problem">Why it was refused; null otherwise.</param>
public sealed record PackageUpload(string State, DateTimeOffset StartedAt, long ReceivedBytes, string? WaitingFor, PackageVersionRow? Result, Problem? Problem)
{
    public const string Waiting = "waiting";
    public const string Receiving = "receiving";
    public const string Published = "published";
    public const string Refused = "refused";
}

/// <summary>A Debian or RPM package at the top of a package, the only one there.</summary>
/// <param name="Format"><c>deb</c> or <c>rpm</c>.</param>
/// <param name="Name">As the package says; null when it could not be read, then with the other two.</param>
/// <param name="File">Its name in the package.</param>
/// <param name="Problem">Why it could not be read; null when it was.</param>
public sealed record NativeFile(string Format, string? Name, string? Version, string? Architecture, string File, string? Problem = null);

/// <summary>POST and GET /api/v1/content/verify: the run that lasts, or the last one.</summary>
/// <param name="FinishedAt">Null while it lasts.</param>
/// <param name="Packs">Read so far, on the site and on every CAP.</param>
/// <param name="Findings">What was not as it should be.</param>
/// <param name="MoreFindings">Beyond those that are listed.</param>
/// <param name="Ok">Everything is whole now; null while it lasts.</param>
/// <param name="Failure">Why the run ended early; null when it did not.</param>
public sealed record ContentVerification(DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, long Packs, long Bytes, IReadOnlyList<ContentFinding> Findings, long MoreFindings, bool? Ok, string? Failure);

/// <param name="Place"><c>site</c>, or the path of a CAP.</param>
/// <param name="Pack">SHA-256 of the pack, which is its name; null when the place as a whole could not be read.</param>
/// <param name="State"><c>missing</c>, <c>damaged</c> or <c>unread</c>.</param>
/// <param name="MendedFrom">Where the whole one came from; null when it was not mended.</param>
/// <param name="Problem">Why it was not mended.</param>
public sealed record ContentFinding(string Place, string? Pack, string State, string? MendedFrom, string? Problem)
{
    public const string Missing = "missing";
    public const string Damaged = "damaged";
    public const string Unread = "unread";
}

/// <summary>How the packs of a CAP are.</summary>
/// <param name="Packs">That it should have.</param>
/// <param name="MissingPacks">Of those, what it lacked when it was last looked at.</param>
/// <param name="LastError">One line with the cause; null when the last work succeeded.</param>
public sealed record CapContent(long Packs, long MissingPacks, long MissingBytes, DateTimeOffset? LookedAt, DateTimeOffset? NextTry, string? LastError, string? ErrorCode);
