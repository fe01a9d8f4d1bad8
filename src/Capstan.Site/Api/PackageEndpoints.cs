using Capstan.Site.Access;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/packages</c> and <c>/api/v1/content</c>.</summary>
internal static class PackageEndpoints
{
    public static void MapPackages(this IEndpointRouteBuilder api)
    {
        api.MapGet("/packages", async (PackageAdministration packages, CancellationToken cancellationToken) =>
            Results.Json(await packages.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListPackageRow)).Produces<IReadOnlyList<PackageRow>>();
        api.MapGet("/packages/{id}", async (PackageAdministration packages, string id, CancellationToken cancellationToken) =>
            Results.Json(await packages.ShowAsync(id, cancellationToken), ApiJson.Default.PackageDetail)).Produces<PackageDetail>().Produces<Problem>(404);
        api.MapPost("/packages", async (PackageAdministration packages, HttpContext http, string name, CancellationToken cancellationToken) =>
        {
            AccessGuard.About(http, name);
            return Answer(await packages.CreateAsync(name, Body(http), cancellationToken));
        }).Accepts<Stream>("application/x-tar").Produces<PackageVersionRow>(201).Produces<Problem>(400).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/packages/{id}/versions", async (PackageAdministration packages, HttpContext http, string id, CancellationToken cancellationToken) =>
            Answer(await packages.AddVersionAsync(id, Body(http), cancellationToken)))
            .Accepts<Stream>("application/x-tar").Produces<PackageVersionRow>().Produces<PackageVersionRow>(201).Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/packages/{id}", async (PackageAdministration packages, string id, int? version, CancellationToken cancellationToken) =>
        {
            await packages.RemoveAsync(id, version, cancellationToken);
            return Results.NoContent();
        }).Produces(204).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        // Both answer at the end, or after 2 s with how far it is.
        api.MapPost("/content/verify", async (ContentVerifier verifier, CancellationToken cancellationToken) =>
        {
            verifier.Begin();
            await verifier.WaitAsync(cancellationToken);
            return Results.Json(verifier.Last!, ApiJson.Default.ContentVerification, statusCode: StatusCodes.Status202Accepted);
        }).Produces<ContentVerification>(202);
        api.MapGet("/content/verify", async (ContentVerifier verifier, CancellationToken cancellationToken) =>
        {
            await verifier.WaitAsync(cancellationToken);
            return verifier.Last is { } last
                ? Results.Json(last, ApiJson.Default.ContentVerification)
                : Problems.NotFound("Nothing was verified since the site started; `capstan content verify` does it.");
        }).Produces<ContentVerification>().Produces<Problem>(404);
    }

    /// <summary>Rows of CAPs with how their packs are.</summary>
    public static async Task<IEnumerable<CapRow>> WithContentAsync(CapContentStore content, IEnumerable<CapRow> rows, CancellationToken cancellationToken)
    {
        var byCap = (await content.ListAsync(cancellationToken)).ToDictionary(row => row.Cap, StringComparer.Ordinal);
        return rows.Select(row => byCap.GetValueOrDefault(row.Path) is { } packs && (packs.Packs > 0 || packs.LastError is not null)
            ? row with { Content = new CapContent(packs.Packs, packs.MissingPacks, packs.MissingBytes, Times.At(packs.LookedAt), Times.At(packs.NextTry), packs.LastError, packs.ErrorCode) }
            : row);
    }

    private static IResult Answer(PackageVersionRow row) =>
        Results.Json(row, ApiJson.Default.PackageVersionRow, statusCode: row.IsNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);

    /// <summary>Of any length: what it takes of memory does not depend on it.</summary>
    private static Stream Body(HttpContext http)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null;
        return http.Request.Body;
    }
}
