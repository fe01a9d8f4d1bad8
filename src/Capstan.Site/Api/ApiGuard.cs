using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Api;

/// <summary>What stands before every request: only this machine's own names (a page elsewhere cannot point a browser here), and the token for the API.</summary>
internal sealed class ApiGuard(RequestDelegate next, ApiToken token, ILogger<ApiGuard> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (!IsLoopbackName(context.Request.Host.Host))
        {
            await Problems.WriteAsync(context, StatusCodes.Status421MisdirectedRequest, "wrong_host",
                "The site answers on this machine's loopback names only: use http://127.0.0.1 or http://localhost.");
            return;
        }
        if (context.Request.Path.StartsWithSegments("/api", StringComparison.Ordinal) && !IsAuthorized(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await Problems.WriteAsync(context, StatusCodes.Status401Unauthorized, "unauthorized",
                "The request has no valid bearer token: it stands in the file api-token of the site's directory.");
            return;
        }
        try
        {
            await next(context);
        }
        catch (BadHttpRequestException cause) when (!context.Response.HasStarted)
        {
            await Problems.WriteAsync(context, cause.StatusCode, cause.StatusCode == StatusCodes.Status413PayloadTooLarge ? "too_large" : "invalid_request", cause.Message);
        }
        catch (SiteException cause) when (!context.Response.HasStarted)
        {
            await Problems.WriteAsync(context, StatusCodes.Status409Conflict, cause.Code, cause.Message);
        }
        catch (Exception cause) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            SiteLog.RequestFailed(logger, context.Request.Method, context.Request.Path, cause);
            await Problems.WriteAsync(context, StatusCodes.Status500InternalServerError, "internal_error", "The request failed in the site; its log says why.");
        }
    }

    private bool IsAuthorized(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        string? header = request.Headers.Authorization;
        return header?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) == true && token.Equals(header[Scheme.Length..].Trim());
    }

    private static bool IsLoopbackName(string host) => host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}

/// <summary>The bearer token. Compared by hash, in a time that tells nothing of either.</summary>
internal sealed class ApiToken(string value)
{
    private readonly byte[] _hash = SHA256.HashData(Encoding.UTF8.GetBytes(value));

    public bool Equals(string candidate) => CryptographicOperations.FixedTimeEquals(_hash, SHA256.HashData(Encoding.UTF8.GetBytes(candidate)));

    /// <summary>For the console's own client and the file's owner.</summary>
    public string Reveal() => value;

    public override string ToString() => "(secret)";
}
