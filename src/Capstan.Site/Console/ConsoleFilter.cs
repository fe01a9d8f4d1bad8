using System.Net;
using Capstan.Site.Api;
using Capstan.Site.Console.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Capstan.Site.Console;

/// <summary>What holds for every page: who may ask, what a browser may do with the answer, and how a refusal of the API looks.</summary>
internal sealed class ConsoleFilter(TimeProvider time) : IEndpointFilter
{
    private const string ContentSecurityPolicy =
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-store";

        // The console has no sign-in of its own and listens on loopback. A page of another origin can reach it only under that origin's
        // name (DNS rebinding), and a name that is not loopback's never comes from this machine's own browser.
        if (!IsLoopback(http.Request.Host.Host))
            return Problem("Not available under this name", "This console answers on this machine only: open it as http://127.0.0.1 with the port that \"capstan up\" or \"capstan site run\" printed.", StatusCodes.Status421MisdirectedRequest);
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

    private static bool IsLoopback(string host) => string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
