using System.Net;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Capstan.Site.Console.Pages;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Access;

/// <summary>Who asks, whether they may, and a row in the audit log for everything that changes something, written before it begins.</summary>
/// <remarks>
/// The API takes the token of the site's directory, or the token of a session, as a bearer. A browser has a session in a cookie; with it a request that changes something must come from a page of this site.
/// Pages ask for a session when the request came by TLS, or when there is a user at all. Runs after routing, as <see cref="ApiGuard"/>.
/// </remarks>
internal sealed class AccessGuard(RequestDelegate next, ApiToken token, Users users, AuditTrail trail, TimeProvider time)
{
    private const string Bearer = "Bearer ";
    private static readonly object s_subject = new();

    public async Task InvokeAsync(HttpContext context)
    {
        var changes = !HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method) && !HttpMethods.IsOptions(context.Request.Method);
        var (caller, byCookie) = await CallerAsync(context);
        if (caller is not null)
            context.Features.Set(caller);
        // Signing in and out write their own rows: they know the name. What routing did not find changes nothing.
        var isPublic = context.GetEndpoint()?.Metadata.GetMetadata<PublicEndpoint>() is not null;
        var recorded = changes && !isPublic ? context.GetEndpoint() as RouteEndpoint : null;
        if (!isPublic && Refuse(context, caller, changes, byCookie) is { } refusal)
        {
            // A browser that is shown the way to sign in was not refused.
            if (caller is null && (changes || !WantsPage(context)))
                trail.RefusedNobody(AddressOf(context));
            else if (caller is not null && recorded is not null)
                await trail.RefusedAsync(Entry(context, caller, recorded, refusal.Status));
            await AnswerAsync(context, refusal);
        }
        else if (caller is not null && recorded is not null)
            await RecordAsync(context, caller, recorded);
        else
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

    private async Task<(Caller? Caller, bool ByCookie)> CallerAsync(HttpContext context)
    {
        string? header = context.Request.Headers.Authorization;
        if (header?.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) == true)
        {
            var given = header[Bearer.Length..].Trim();
            return (token.Equals(given) ? Caller.Token : await users.FindAsync(given, context.RequestAborted), false);
        }
        if (SessionCookie.Read(context) is { } session)
            return (await users.FindAsync(session, context.RequestAborted), true);
        return (!context.Request.IsHttps && !ApiEndpoint.IsAsked(context) && !await users.AnyAsync(context.RequestAborted) ? Caller.Local : null, false);
    }

    /// <summary>Why somebody may not; null when they may.</summary>
    private static Refusal? Refuse(HttpContext context, Caller? caller, bool changes, bool byCookie)
    {
        if (caller is null)
            return new Refusal(StatusCodes.Status401Unauthorized, "unauthorized",
                "The request has no valid bearer token: it stands in the file api-token of the site's directory, or POST /api/v1/sessions gives one for a user's name and password.");
        if (changes && byCookie && !IsOfThisSite(context.Request))
            return new Refusal(StatusCodes.Status403Forbidden, "other_site", "The request came from a page of another site, with the session of this one. Nothing was changed.");
        var needed = context.GetEndpoint()?.Metadata.GetMetadata<NeedsRole>()?.Role ?? (changes ? Role.Operator : Role.Reader);
        return caller.Role >= needed ? null : new Refusal(StatusCodes.Status403Forbidden, "role_too_low",
            $"{caller.Name} is {Roles.Name(caller.Role)}; this needs {Roles.Name(needed)}. An administrator can change it: `capstan user change {caller.Name} --role {Roles.Name(needed)}`.");
    }

    private Task AnswerAsync(HttpContext context, Refusal refusal)
    {
        var isPage = WantsPage(context);
        if (refusal.Status != StatusCodes.Status401Unauthorized)
            return isPage
                ? ConsoleEndpoints.Page<ProblemPage>(new { Title = "Not for you", refusal.Detail, Now = time.GetUtcNow() }, refusal.Status).ExecuteAsync(context)
                : Problems.WriteAsync(context, refusal.Status, refusal.Code, refusal.Detail);
        if (isPage)
        {
            context.Response.Redirect($"/sign-in?to={Uri.EscapeDataString(context.Request.Path + context.Request.QueryString)}");
            return Task.CompletedTask;
        }
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return Problems.WriteAsync(context, refusal.Status, refusal.Code, refusal.Detail);
    }

    private static bool WantsPage(HttpContext context) =>
        !ApiEndpoint.IsAsked(context) && context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    /// <summary>The row comes first: it stands there also when the caller hangs up or the site is killed. Its outcome follows before the answer leaves.</summary>
    private async Task RecordAsync(HttpContext context, Caller caller, RouteEndpoint endpoint)
    {
        var row = await trail.BeginAsync(Entry(context, caller, endpoint, AuditStore.Begun), context.RequestAborted);
        context.Response.OnStarting(() => EndAsync(context.Response.StatusCode));
        try
        {
            await next(context);
            // To who has hung up no answer starts.
            if (context.RequestAborted.IsCancellationRequested)
                await EndAsync(context.Response.StatusCode);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Whether it was done before, the handler alone knows; what it was about is said all the same.
            await EndAsync(AuditStore.Begun);
            throw;
        }

        Task EndAsync(int outcome) => trail.EndAsync(row, Entry(context, caller, endpoint, outcome));
    }

    private static AuditEntry Entry(HttpContext context, Caller caller, RouteEndpoint endpoint, int outcome) =>
        new(caller.Name, AddressOf(context), $"{context.Request.Method} {endpoint.RoutePattern.RawText}", context.Items[s_subject] as string ?? SubjectOf(context), outcome);

    private static string? SubjectOf(HttpContext context)
    {
        var values = context.Request.RouteValues.Select(value => $"{value.Value}").Concat(context.Request.Query.SelectMany(value => value.Value.Select(text => $"{value.Key}={text}"))).ToList();
        return values.Count == 0 ? null : string.Join(' ', values);
    }

    private sealed record Refusal(int Status, string Code, string Detail);
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
