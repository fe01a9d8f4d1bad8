using System.Text.Json.Serialization;
using Capstan.Protocol.V1;

namespace Capstan.Site.Api;

// The documents of /api/v1, shared by the endpoints, the console and the CLI. Stable: members are added, never renamed. See docs/cli.md.

/// <summary>A page of a list; <see cref="Next"/> is the cursor of the next page, null on the last one.</summary>
/// <remarks>Status and quarantine go on after the last row of the page before, so nothing is repeated or left out. Clients go on by position: when a row
/// comes, goes or changes its place between two pages, one may be repeated or left out.</remarks>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>GET /api/v1/clients[?state=&amp;filter=&amp;cursor=&amp;limit=]</summary>
/// <param name="State"><c>pending</c>, <c>approved</c> or <c>retired</c>.</param>
/// <param name="Fingerprint">First characters of the device id, as <c>capstan-client status</c> prints them.</param>
/// <param name="LastSeen">When the site ingested the last record; null before the first.</param>
/// <param name="Sequence">Last record ingested.</param>
/// <param name="PolicyVersion">As the client last reported it.</param>
public sealed record ClientSummary(string DeviceId, string HostName, string State, string Fingerprint, string? OperatingSystem, string? Model,
    long? MemoryBytes, int? PackageCount, string? ClientVersion, long? PolicyVersion, long Sequence, DateTimeOffset RequestedAt,
    DateTimeOffset? ApprovedAt, DateTimeOffset? LastSeen)
{
    /// <summary>Code of the site to which it said that it moves; null when it did not, or has reported since.</summary>
    public string? MovedTo { get; init; }

    /// <summary>When the site took that in.</summary>
    public DateTimeOffset? MovedAt { get; init; }
}

/// <summary>GET /api/v1/clients/{id}</summary>
public sealed record ClientDetail(ClientSummary Summary, string? TokenLabel, IReadOnlyList<string> Addresses, IReadOnlyList<ComponentState> Components,
    HardwareInventory? Hardware, DateTimeOffset? HardwareAt, SoftwareInventory? Software, DateTimeOffset? SoftwareAt)
{
    /// <summary>Every setting as it holds for this client, and where its value comes from.</summary>
    public IReadOnlyList<ClientSettingRow> Settings { get; init; } = [];

    /// <summary>Its collections, the strongest first.</summary>
    public IReadOnlyList<CollectionOfClient> Collections { get; init; } = [];
}

/// <summary>GET /api/v1/status[?client=&amp;severity=&amp;cursor=&amp;limit=]; from clients and from the site itself (client null).</summary>
public sealed record StatusRow(long Id, string? DeviceId, string? HostName, string Severity, string Code, string Component, string Text,
    DateTimeOffset ReportedAt, DateTimeOffset ReceivedAt, int Count);

/// <summary>GET /api/v1/quarantine: uploads that were refused, each with its reason.</summary>
public sealed record QuarantineRow(long Id, string Cap, string FileName, string Reason, string Detail, long LengthBytes, DateTimeOffset At);

/// <summary>GET /api/v1/caps</summary>
/// <param name="LastError">One line with the cause; null when the last pass succeeded.</param>
/// <param name="ErrorCode">What kind of error it is, for example <c>AccessDenied</c>, <c>NotFound</c>, <c>foreign_cap</c>. Null without an error.</param>
/// <param name="Accounts">Names of the site's connection accounts there, in the order in which they are tried; null for none.</param>
/// <param name="ClientAccounts">The same of the clients: their own, or the site's when they have none.</param>
/// <param name="UnreadableAccounts">Those of both that the site cannot open, and so does not use; null for none. Only in GET /api/v1/caps.</param>
public sealed record CapRow(string Path, string? Licensing, int Headroom, string State, DateTimeOffset? LastPublished, long PublishedVersion,
    DateTimeOffset? LastDrained, int InboxCount, DateTimeOffset? NextTry, string? LastError, string? ErrorCode = null,
    IReadOnlyList<string>? Accounts = null, IReadOnlyList<string>? ClientAccounts = null, IReadOnlyList<string>? UnreadableAccounts = null)
{
    /// <summary>Other names of its server, which clients count as one; null for none.</summary>
    public IReadOnlyList<string>? Aliases { get; init; }

    /// <summary>How its packs are; null while no package is published. Only in GET /api/v1/caps.</summary>
    public CapContent? Content { get; init; }

    /// <summary>How much of its server clients use. Only in GET /api/v1/caps and GET /api/v1/overview.</summary>
    public CapLoadRow? Load { get; init; }
}

/// <summary>POST /api/v1/caps. For a CAP that is on the list: changes what is given. Accounts are added, and tried first from then on.</summary>
/// <param name="Licensing"><c>per-server:N</c>, <c>per-seat:N</c> or <c>unlimited</c>; null leaves it as it is, at first unlimited.</param>
/// <param name="Headroom">0 to the limit less 1; null leaves it as it is, at first 0.</param>
/// <param name="Account">Of the site; null where the storage needs none.</param>
/// <param name="ClientAccount">Of the clients, who need fewer rights; null lets them use the site's.</param>
/// <param name="Aliases">Other names or addresses of the server, at most 64, in place of those before; null leaves them as they are.</param>
public sealed record CapAdd(string Path, string? Licensing = null, int? Headroom = null, CapAccount? Account = null, CapAccount? ClientAccount = null,
    IReadOnlyList<string>? Aliases = null);

/// <summary>A connection account on its way to the site, which keeps it sealed.</summary>
/// <param name="Name">1 to 256 characters.</param>
/// <param name="Password">At most 1,024 characters.</param>
public sealed record CapAccount(string Name, string Password)
{
    /// <summary>The name only.</summary>
    public override string ToString() => $"{nameof(CapAccount)} {{ Name = {Name}, Password = (hidden) }}";
}

/// <summary>The answer to POST /api/v1/caps.</summary>
/// <param name="Recipe">Lines for a person: the share and the rights that the storage must be given.</param>
/// <param name="Changes">What was changed of a CAP that was on the list, each for a person; null for one that was not.</param>
public sealed record CapAdded(CapRow Cap, IReadOnlyList<string> Recipe, IReadOnlyList<string>? Changes = null);

/// <summary>GET /api/v1/caps/accounts: the connection accounts, of each CAP and role in the order in which they are tried; never a password.</summary>
/// <param name="Role"><c>site</c> or <c>clients</c>.</param>
/// <param name="State"><c>ok</c>, <c>unreadable</c> (the site cannot open its password and does not use it) or <c>left_out</c> (more than clients can be given).</param>
/// <param name="Confirmed">Of <paramref name="Clients"/>, how many have said that they know it; null where clients do not use it, and for one from before clients said so.</param>
/// <param name="Clients">Approved ones; null with <paramref name="Confirmed"/>.</param>
public sealed record CapAccountRow(string Cap, string Role, string Name, string State, DateTimeOffset AddedAt, int? Confirmed = null, int? Clients = null)
{
    public const string Ok = "ok";
    public const string Unreadable = "unreadable";
    public const string LeftOut = "left_out";
}

/// <summary>The answer to DELETE /api/v1/caps/accounts?path=…&amp;name=…[&amp;role=…].</summary>
/// <param name="Remaining">Names of the same CAP and role, in the order in which they are tried.</param>
/// <param name="ClientsUnheard">Clients that may know the removed account alone; null when no client used it.</param>
/// <param name="Notes">Lines for a person: what follows for clients, and what to do.</param>
public sealed record CapAccountRemoved(string Cap, string Role, string Name, IReadOnlyList<string> Remaining, int? ClientsUnheard, IReadOnlyList<string> Notes);

/// <summary>POST /api/v1/caps/check?path=…: what the site's own account can do on one of its CAPs, and whether the metadata there verifies.</summary>
public sealed record CapCheck(string Path, bool Ok, IReadOnlyList<CapCheckLine> Lines);

/// <param name="State"><c>ok</c>, <c>information</c>, <c>warning</c> or <c>failed</c>.</param>
public sealed record CapCheckLine(string Name, string State, string Detail);

/// <summary>POST /api/v1/tokens</summary>
/// <param name="Uses">1 to 100,000.</param>
/// <param name="ExpiresInSeconds">60 to <see cref="LongestSeconds"/>; default 7 days.</param>
/// <param name="Label">At most 100 characters.</param>
public sealed record TokenRequest(int Uses = 1, int ExpiresInSeconds = 604_800, string? Label = null)
{
    /// <summary>366 days.</summary>
    public const int LongestSeconds = 366 * 86_400;
}

/// <param name="Token">The text for <c>capstan-client install --token-file</c>: shown once, a secret.</param>
public sealed record TokenCreated(string TokenId, string Token, DateTimeOffset ExpiresAt, int Uses);

/// <summary>GET /api/v1/tokens: without the secrets, which the site does not keep. Expired and used-up ones stay on the list until they are pruned.</summary>
public sealed record TokenRow(string TokenId, string? Label, int UsesLeft, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt);

/// <summary>GET /api/v1/users</summary>
/// <param name="Role"><c>administrator</c>, <c>operator</c> or <c>reader</c>.</param>
/// <param name="ChangedAt">When role or password were changed last.</param>
public sealed record UserRow(string Name, string Role, DateTimeOffset CreatedAt, DateTimeOffset ChangedAt);

/// <summary>POST /api/v1/users</summary>
/// <param name="Name">1 to 64 of A-Z a-z 0-9 . - _ @.</param>
/// <param name="Password">12 to 256 characters.</param>
public sealed record UserAdd(string Name, string Role, string Password)
{
    /// <summary>Without the password.</summary>
    public override string ToString() => $"{nameof(UserAdd)} {{ Name = {Name}, Role = {Role} }}";
}

/// <summary>PUT /api/v1/users/{name}: what is null stays as it is. The user's sessions end.</summary>
public sealed record UserChange(string? Role = null, string? Password = null)
{
    /// <summary>Without the password.</summary>
    public override string ToString() => $"{nameof(UserChange)} {{ Role = {Role} }}";
}

/// <summary>POST /api/v1/sessions: signs a user in.</summary>
public sealed record SessionRequest(string Name, string Password)
{
    /// <summary>The name only.</summary>
    public override string ToString() => $"{nameof(SessionRequest)} {{ Name = {Name} }}";
}

/// <param name="Token">To be sent as a bearer: a secret.</param>
/// <param name="ExpiresAt">At the latest; two hours after its last use before that.</param>
public sealed record SessionBegun(string Token, string Role, DateTimeOffset ExpiresAt);

/// <summary>GET /api/v1/audit[?cursor=&amp;limit=]: who changed what, or tried to.</summary>
/// <param name="Actor">A user; <c>api-token</c> for who holds the site's own token, <c>nobody</c> for who failed to sign in, <c>local:</c> and an account of the system for who works in the site's directory.</param>
/// <param name="Action">Method and route, <c>sign in</c>, <c>sign out</c>, <c>site rotate-keys</c>, <c>site new-epoch</c> or <c>restore</c>.</param>
/// <param name="Subject">What it was about, as far as the request says; never a secret.</param>
/// <param name="Outcome">HTTP status: below 400 it was done. 0: it was begun, and its end is not known.</param>
public sealed record AuditRow(long Id, DateTimeOffset At, string Actor, string Address, string Action, string? Subject, int Outcome);

/// <summary>GET /api/v1/overview: what the first page shows.</summary>
public sealed record Overview(string SiteCode, int Clients, int Pending, int SeenInDay, int SeenInWeek, int Quarantined,
    IReadOnlyList<CapRow> Caps, IReadOnlyList<StatusRow> Recent, IReadOnlyList<HealthCondition> Conditions)
{
    /// <summary>Clients that GET /api/v1/client-health lists.</summary>
    public int Unwell { get; init; }
}

/// <summary>GET /api/v1/health; one cause, one line.</summary>
/// <param name="Severity"><c>error</c>, <c>warning</c> or <c>information</c>.</param>
/// <param name="NextStep">What to do, in one sentence.</param>
public sealed record HealthCondition(string Code, string Severity, string Text, string NextStep);

/// <summary>RFC 9457; <see cref="Code"/> is stable.</summary>
/// <param name="ErrorCode">What the storage answered, as in <see cref="CapRow.ErrorCode"/>; null when it was not the storage that refused.</param>
public sealed record Problem(string Type, string Title, int Status, string Detail, string Code, string? ErrorCode = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Page<ClientSummary>))]
[JsonSerializable(typeof(Page<StatusRow>))]
[JsonSerializable(typeof(Page<QuarantineRow>))]
[JsonSerializable(typeof(ClientDetail))]
[JsonSerializable(typeof(ClientHealthPage))]
[JsonSerializable(typeof(IReadOnlyList<BoundaryRow>))]
[JsonSerializable(typeof(BoundaryRow))]
[JsonSerializable(typeof(BoundaryAdd))]
[JsonSerializable(typeof(ClientDiagnosis))]
[JsonSerializable(typeof(SettingsDocument))]
[JsonSerializable(typeof(IReadOnlyList<SettingValueRow>))]
[JsonSerializable(typeof(SettingChange))]
[JsonSerializable(typeof(SettingChanged))]
[JsonSerializable(typeof(IReadOnlyList<CollectionSummary>))]
[JsonSerializable(typeof(CollectionSummary))]
[JsonSerializable(typeof(CollectionCreate))]
[JsonSerializable(typeof(CollectionEdit))]
[JsonSerializable(typeof(CollectionSaved))]
[JsonSerializable(typeof(CollectionMembersChange))]
[JsonSerializable(typeof(CollectionMove))]
[JsonSerializable(typeof(CollectionMoved))]
[JsonSerializable(typeof(Page<CollectionMember>))]
[JsonSerializable(typeof(IReadOnlyList<CollectionMember>))]
[JsonSerializable(typeof(CollectionPreview))]
[JsonSerializable(typeof(QueryAnswer))]
[JsonSerializable(typeof(IReadOnlyList<ProgramSummary>))]
[JsonSerializable(typeof(ProgramSummary))]
[JsonSerializable(typeof(ProgramCreate))]
[JsonSerializable(typeof(IReadOnlyList<AdvertisementSummary>))]
[JsonSerializable(typeof(AdvertisementDetail))]
[JsonSerializable(typeof(AdvertisementCreate))]
[JsonSerializable(typeof(AdvertisementEdit))]
[JsonSerializable(typeof(AdvertisementHalt))]
[JsonSerializable(typeof(AdvertisementSaved))]
[JsonSerializable(typeof(Page<AdvertisementClient>))]
[JsonSerializable(typeof(IReadOnlyList<AdvertisementClient>))]
[JsonSerializable(typeof(WhyDocument))]
[JsonSerializable(typeof(IReadOnlyList<QueryAttributeRow>))]
[JsonSerializable(typeof(IReadOnlyList<ClientHealthRow>))]
[JsonSerializable(typeof(IReadOnlyList<CapRow>))]
[JsonSerializable(typeof(CapRow))]
[JsonSerializable(typeof(IReadOnlyList<CapUsage>))]
[JsonSerializable(typeof(CapAdd))]
[JsonSerializable(typeof(CapAccount))]
[JsonSerializable(typeof(CapAdded))]
[JsonSerializable(typeof(IReadOnlyList<CapAccountRow>))]
[JsonSerializable(typeof(CapAccountRemoved))]
[JsonSerializable(typeof(ClientSummary))]
[JsonSerializable(typeof(IReadOnlyList<TokenRow>))]
[JsonSerializable(typeof(CapCheck))]
[JsonSerializable(typeof(TokenRequest))]
[JsonSerializable(typeof(IReadOnlyList<ClientBuildRow>))]
[JsonSerializable(typeof(ClientBuildRow))]
[JsonSerializable(typeof(ClientBuildAdd))]
[JsonSerializable(typeof(ClientBuildUse))]
[JsonSerializable(typeof(ClientBuildOrdered))]
[JsonSerializable(typeof(IReadOnlyList<PackageRow>))]
[JsonSerializable(typeof(PackageDetail))]
[JsonSerializable(typeof(PackageVersionRow))]
[JsonSerializable(typeof(PackageUpload))]
[JsonSerializable(typeof(SiteDirectoryRow))]
[JsonSerializable(typeof(ContentVerification))]
[JsonSerializable(typeof(IReadOnlyList<ContentFinding>))]
[JsonSerializable(typeof(IReadOnlyList<PackageVersionRow>))]
[JsonSerializable(typeof(TokenCreated))]
[JsonSerializable(typeof(Overview))]
[JsonSerializable(typeof(IReadOnlyList<HealthCondition>))]
[JsonSerializable(typeof(IReadOnlyList<UserRow>))]
[JsonSerializable(typeof(UserAdd))]
[JsonSerializable(typeof(UserChange))]
[JsonSerializable(typeof(SessionRequest))]
[JsonSerializable(typeof(SessionBegun))]
[JsonSerializable(typeof(Page<AuditRow>))]
[JsonSerializable(typeof(IReadOnlyList<AuditRow>))]
[JsonSerializable(typeof(Problem))]
public sealed partial class ApiJson : JsonSerializerContext;
