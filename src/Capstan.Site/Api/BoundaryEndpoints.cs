using Capstan.Site.Access;
using Capstan.Site.Publish;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary>GET /api/v1/boundaries: where the site's machines are, and where CAPs are near.</summary>
/// <param name="Range">In its one text: a network where it is one, else both ends.</param>
/// <param name="Cap">Null for the whole site.</param>
/// <param name="Overlaps">Other ranges with addresses in common; of all that hold a machine the one with the fewest addresses counts.</param>
public sealed record BoundaryRow(string Range, string? Cap, IReadOnlyList<string> Overlaps, DateTimeOffset AddedAt);

/// <summary>POST /api/v1/boundaries</summary>
public sealed record BoundaryAdd(string Range, string? Cap = null);

/// <summary><c>/api/v1/boundaries</c>.</summary>
internal static class BoundaryEndpoints
{
    public static void MapBoundaries(this IEndpointRouteBuilder api)
    {
        api.MapGet("/boundaries", async (BoundaryAdministration boundaries, CancellationToken cancellationToken) =>
            Results.Json(await boundaries.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListBoundaryRow)).Produces<IReadOnlyList<BoundaryRow>>();
        api.MapPost("/boundaries", async (HttpContext http, BoundaryAdministration boundaries, BoundaryAdd boundary, CancellationToken cancellationToken) =>
        {
            if (string.IsNullOrEmpty(boundary.Range))
                return Problems.Invalid("range is required.");
            AccessGuard.About(http, $"{boundary.Range} {boundary.Cap}".TrimEnd());
            return Results.Json(await boundaries.AddAsync(boundary, cancellationToken), ApiJson.Default.BoundaryRow, statusCode: StatusCodes.Status201Created);
        }).Produces<BoundaryRow>(201).Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/boundaries", async (BoundaryAdministration boundaries, string range, string? cap, CancellationToken cancellationToken) =>
        {
            await boundaries.RemoveAsync(range, cap, cancellationToken);
            return Results.NoContent();
        }).Produces(204).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
    }
}
