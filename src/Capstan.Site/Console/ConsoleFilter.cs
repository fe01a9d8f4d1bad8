using Capstan.Site.Api;
using Capstan.Site.Console.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Capstan.Site.Console;

/// <summary>What holds for every page: what a browser may do with the answer, and how a refusal of the API looks.</summary>
/// <remarks>Who may ask is decided before: the site answers under loopback names only.</remarks>
internal sealed class ConsoleFilter(TimeProvider time) : IEndpointFilter
{
    private const string ContentSecurityPolicy =
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>For a page with a chart: scripts of this site, in files of their own, which may read the page again; still none in the page.</summary>
    public static void AllowOwnScript(HttpContext http) => http.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy + "; script-src 'self'; connect-src 'self'";

    /// <summary>What holds for every answer of the site, pages or not: nothing is kept, framed, or taken for something else.</summary>
    public static void Protect(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
    }

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        Protect(context.HttpContext.Response.Headers);
        try
        {
            return await next(context);
        }
        catch (ApiException refusal)
        {
            var title = refusal.Status == StatusCodes.Status404NotFound ? "Not found" : "This could not be shown";
            return Problem(title, refusal.Message, refusal.Status is >= 400 and < 500 ? refusal.Status : StatusCodes.Status502BadGateway);
        }
        catch (HttpRequestException cause)
        {
            return Problem("This could not be shown", $"The site's own API did not answer: {cause.Message} Look into the site's log, then reload.", StatusCodes.Status502BadGateway);
        }
    }

    private RazorComponentResult<ProblemPage> Problem(string title, string detail, int status) =>
        ConsoleEndpoints.Page<ProblemPage>(new { Title = title, Detail = detail, Now = time.GetUtcNow() }, status);
}
