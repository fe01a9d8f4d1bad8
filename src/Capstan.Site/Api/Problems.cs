using Microsoft.AspNetCore.Http;

namespace Capstan.Site.Api;

/// <summary>Refusals of the API as problem documents (RFC 9457) with stable codes.</summary>
internal static class Problems
{
    public static IResult Of(int status, string code, string detail) =>
        Results.Json(Document(status, code, detail), ApiJson.Default.Problem, "application/problem+json", status);

    public static IResult NotFound(string detail) => Of(StatusCodes.Status404NotFound, "not_found", detail);

    public static IResult Invalid(string detail) => Of(StatusCodes.Status400BadRequest, "invalid_request", detail);

    public static Task WriteAsync(HttpContext context, int status, string code, string detail, string? errorCode = null)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(Document(status, code, detail) with { ErrorCode = errorCode }, ApiJson.Default.Problem, "application/problem+json", context.RequestAborted);
    }

    /// <summary>As it is answered.</summary>
    public static Problem Of(SiteException refusal) => Document(ApiGuard.StatusOf(refusal.Code), refusal.Code, refusal.Message) with { ErrorCode = refusal.StorageError?.ToString() };

    public static Problem Document(int status, string code, string detail) =>
        new($"urn:capstan:problem:{code}", Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status), status, detail, code);
}
