using Capstan.Site.Access;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

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
        api.MapPost("/packages", (PackageAdministration packages, PackageUploads uploads, TimeProvider time, HttpContext http, string name, CancellationToken cancellationToken) =>
        {
            AccessGuard.About(http, name);
            return TakeInAsync(uploads, time, http, (upload, body) => packages.CreateAsync(name, body, upload, cancellationToken));
        }).Accepts<Stream>("application/x-tar").Produces<PackageVersionRow>(201).Produces<Problem>(400).Produces<Problem>(409).Produces<Problem>(429).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/packages/{id}/versions", (PackageAdministration packages, PackageUploads uploads, TimeProvider time, HttpContext http, string id, CancellationToken cancellationToken) =>
            TakeInAsync(uploads, time, http, (upload, body) => packages.AddVersionAsync(id, body, upload, cancellationToken)))
            .Accepts<Stream>("application/x-tar").Produces<PackageVersionRow>().Produces<PackageVersionRow>(201).Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(429).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/site-directory", (SiteContext site, HttpContext http) => Results.Json(
            new SiteDirectoryRow(http.Connection.RemoteIpAddress is { } address && System.Net.IPAddress.IsLoopback(address) ? site.Directory.Root : null), ApiJson.Default.SiteDirectoryRow))
            .Produces<SiteDirectoryRow>().WithMetadata(NeedsRole.Administrator);
        api.MapGet("/package-uploads/{id}", (PackageUploads uploads, string id) => uploads.Find(id) is { } upload
            ? Results.Json(upload, ApiJson.Default.PackageUpload)
            : Problems.NotFound($"No upload {id} is known; the last 100 are, until the site stops.")).Produces<PackageUpload>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
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

    /// <summary>Publishes the body of a request, which may be of any length: what it takes of memory does not depend on it.</summary>
    private static async Task<IResult> TakeInAsync(PackageUploads uploads, TimeProvider time, HttpContext http, Func<PackageUploadWatch, Stream, Task<PackageVersionRow>> publish)
    {
        var upload = uploads.Begin(http.Request.Headers[PackageUploads.Header] is [{ } id] ? id : null);
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        // Whoever waits for its turn sends nothing; silence has a limit of its own.
        if (http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = null;
        try
        {
            await using var body = new UploadBody(http.Request.Body, upload, time, http.RequestAborted);
            var row = await publish(upload, body);
            upload.Ends(row);
            return Results.Json(row, ApiJson.Default.PackageVersionRow, statusCode: row.IsNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        }
        catch (Exception cause)
        {
            upload.Ends(cause switch
            {
                SiteException refusal => Problems.Of(refusal),
                _ when http.RequestAborted.IsCancellationRequested => Problems.Document(StatusCodes.Status400BadRequest, "upload_cut", "The connection broke before all of it had arrived. Nothing was published; send it again: what is here already is not written twice."),
                BadHttpRequestException bad => Problems.Document(bad.StatusCode, "invalid_request", bad.Message),
                _ => Problems.Document(StatusCodes.Status500InternalServerError, "internal_error", "The request failed in the site; its log says why."),
            });
            throw;
        }
    }
}
