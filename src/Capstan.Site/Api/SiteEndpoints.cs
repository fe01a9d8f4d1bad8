using Capstan.Site.Access;
using Capstan.Site.Fleet;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary>Overview, health, status messages, quarantine and tokens.</summary>
internal static class SiteEndpoints
{
    public static void MapSite(this IEndpointRouteBuilder api)
    {
        api.MapGet("/overview", OverviewAsync).Produces<Overview>();
        api.MapGet("/health", async (HealthReader health, CancellationToken cancellationToken) =>
            Results.Json(await health.ReadAsync(cancellationToken), ApiJson.Default.IReadOnlyListHealthCondition)).Produces<IReadOnlyList<HealthCondition>>();
        api.MapGet("/status", StatusAsync).Produces<Page<StatusRow>>();
        api.MapGet("/quarantine", QuarantineAsync).Produces<Page<QuarantineRow>>();
        api.MapGet("/tokens", async (TokenStore tokens, CancellationToken cancellationToken) =>
            Results.Json(await tokens.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListTokenRow)).Produces<IReadOnlyList<TokenRow>>();
        // A token carries the clients' connection accounts.
        api.MapPost("/tokens", CreateTokenAsync).Produces<TokenCreated>(201).Produces<Problem>(400).WithMetadata(NeedsRole.Administrator);
    }

    private static async Task<IResult> OverviewAsync(SiteIdentity site, DeviceStore devices, QuarantineStore quarantine, CapStore caps, StatusStore status,
        HealthReader health, ClientHealthReader clients, CapLoadReader loads, TimeProvider time, CancellationToken cancellationToken)
    {
        var counts = await devices.CountsAsync(time.GetUtcNow(), cancellationToken);
        return Results.Json(new Overview(site.SiteCode, counts.Clients, counts.Pending, counts.Day, counts.Week,
            await quarantine.CountAsync(cancellationToken),
            await CapUsageEndpoints.WithLoadsAsync(loads, (await caps.ListAsync(cancellationToken)).Select(cap => cap.ToRow()), cancellationToken),
            await status.ListAsync(null, null, null, 10, cancellationToken),
            await health.ReadAsync(cancellationToken))
        { Unwell = ClientHealthReader.Unwell(await clients.ReadAsync(deviceId: null, cancellationToken)).Count }, ApiJson.Default.Overview);
    }

    private static async Task<IResult> StatusAsync(StatusStore status, string? client, string? severity, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (severity is not (null or "" or "error" or "warning" or "information"))
            return Problems.Invalid("severity must be error, warning or information.");
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var rows = await status.ListAsync(Given(client), Given(severity), page.Cursor, page.Limit + 1, cancellationToken);
        return Results.Json(Paging.Of(rows, page.Limit, row => row.Id), ApiJson.Default.PageStatusRow);
    }

    private static async Task<IResult> QuarantineAsync(QuarantineStore quarantine, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var rows = await quarantine.ListAsync(page.Cursor, page.Limit + 1, cancellationToken);
        return Results.Json(Paging.Of(rows, page.Limit, row => row.Id), ApiJson.Default.PageQuarantineRow);
    }

    private static async Task<IResult> CreateTokenAsync(HttpContext http, TokenIssuer issuer, TokenRequest request, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, request.Label is null ? $"{request.Uses} uses" : $"{request.Uses} uses, {request.Label}");
        if (request.Uses is < 1 or > 100_000)
            return Problems.Invalid("uses must be 1 to 100,000.");
        if (request.ExpiresInSeconds is < 60 or > TokenRequest.LongestSeconds)
            return Problems.Invalid($"expiresInSeconds must be 60 (one minute) to {TokenRequest.LongestSeconds} (366 days).");
        if (request.Label is { Length: > 100 })
            return Problems.Invalid("label has at most 100 characters.");
        return Results.Json(await issuer.CreateAsync(request, cancellationToken), ApiJson.Default.TokenCreated, statusCode: StatusCodes.Status201Created);
    }

    private static string? Given(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
