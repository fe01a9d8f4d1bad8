using Microsoft.AspNetCore.Http;

namespace Capstan.Site.Api;

/// <summary>Marks the endpoints of the API: they need the bearer token, and their answers carry entity tags.</summary>
internal sealed class ApiEndpoint
{
    public static readonly ApiEndpoint Mark = new();

    /// <summary>Whether a request is for the API: by the endpoint that routing found, and for what it did not find, by the path in any case of its letters.</summary>
    public static bool IsAsked(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<ApiEndpoint>() is not null || context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase);
}
