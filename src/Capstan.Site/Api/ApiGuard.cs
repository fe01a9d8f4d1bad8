using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Capstan.Site.Console;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Api;

/// <summary>What stands before every request: without TLS only this machine's own names (a page elsewhere cannot point a browser here); and every refusal as a problem document.</summary>
/// <remarks>Runs after routing: what routing found decides who may ask (<see cref="Access.AccessGuard"/>), so a spelling that routing accepts is never a way around it.</remarks>
internal sealed class ApiGuard(RequestDelegate next, ILogger<ApiGuard> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        ConsoleFilter.Protect(context.Response.Headers);
        if (!context.Request.IsHttps && !IsLoopbackName(context.Request.Host.Host))
        {
            await Problems.WriteAsync(context, StatusCodes.Status421MisdirectedRequest, "wrong_host",
                "The site answers on this machine's loopback names only: use http://127.0.0.1 or http://localhost.");
            return;
        }
        try
        {
            await next(context);
            // Routing refuses without a word: an unknown path, a method or a content type that the path has not.
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null } bare)
                await Problems.WriteAsync(context, bare.StatusCode, CodeOf(bare.StatusCode), bare.StatusCode == StatusCodes.Status404NotFound
                    ? $"There is nothing at {context.Request.Path}."
                    : $"{context.Request.Method} {context.Request.Path} is not possible in this form; /api/v1/openapi.json describes what is.");
        }
        catch (BadHttpRequestException cause) when (!context.Response.HasStarted)
        {
            await Problems.WriteAsync(context, cause.StatusCode, CodeOf(cause.StatusCode), cause.InnerException is JsonException { Path.Length: > 2 } json ? $"The body does not fit at {json.Path}: {json.Message}" : cause.Message);
        }
        catch (SiteException cause) when (!context.Response.HasStarted)
        {
            await Problems.WriteAsync(context, StatusOf(cause.Code), cause.Code, cause.Message, cause.StorageError?.ToString());
        }
        catch (Exception cause) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            SiteLog.RequestFailed(logger, context.Request.Method, context.Request.Path, cause);
            await Problems.WriteAsync(context, StatusCodes.Status500InternalServerError, "internal_error", "The request failed in the site; its log says why.");
        }
    }

    /// <summary>The HTTP status of a refusal with a code.</summary>
    internal static int StatusOf(string code) => code switch
    {
        "bad_licensing" or "bad_alias" or "bad_build" or "bad_setting" or "bad_collection" or "bad_query" or "bad_program" or "bad_advertisement" or "bad_boundary" or "bad_package" or "package_too_large" => StatusCodes.Status400BadRequest,
        "account_unknown" or "cap_unknown" or "build_unknown" or "setting_unknown" or "setting_unset" or "collection_unknown" or "program_unknown" or "advertisement_unknown" or "not_a_member" or "boundary_unknown" or "package_unknown" => StatusCodes.Status404NotFound,
        "too_many_uploads" => StatusCodes.Status429TooManyRequests,
        _ => StatusCodes.Status409Conflict,
    };

    private static string CodeOf(int status) => status switch
    {
        StatusCodes.Status404NotFound => "not_found",
        StatusCodes.Status405MethodNotAllowed => "method_not_allowed",
        StatusCodes.Status413PayloadTooLarge => "too_large",
        StatusCodes.Status415UnsupportedMediaType => "unsupported_media_type",
        _ => "invalid_request",
    };

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
