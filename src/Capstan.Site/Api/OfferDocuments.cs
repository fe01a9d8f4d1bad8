using Capstan.Protocol.V1;

namespace Capstan.Site.Api;

/// <summary>GET /api/v1/programs</summary>
/// <param name="First">PACKAGE/PROGRAM that has to have succeeded before; null for none.</param>
/// <param name="Advertisements">How many offer it now.</param>
public sealed record ProgramSummary(string PackageId, string PackageName, ProgramRules Rules, string? First, int Advertisements, DateTimeOffset CreatedAt, DateTimeOffset ChangedAt)
{
    /// <summary>PACKAGE/PROGRAM, as verbs take it.</summary>
    public string Path => $"{PackageName}/{Rules.Name}";
}

/// <summary>POST /api/v1/programs</summary>
/// <param name="Package">Id or name.</param>
/// <param name="Name">For <paramref name="Rules"/> of null: name of the program that a package of the operating system proposes; null for <c>install</c>.</param>
/// <param name="Rules">Without <c>command</c> and <c>native</c>, the other rules of what is proposed: install and remove lines of the .deb or .rpm that the package is. Null for the proposal with all defaults.</param>
/// <param name="First">PACKAGE/PROGRAM that has to have succeeded before.</param>
/// <param name="Replace">Changes one that is there, and every advertisement of it.</param>
/// <param name="Given">Members of <paramref name="Rules"/>, and <c>first</c>, that count when one is changed: all others stay as they are. Null for all.</param>
public sealed record ProgramCreate(string Package, string? Name = null, ProgramRules? Rules = null, string? First = null, bool Replace = false, IReadOnlyList<string>? Given = null)
{
    /// <summary>In <see cref="Given"/>: <see cref="First"/>; and the removal, which is none where it is null and given.</summary>
    public const string FirstMember = "first", Removal = "removal";
}

/// <summary>POST /api/v1/advertisements</summary>
/// <param name="Program">PACKAGE/PROGRAM, by id or name; the package alone where it has one program.</param>
/// <param name="Collection">Whom it is offered to.</param>
/// <param name="Confirmed">Needed where it newly reaches more than <see cref="Unasked"/> clients, or its collection's query cannot be evaluated.</param>
/// <param name="DryRun">Nothing is made: the answer says whom it would reach.</param>
public sealed record AdvertisementCreate(string Program, string Collection, string? Name = null, long? PackageVersion = null, AdvertisementRules? Rules = null, bool Confirmed = false, bool DryRun = false)
{
    /// <summary>Clients that an advertisement may newly reach without <see cref="Confirmed"/>.</summary>
    public const int Unasked = 500;
}

/// <summary>When and how it runs. What is null stays as it is, or has its default when an advertisement is made. Times are Unix seconds; 0 takes one away.</summary>
/// <param name="Purpose"><c>required</c> (default) or <c>available</c>.</param>
/// <param name="Recurrence">See docs/protocol.md.</param>
/// <param name="Rings">Empty for all at once.</param>
/// <param name="HaltAt">Percent of finished machines that may fail, 1 to 100; 0 for any.</param>
/// <param name="OverSlowLinks">Default false; <paramref name="OverUnknownLinks"/> default true.</param>
public sealed record AdvertisementRules(string? Purpose = null, long? AvailableFrom = null, long? StartAt = null, long? Deadline = null, long? ExpiresAt = null, Recurrence? Recurrence = null, bool Once = false,
    int? Priority = null, IReadOnlyList<RolloutRing>? Rings = null, int? HaltAt = null, bool? OverSlowLinks = null, bool? OverUnknownLinks = null);

/// <summary>PUT /api/v1/advertisements/{id}: what is null stays as it is.</summary>
/// <param name="Collection">Another one: who leaves is offered it no more.</param>
/// <param name="PackageVersion">0 for the newest there is. Where it is given, what runs before is the newest, too; another version begins the rings anew.</param>
/// <param name="Confirmed">Needed as to make one, and where clients that leave would remove what was installed.</param>
public sealed record AdvertisementEdit(string? Name = null, string? Collection = null, long? PackageVersion = null, AdvertisementRules? Rules = null, bool Confirmed = false, bool DryRun = false);

/// <summary>DELETE /api/v1/advertisements/{id}[?keep=true&amp;confirmed=true&amp;dryRun=true]</summary>
/// <param name="Keep">Ends it, and nothing is removed anywhere: it stays listed as <c>ended</c>.</param>
/// <param name="Confirmed">Needed where clients would remove what was installed.</param>
/// <param name="DryRun">Nothing is changed: the answer names the clients that would.</param>
public sealed record AdvertisementRemoval(bool Keep = false, bool Confirmed = false, bool DryRun = false);

/// <summary>POST /api/v1/advertisements/{id}/halt</summary>
public sealed record AdvertisementHalt(string? Because = null);

/// <summary>The answer to everything that makes or changes an advertisement.</summary>
/// <param name="AdvertisementId">Null for a dry run of one that is not there.</param>
/// <param name="Reaches">Clients in its collection.</param>
/// <param name="Added">Of them new to it, and <paramref name="Removed"/>, those that it reaches no more.</param>
/// <param name="Policies">Clients whose policy is another now; 0 for a dry run.</param>
/// <param name="Coming">For a dry run: exactly the clients that would be new to it. <paramref name="Leaving"/>: those that it would reach no more; of a removal those that would remove what was installed.</param>
/// <param name="Removals">Clients that remove what was installed, by what they reported.</param>
/// <param name="Rings">Which part begins when, as it is now; null where all begin at once.</param>
public sealed record AdvertisementSaved(string? AdvertisementId, long Revision, string Name, string Program, string Collection, int Reaches, int Added, int Removed, int Policies,
    IReadOnlyList<CollectionMember>? Coming = null, IReadOnlyList<CollectionMember>? Leaving = null, int Removals = 0, IReadOnlyList<RolloutRing>? Rings = null);

/// <summary>GET /api/v1/advertisements</summary>
/// <param name="State"><c>active</c>, <c>halted</c>, <c>expired</c>, <c>ended</c> (and kept) or <c>removed</c>.</param>
/// <param name="HaltAt">Percent; null for never.</param>
public sealed record AdvertisementSummary(string AdvertisementId, string Name, string Program, string PackageName, long PackageVersion, string Collection, string Purpose, string State, string? HaltedBecause, long Revision,
    int? HaltAt, DateTimeOffset CreatedAt, DateTimeOffset ChangedAt, DateTimeOffset? ExpiresAt, AdvertisementFunnel Funnel);

/// <summary>How far an advertisement is, over the clients that it reaches now; each figure is part of the one before it, but for the last four.</summary>
/// <param name="Targeted">Approved clients in its collection.</param>
/// <param name="HasPolicy">Whose policy says so, by their last heartbeat or report.</param>
/// <param name="HasContent">That have all of the content.</param>
/// <param name="Ran">That have begun it at least once.</param>
/// <param name="Succeeded">That are done, a restart still pending included.</param>
/// <param name="Failed">Unknown outcomes included.</param>
/// <param name="Running">Now.</param>
/// <param name="Waiting">Neither running nor at an end.</param>
public sealed record AdvertisementFunnel(int Targeted, int HasPolicy, int HasContent, int Ran, int Succeeded, int Failed, int Running, int Waiting);

/// <summary>GET /api/v1/advertisements/{id}</summary>
/// <param name="Document">As it is signed.</param>
/// <param name="Causes">What stops how many, the most frequent first.</param>
/// <param name="Curve">Clients that have begun, succeeded and failed by then, over time.</param>
public sealed record AdvertisementDetail(AdvertisementSummary Summary, Advertisement Document, IReadOnlyList<AdvertisementCause> Causes, IReadOnlyList<CurvePoint> Curve);

/// <param name="State">One of those of docs/protocol.md.</param>
/// <param name="Example">What one of them said.</param>
public sealed record AdvertisementCause(string State, string? Cause, int Clients, string? Example);

/// <param name="At">Unix seconds. The other figures are of clients, up to then.</param>
public sealed record CurvePoint(long At, int Targeted, int Received, int Content, int Ran, int Succeeded, int Failed);

/// <summary>GET /api/v1/advertisements/{id}/clients and, for one client, GET /api/v1/clients/{id}/advertisements.</summary>
/// <param name="State">One of those of docs/protocol.md; <c>no-policy</c> while the client's policy does not have it, <c>not-told</c> while it has, and nothing was reported.</param>
public sealed record AdvertisementClient(string AdvertisementId, string AdvertisementName, string DeviceId, string HostName, string State, string? Cause, string? Reason, DateTimeOffset? Since, DateTimeOffset? NextTry,
    long? HereBytes, long? TotalBytes, string? Source, long? RunNumber, string? Outcome, int? ExitCode, string? Output, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, DateTimeOffset? ReportedAt)
{
    /// <summary>All that <see cref="State"/> can be.</summary>
    public static IReadOnlyList<string> States { get; } = [.. ProgramState.All, "no-policy", "not-told"];
}

/// <summary>GET /api/v1/why?client=&amp;advertisement=: the whole chain from the collection to the last run, and what comes next.</summary>
/// <param name="Answer">In one line: how it stands and why.</param>
/// <param name="Next">What happens next, and when; null when nothing does by itself.</param>
public sealed record WhyDocument(string AdvertisementId, string AdvertisementName, string DeviceId, string HostName, string Answer, string? Next, DateTimeOffset? NextAt, IReadOnlyList<WhyStep> Steps);

/// <param name="Step"><c>member</c>, <c>offer</c>, <c>policy</c>, <c>time</c>, <c>needs</c>, <c>content</c> or <c>run</c>.</param>
/// <param name="IsMet">Null where the site cannot know.</param>
public sealed record WhyStep(string Step, bool? IsMet, string Text);
