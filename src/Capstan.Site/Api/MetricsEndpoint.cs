using Capstan.Site.Status;
using Capstan.Site.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/metrics</c>: <see cref="SiteFigures"/> for Prometheus.</summary>
internal static class MetricsEndpoint
{
    public static void MapMetrics(this IEndpointRouteBuilder app) => app.MapGet("/metrics", async (SiteFigures figures, CancellationToken cancellationToken) =>
    {
        var text = new MetricsText();
        await figures.WriteAsync(text, cancellationToken);
        return Results.Text(text.ToString(), MetricsText.ContentType);
    }).ExcludeFromDescription();
}
