using Capstan.Protocol.V1;
using Capstan.Site.Access;
using Capstan.Site.Publish.Builds;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/client-builds</c>.</summary>
internal static class ClientBuildEndpoints
{
    public static void MapClientBuilds(this IEndpointRouteBuilder api)
    {
        api.MapGet("/client-builds", async (BuildAdministration builds, CancellationToken cancellationToken) =>
            Results.Json(await builds.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListClientBuildRow)).Produces<IReadOnlyList<ClientBuildRow>>();
        api.MapPost("/client-builds", async (BuildAdministration builds, ClientBuildAdd build, CancellationToken cancellationToken) =>
            Results.Json(await builds.AddAsync(build, cancellationToken), ApiJson.Default.ClientBuildRow, statusCode: StatusCodes.Status201Created))
            .Produces<ClientBuildRow>(201).Produces<Problem>(400).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/client-builds", async (BuildAdministration builds, string platform, string version, CancellationToken cancellationToken) =>
        {
            await builds.RemoveAsync(platform, version, cancellationToken);
            return Results.NoContent();
        }).Produces(204).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/client-builds/use", async (BuildAdministration builds, ClientBuildUse order, CancellationToken cancellationToken) =>
            order.SpreadSeconds is < 0 or > ClientBuildUse.LongestSpreadSeconds
                ? Problems.Invalid($"spreadSeconds must be 0 to {ClientBuildUse.LongestSpreadSeconds} (31 days).")
                : Results.Json(await builds.UseAsync(order, cancellationToken), ApiJson.Default.ClientBuildOrdered)).Produces<ClientBuildOrdered>().Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/client-builds/use", async (BuildAdministration builds, string platform, CancellationToken cancellationToken) =>
        {
            await builds.EndAsync(platform, cancellationToken);
            return Results.NoContent();
        }).Produces(204).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapPut("/client-builds/files/{sha256}", SaveFileAsync).Produces(204).Produces<Problem>(400).WithMetadata(NeedsRole.Administrator);
    }

    /// <summary>The body is the file as it is: the one request of the API that is long.</summary>
    private static async Task<IResult> SaveFileAsync(BuildAdministration builds, HttpContext context, string sha256, CancellationToken cancellationToken)
    {
        if (sha256.Length != 64 || !sha256.All(char.IsAsciiHexDigitLower))
            return Problems.Invalid("The name of a file is its SHA-256 in 64 lower-case hexadecimal digits.");
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = BuildFile.MaxBytes;
        await builds.SaveFileAsync(sha256, context.Request.Body, cancellationToken);
        return Results.NoContent();
    }
}
