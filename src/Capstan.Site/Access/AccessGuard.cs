using System.Net;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Capstan.Site.Console.Pages;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Access;

/// <summary>Who asks, whether they may, and a row in the audit log for everything that changes something.</summary>
/// <remarks>
/// The API takes the token of the site's directory, or the token of a session, as a bearer. A browser has a session in a cookie; with it a request that changes something must come from a page of this site.
/// Pages ask for a session when the request came by TLS, or when there is a user at all. Runs after routing, as <see cref="ApiGuard"/>.
/// </remarks>
internal sealed class AccessGuard(RequestDelegate next, ApiToken token, Users users, AuditStore audit, TimeProvider time, ILogger<AccessGuard> logger)
{
    private const string Bearer = "Bearer ";
    private static readonly object s_subject = new();

    public async Task InvokeAsync(HttpContext context)
    {
        var changes = !HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method) && !HttpMethods.IsOptions(context.Request.Method);
        var caller = await CallerAsync(context);
        if (caller is not null)
            context.Features.Set(caller);
        var isPublic = context.GetEndpoint()?.Metadata.GetMetadata<PublicEndpoint>() is not null;
        // Before the answer leaves, whatever it is. Signing in and out write their own rows: they know the name.
        if (changes && !isPublic)
            context.Response.OnStarting(() => NoteAsync(context, caller));
        if (isPublic || await IsAllowedAsync(context, caller, changes))
            await next(context);
    }

    /// <summary>Says in the audit log what a request was about, where its address does not.</summary>
    public static void About(HttpContext context, string subject) => context.Items[s_subject] = subject;

    public static string AddressOf(HttpContext context) => context.Connection.RemoteIpAddress is { } address
        ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString()
        : "local";

    /// <summary>Whether a request that carries a cookie comes from a page of this very site.</summary>
    public static bool IsOfThisSite(HttpRequest request) => request.Headers.Origin.ToString() is { Length: > 0 } origin
        ? origin == $"{request.Scheme}://{request.Host}"
        // Browsers that send no Origin with a form of the same site say so here; what is no browser has no cookie to misuse.
        : request.Headers["Sec-Fetch-Site"].ToString() is "" or "same-origin";

    private async Task<Caller?> CallerAsync(HttpContext context)
    {
        string? header = context.Request.Headers.Authorization;
        if (header?.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) == true)
        {
            var given = header[Bearer.Length..].Trim();
            return token.Equals(given) ? Caller.Token : await users.FindAsync(given, context.RequestAborted);
        }
        if (SessionCookie.Read(context) is { } session)
            return await users.FindAsync(session, context.RequestAborted);
        return !context.Request.IsHttps && !ApiEndpoint.IsAsked(context) && !await users.AnyAsync(context.RequestAborted) ? Caller.Local : null;
    }

    private async Task<bool> IsAllowedAsync(HttpContext context, Caller? caller, bool changes)
    {
        var isApi = ApiEndpoint.IsAsked(context);
        if (caller is null)
        {
            if (isApi || !context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await Problems.WriteAsync(context, StatusCodes.Status401Unauthorized, "unauthorized",
                    "The request has no valid bearer token: it stands in the file api-token of the site's directory, or POST /api/v1/sessions gives one for a user's name and password.");
            }
            else
                context.Response.Redirect($"/sign-in?to={Uri.EscapeDataString(context.Request.Path + context.Request.QueryString)}");
            return false;
        }
        if (changes && caller.IsSignedIn && context.Request.Headers.Authorization.Count == 0 && !IsOfThisSite(context.Request))
        {
            await Problems.WriteAsync(context, StatusCodes.Status403Forbidden, "other_site", "The request came from a page of another site, with the session of this one. Nothing was changed.");
            return false;
        }
        var needed = context.GetEndpoint()?.Metadata.GetMetadata<NeedsRole>()?.Role ?? (changes ? Role.Operator : Role.Reader);
        if (caller.Role >= needed)
            return true;
        var detail = $"{caller.Name} is {Roles.Name(caller.Role)}; this needs {Roles.Name(needed)}. An administrator can change it: `capstan user change {caller.Name} --role {Roles.Name(needed)}`.";
        if (isApi)
            await Problems.WriteAsync(context, StatusCodes.Status403Forbidden, "role_too_low", detail);
        else
            await ConsoleEndpoints.Page<ProblemPage>(new { Title = "Not for you", Detail = detail, Now = time.GetUtcNow() }, StatusCodes.Status403Forbidden).ExecuteAsync(context);
        return false;
    }

    /// <summary>A row that cannot be written is said in the log; the request was done, or refused, and its answer goes out all the same.</summary>
    private async Task NoteAsync(HttpContext context, Caller? caller)
    {
        var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? context.Request.Path.Value ?? "";
        var subject = context.Items[s_subject] as string ?? SubjectOf(context);
        try
        {
            await audit.AddAsync(caller?.Name ?? "nobody", AddressOf(context), Clip($"{context.Request.Method} {route}"), subject is null ? null : Clip(subject), context.Response.StatusCode, time.GetUtcNow(), CancellationToken.None);
        }
        catch (Exception cause) when (cause is SiteException or System.Data.Common.DbException)
        {
            SiteLog.AuditFailed(logger, caller?.Name ?? "nobody", context.Request.Method, route, cause);
        }
    }

    private static string? SubjectOf(HttpContext context)
    {
        var values = context.Request.RouteValues.Select(value => $"{value.Value}").Concat(context.Request.Query.SelectMany(value => value.Value.Select(text => $"{value.Key}={text}"))).ToList();
        return values.Count == 0 ? null : string.Join(' ', values);
    }

    private static string Clip(string text) => text.Length <= 500 ? text : text[..500];
}

/// <summary>Marks what anybody may ask: health, assets, the page to sign in.</summary>
internal sealed class PublicEndpoint
{
    public static readonly PublicEndpoint Mark = new();
}

/// <summary>Marks an endpoint that needs another role than its method says (reading: reader; changing: operator).</summary>
internal sealed record NeedsRole(Role Role)
{
    public static readonly NeedsRole Administrator = new(Role.Administrator);
}

/// <summary>The cookie of a session: not readable by scripts, not sent from other sites, and by TLS only where it was given by TLS.</summary>
internal static class SessionCookie
{
    // Browsers keep a cookie with this prefix to one host and to TLS.
    private const string Plain = "capstan-session", Secure = "__Host-capstan-session";

    public static string? Read(HttpContext context) => context.Request.Cookies[Name(context)];

    public static void Write(HttpContext context, string token) => context.Response.Cookies.Append(Name(context), token, Options(context, Users.SessionLimit));

    public static void Remove(HttpContext context) => context.Response.Cookies.Delete(Name(context), Options(context, TimeSpan.Zero));

    private static string Name(HttpContext context) => context.Request.IsHttps ? Secure : Plain;

    private static CookieOptions Options(HttpContext context, TimeSpan age) => new()
    {
        HttpOnly = true,
        Secure = context.Request.IsHttps,
        SameSite = SameSiteMode.Strict,
        Path = "/",
        MaxAge = age,
        IsEssential = true,
    };
}
