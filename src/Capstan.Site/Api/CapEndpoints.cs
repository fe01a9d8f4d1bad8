using Capstan.Nal.Paths;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/caps</c>.</summary>
internal static class CapEndpoints
{
    public static void MapCaps(this IEndpointRouteBuilder api)
    {
        api.MapGet("/caps", async (CapStore caps, CancellationToken cancellationToken) => await RowsAsync(caps, cancellationToken)).Produces<IReadOnlyList<CapRow>>();
        api.MapPost("/caps", AddAsync).Produces<CapAdded>(201).Produces<Problem>(400).Produces<Problem>(409);
        api.MapDelete("/caps", RemoveAsync).Produces(204).Produces<Problem>(404);
        api.MapPost("/caps/check", CheckAsync).Produces<CapCheck>().Produces<Problem>(400).Produces<Problem>(404);
        api.MapPost("/caps/publish", async (Publisher publisher, CapStore caps, CancellationToken cancellationToken) =>
        {
            await publisher.PublishNowAsync(cancellationToken);
            return await RowsAsync(caps, cancellationToken);
        }).Produces<IReadOnlyList<CapRow>>();
    }

    private static async Task<IResult> RowsAsync(CapStore caps, CancellationToken cancellationToken) =>
        Results.Json([.. (await caps.ListAsync(cancellationToken)).Select(cap => cap.ToRow())], ApiJson.Default.IReadOnlyListCapRow);

    private static async Task<IResult> AddAsync(CapAdministration administration, CapAdd cap, CancellationToken cancellationToken)
    {
        if (!NalPath.TryParse(cap.Path, out var path, out var error))
            return Problems.Invalid($"The path '{cap.Path}' is not a NAL path: at column {error.Column}, expected {error.Expected}. For a folder: LOCAL:\\\\srv\\cap\\ or file:///srv/cap/.");
        if (Licensing.Fault(cap.Licensing, cap.Headroom) is { } fault)
            return Problems.Invalid(fault);
        if ((Fault(cap.Account, "account") ?? Fault(cap.ClientAccount, "clientAccount")) is { } bad)
            return Problems.Invalid(bad);
        if (path.Server is null && (cap.Account ?? cap.ClientAccount) is not null)
            return Problems.Invalid($"{path} names no server, so it takes no account.");
        return Results.Json(await administration.AddAsync(path, cap, cancellationToken), ApiJson.Default.CapAdded, statusCode: StatusCodes.Status201Created);
    }

    private static string? Fault(CapAccount? account, string member) => account switch
    {
        null => null,
        { Name.Length: < 1 or > 256 } => $"{member}.name must have 1 to 256 characters.",
        { Password.Length: > 1_024 } => $"{member}.password has at most 1,024 characters.",
        _ => account.Name.Any(char.IsControl) ? $"{member}.name must not have control characters." : null,
    };

    private static async Task<IResult> RemoveAsync(CapAdministration administration, string path, CancellationToken cancellationToken) =>
        NalPath.TryParse(path, out var parsed, out _) && await administration.RemoveAsync(parsed, cancellationToken)
            ? Results.NoContent()
            : NotListed(path);

    private static async Task<IResult> CheckAsync(CapChecker checker, CapStore caps, string path, CancellationToken cancellationToken)
    {
        if (!NalPath.TryParse(path, out var parsed, out var error))
            return Problems.Invalid($"The path is not a NAL path: at column {error.Column}, expected {error.Expected}.");
        // A check writes, so it touches nothing that nobody has given to the site.
        var text = parsed.ToString();
        return (await caps.ListAsync(cancellationToken)).Any(cap => string.Equals(cap.Path, text, StringComparison.Ordinal))
            ? Results.Json(await checker.CheckAsync(parsed, cancellationToken), ApiJson.Default.CapCheck)
            : NotListed(path);
    }

    private static IResult NotListed(string path) => Problems.NotFound($"'{path}' is not on the list of client access points; `capstan cap list` shows them.");
}
