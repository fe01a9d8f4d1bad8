using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Telemetry;

/// <summary>A span and a duration for each request, by its route: never by its path or query, which may name clients.</summary>
internal sealed class RequestTrace(RequestDelegate next, TimeProvider time)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var route = $"{context.Request.Method} {(context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(none)"}";
        using var span = SiteTracing.Source.StartActivity(route, ActivityKind.Server);
        var began = time.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            span?.SetTag("http.response.status_code", context.Response.StatusCode);
            SiteTracing.Served(time.GetElapsedTime(began), route, context.Response.StatusCode);
        }
    }
}
