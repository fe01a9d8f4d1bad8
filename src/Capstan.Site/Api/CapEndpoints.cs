using Capstan.Nal.Paths;
using Capstan.Site.Access;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Fleet;
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
        api.MapGet("/caps", RowsAsync).Produces<IReadOnlyList<CapRow>>();
        api.MapPost("/caps", AddAsync).Produces<CapAdded>(201).Produces<Problem>(400).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/caps", RemoveAsync).Produces(204).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/caps/accounts", async (AccountAdministration administration, CancellationToken cancellationToken) =>
            Results.Json(await administration.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListCapAccountRow)).Produces<IReadOnlyList<CapAccountRow>>();
        api.MapDelete("/caps/accounts", RemoveAccountAsync).Produces<CapAccountRemoved>().Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapPost("/caps/check", CheckAsync).Produces<CapCheck>().Produces<Problem>(400).Produces<Problem>(404);
        api.MapPost("/caps/publish", async (Publisher publisher, ContentKeeper keeper, CapStore caps, SiteAccounts accounts, CapLoadReader loads, CapContentStore content, CancellationToken cancellationToken) =>
        {
            await publisher.PublishNowAsync(cancellationToken);
            keeper.LookAgain();
            return await RowsAsync(caps, accounts, loads, content, cancellationToken);
        }).Produces<IReadOnlyList<CapRow>>();
    }

    private static async Task<IResult> RowsAsync(CapStore caps, SiteAccounts accounts, CapLoadReader loads, CapContentStore content, CancellationToken cancellationToken)
    {
        var unreadable = (await accounts.HandoutAsync(cancellationToken)).Unreadable.ToLookup(row => row.Cap, row => row.Name, StringComparer.Ordinal);
        return Results.Json(await CapUsageEndpoints.WithLoadsAsync(loads, await PackageEndpoints.WithContentAsync(content, (await caps.ListAsync(cancellationToken)).Select(cap => cap.ToRow() with
        {
            UnreadableAccounts = unreadable.Contains(cap.Path) ? [.. unreadable[cap.Path].Distinct(StringComparer.Ordinal)] : null,
        }), cancellationToken), cancellationToken), ApiJson.Default.IReadOnlyListCapRow);
    }

    private static async Task<IResult> AddAsync(HttpContext http, CapAdministration administration, ContentKeeper keeper, CapAdd cap, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(cap.Path))
            return Problems.Invalid("path is required.");
        AccessGuard.About(http, cap.Path);
        if (!NalPath.TryParse(cap.Path, out var path, out var error))
            return Problems.Invalid($"The path '{cap.Path}' is not a NAL path: at column {error.Column}, expected {error.Expected}. For a folder: LOCAL:\\\\srv\\cap\\ or file:///srv/cap/.");
        if ((Fault(cap.Account, "account") ?? Fault(cap.ClientAccount, "clientAccount")) is { } bad)
            return Problems.Invalid(bad);
        if (path.Server is null && (cap.Account ?? cap.ClientAccount) is not null)
            return Problems.Invalid($"{path} names no server, so it takes no account.");
        var added = await administration.AddAsync(path, cap, cancellationToken);
        keeper.LookAgain();
        return Results.Json(added, ApiJson.Default.CapAdded, statusCode: StatusCodes.Status201Created);
    }

    private static string? Fault(CapAccount? account, string member) => account switch
    {
        null => null,
        _ when string.IsNullOrEmpty(account.Name) || account.Name.Length > 256 => $"{member}.name must have 1 to 256 characters.",
        _ when account.Password is null => $"{member}.password is required.",
        { Password.Length: > 1_024 } => $"{member}.password has at most 1,024 characters.",
        _ => account.Name.Any(char.IsControl) ? $"{member}.name must not have control characters." : null,
    };

    private static async Task<IResult> RemoveAsync(CapAdministration administration, string path, CancellationToken cancellationToken) =>
        NalPath.TryParse(path, out var parsed, out _) && await administration.RemoveAsync(parsed, cancellationToken)
            ? Results.NoContent()
            : NotListed(path);

    private static async Task<IResult> RemoveAccountAsync(AccountAdministration administration, CapStore caps, string path, string name, string? role, CancellationToken cancellationToken)
    {
        if (role is not (null or AccountRole.Site or AccountRole.Clients))
            return Problems.Invalid($"role must be {AccountRole.Site} or {AccountRole.Clients}.");
        return await ListedAsync(caps, path, cancellationToken) is { } listed
            ? Results.Json(await administration.RemoveAsync(listed, name, role, cancellationToken), ApiJson.Default.CapAccountRemoved)
            : NotListed(path);
    }

    private static async Task<IResult> CheckAsync(CapChecker checker, CapStore caps, string path, CancellationToken cancellationToken)
    {
        if (!NalPath.TryParse(path, out _, out var error))
            return Problems.Invalid($"The path is not a NAL path: at column {error.Column}, expected {error.Expected}.");
        // A check writes, so it touches nothing that nobody has given to the site.
        return await ListedAsync(caps, path, cancellationToken) is { } listed
            ? Results.Json(await checker.CheckAsync(listed, cancellationToken), ApiJson.Default.CapCheck)
            : NotListed(path);
    }

    /// <summary>Null when it is not on the list.</summary>
    private static async Task<NalPath?> ListedAsync(CapStore caps, string path, CancellationToken cancellationToken) =>
        NalPath.TryParse(path, out var parsed, out _)
        && (await caps.ListAsync(cancellationToken)).Any(cap => string.Equals(cap.Path, parsed.ToString(), StringComparison.Ordinal)) ? parsed : null;

    private static IResult NotListed(string path) => Problems.NotFound($"'{path}' is not on the list of client access points; `capstan cap list` shows them.");
}
