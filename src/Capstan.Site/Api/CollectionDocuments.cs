namespace Capstan.Site.Api;

/// <summary>GET /api/v1/collections, the built-in ones first, then by priority.</summary>
/// <param name="Query">In its one written form; null for members by name only.</param>
/// <param name="Members">Approved clients.</param>
/// <param name="EvaluatedAt">When its members were last found out without a failure; null for never.</param>
/// <param name="Error">Why the last evaluation failed; the members are those of the one before. Null when it did not fail.</param>
/// <param name="Held">Its members stay until that is confirmed: too many would come or lose what they have. Null for not.</param>
public sealed record CollectionSummary(string Name, string? Query, int Priority, int Members, bool IsBuiltIn, DateTimeOffset AddedAt, DateTimeOffset? EvaluatedAt, string? Error, CollectionHeld? Held = null)
{
    /// <summary>Why its members are not those of its query now, in one line; null when they are.</summary>
    public string? Problem => Error is not null ? $"The query cannot be evaluated, the members are those of the last time: {Error}" : Held?.Text;
}

/// <param name="Coming">Clients that would come by the query: with those of the last 24 hours more than <see cref="AdvertisementCreate.Unasked"/>. <paramref name="Removals"/>: those that would leave and remove what was installed.</param>
public sealed record CollectionHeld(DateTimeOffset Since, int Coming, int Removals)
{
    /// <summary>In one line.</summary>
    public string Text => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"The members stay since {Since:u} until that is confirmed: {Coming:N0} more clients would come by the query{(Removals == 0 ? "" : $", and {Removals:N0} would leave and remove what was installed")}.");
}

/// <summary>POST /api/v1/collections</summary>
/// <param name="Name">1 to 64 letters, digits, - _ . and single spaces; no two differ in case alone.</param>
/// <param name="Query">For example <c>os startsWith "Debian" and memory >= 4 GiB</c>; null for members by name only.</param>
/// <param name="Priority">0 to 1,000, by default 0: of collections that set the same, the highest counts.</param>
/// <param name="Members">Ids or fingerprints of clients.</param>
public sealed record CollectionCreate(string Name, string? Query = null, int? Priority = null, IReadOnlyList<string>? Members = null);

/// <summary>PUT /api/v1/collections/{name}: what is null stays as it is.</summary>
/// <param name="Query">Empty to take it away.</param>
/// <param name="Confirmed">Alone it ends a hold (<see cref="CollectionHeld"/>). Needed where something is offered to the collection that would newly reach more than <see cref="AdvertisementCreate.Unasked"/> clients, or that clients which leave would remove.</param>
public sealed record CollectionEdit(string? Query = null, int? Priority = null, bool Confirmed = false);

/// <summary>POST /api/v1/collections/{name}/members: all of it, or nothing.</summary>
/// <param name="Confirmed">See <see cref="CollectionEdit"/>.</param>
public sealed record CollectionMembersChange(IReadOnlyList<string>? Add = null, IReadOnlyList<string>? Drop = null, bool Confirmed = false);

/// <summary>POST /api/v1/collections/{name}/move: members by name leave one collection and come to another at once; all of it, or nothing.</summary>
/// <param name="Clients">Ids, fingerprints or host names.</param>
/// <param name="Confirmed">See <see cref="CollectionEdit"/>.</param>
public sealed record CollectionMove(string To, IReadOnlyList<string> Clients, bool Confirmed = false);

/// <summary>The answer to it.</summary>
public sealed record CollectionMoved(CollectionSaved From, CollectionSaved To);

/// <param name="Added">Clients that came with the change, and <paramref name="Removed"/>, that left.</param>
/// <param name="Clients">Approved clients whose policy is another now.</param>
public sealed record CollectionSaved(string Name, string? Query, int Members, int Added, int Removed, int Clients);

/// <summary>GET /api/v1/collections/{name}/members</summary>
/// <param name="By"><c>name</c>, <c>query</c> or <c>both</c>; null where it was not asked.</param>
public sealed record CollectionMember(string DeviceId, string HostName, string Fingerprint, string? OperatingSystem, DateTimeOffset? LastSeen, string? By)
{
    public const string Named = "name";
    public const string Selected = "query";
    public const string Both = "both";
}

/// <summary>GET /api/v1/collections/{name}/preview[?query=]</summary>
/// <param name="Added">How many would come, and <paramref name="Removed"/>, how many would leave; the first 1,000 of each are named.</param>
public sealed record CollectionPreview(string Name, string? Query, int Members, int Added, int Removed, IReadOnlyList<CollectionMember> Coming, IReadOnlyList<CollectionMember> Leaving);

/// <summary>GET /api/v1/query?query=[&amp;limit=]</summary>
/// <param name="Query">As it was understood, in its one written form.</param>
/// <param name="Clients">All that it selects; <paramref name="Rows"/> has the first of them by host name.</param>
public sealed record QueryAnswer(string Query, int Clients, IReadOnlyList<CollectionMember> Rows);

/// <summary>GET /api/v1/query/attributes</summary>
/// <param name="Type"><c>text</c>, <c>number</c>, <c>size</c>, <c>time</c>, <c>address</c> or <c>package</c>.</param>
public sealed record QueryAttributeRow(string Name, string Type, string Description);

/// <summary>A collection of a client.</summary>
/// <param name="By"><c>name</c>, <c>query</c> or <c>both</c>.</param>
public sealed record CollectionOfClient(string Name, string By);
