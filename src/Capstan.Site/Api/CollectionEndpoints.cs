using System.Globalization;
using Capstan.Site.Access;
using Capstan.Site.Collections;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/collections</c> and <c>/api/v1/query</c>.</summary>
internal static class CollectionEndpoints
{
    private static readonly IReadOnlyList<QueryAttributeRow> s_attributes =
    [
        .. QueryAttribute.All.Select(attribute => new QueryAttributeRow(attribute.Name, attribute.Type.ToString().ToLowerInvariant(), attribute.Description)),
        new("address", "address", "an address of the machine lies in a network: address in \"10.1.0.0/16\""),
        new("package", "package", "a package is installed: package \"firefox\", package like \"lib*\", package \"openssl\" version < \"3.0.15\""),
    ];

    public static void MapCollections(this IEndpointRouteBuilder api)
    {
        api.MapGet("/query", async (CollectionAdministration collections, string query, int? limit, CancellationToken cancellationToken) => limit is < 1 or > CollectionAdministration.MostRows
            ? Problems.Invalid($"limit must be 1 to {CollectionAdministration.MostRows}.")
            : Results.Json(await collections.QueryAsync(query, limit ?? Paging.DefaultLimit, cancellationToken), ApiJson.Default.QueryAnswer)).Produces<QueryAnswer>().Produces<Problem>(400);
        api.MapGet("/query/attributes", () => Results.Json(s_attributes, ApiJson.Default.IReadOnlyListQueryAttributeRow)).Produces<IReadOnlyList<QueryAttributeRow>>();
        api.MapGet("/collections", async (CollectionAdministration collections, CancellationToken cancellationToken) =>
            Results.Json(await collections.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListCollectionSummary)).Produces<IReadOnlyList<CollectionSummary>>();
        api.MapPost("/collections", CreateAsync).Produces<CollectionSaved>(201).Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/collections/{name}", async (CollectionAdministration collections, string name, CancellationToken cancellationToken) =>
            Results.Json(await collections.ShowAsync(name, cancellationToken), ApiJson.Default.CollectionSummary)).Produces<CollectionSummary>().Produces<Problem>(404);
        api.MapPut("/collections/{name}", EditAsync).Produces<CollectionSaved>().Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/collections/{name}", async (CollectionAdministration collections, string name, CancellationToken cancellationToken) =>
            Results.Json(await collections.RemoveAsync(name, cancellationToken), ApiJson.Default.CollectionSaved)).Produces<CollectionSaved>().Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/collections/{name}/members", MembersAsync).Produces<Page<CollectionMember>>().Produces<Problem>(404);
        api.MapPost("/collections/{name}/members", ChangeMembersAsync).Produces<CollectionSaved>().Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/collections/{name}/move", MoveAsync).Produces<CollectionMoved>().Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/collections/{name}/preview", async (CollectionAdministration collections, string name, string? query, CancellationToken cancellationToken) =>
            Results.Json(await collections.PreviewAsync(name, query, cancellationToken), ApiJson.Default.CollectionPreview)).Produces<CollectionPreview>().Produces<Problem>(400).Produces<Problem>(404);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, CollectionAdministration collections, DeviceStore devices, CollectionCreate collection, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(collection.Name))
            return Problems.Invalid("name is required.");
        AccessGuard.About(http, $"{collection.Name}: {collection.Query}");
        var (members, refusal) = await IdsAsync(devices, collection.Members, cancellationToken);
        return refusal ?? Results.Json(await collections.CreateAsync(collection with { Members = members }, cancellationToken), ApiJson.Default.CollectionSaved, statusCode: StatusCodes.Status201Created);
    }

    private static async Task<IResult> EditAsync(HttpContext http, CollectionAdministration collections, string name, CollectionEdit edit, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{name}: {edit.Query} {edit.Priority}");
        return Results.Json(await collections.EditAsync(name, edit, cancellationToken), ApiJson.Default.CollectionSaved);
    }

    private static async Task<IResult> ChangeMembersAsync(HttpContext http, CollectionAdministration collections, DeviceStore devices, string name, CollectionMembersChange change, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{name} +{change.Add?.Count ?? 0} -{change.Drop?.Count ?? 0}");
        var (add, refusal) = await IdsAsync(devices, change.Add, cancellationToken);
        if (refusal is not null)
            return refusal;
        (var drop, refusal) = await IdsAsync(devices, change.Drop, cancellationToken);
        return refusal ?? Results.Json(await collections.MembersAsync(name, new CollectionMembersChange(add, drop, change.Confirmed), cancellationToken), ApiJson.Default.CollectionSaved);
    }

    private static async Task<IResult> MoveAsync(HttpContext http, CollectionAdministration collections, DeviceStore devices, string name, CollectionMove move, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(move.To) || move.Clients is not { Count: > 0 })
            return Problems.Invalid("to and clients are required.");
        AccessGuard.About(http, $"{name} to {move.To}: {move.Clients.Count}");
        var (clients, refusal) = await IdsAsync(devices, move.Clients, cancellationToken);
        return refusal ?? Results.Json(await collections.MoveAsync(name, move with { Clients = clients }, cancellationToken), ApiJson.Default.CollectionMoved);
    }

    private static async Task<IResult> MembersAsync(CollectionAdministration collections, string name, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var offset = (int)Math.Min(page.Cursor ?? 0, int.MaxValue - Paging.MaxLimit - 1);
        var rows = await collections.MembersAsync(name, offset, page.Limit + 1, cancellationToken);
        return Results.Json(rows.Count > page.Limit
            ? new Page<CollectionMember>([.. rows.Take(page.Limit)], (offset + page.Limit).ToString(CultureInfo.InvariantCulture))
            : new Page<CollectionMember>(rows, null), ApiJson.Default.PageCollectionMember);
    }

    /// <summary>Whole ids of all that were given, or why one of them is none.</summary>
    private static async Task<(IReadOnlyList<string> Ids, IResult? Refusal)> IdsAsync(DeviceStore devices, IReadOnlyList<string>? given, CancellationToken cancellationToken)
    {
        var ids = new List<string>();
        foreach (var id in given ?? [])
        {
            if (string.IsNullOrEmpty(id))
                return ([], Problems.Invalid("Each client is named by its host name, id or fingerprint."));
            var (deviceId, refusal) = await DeviceLookup.FindAsync(devices, id, cancellationToken);
            if (refusal is not null)
                return ([], refusal);
            ids.Add(deviceId!);
        }
        return (ids, null);
    }
}
