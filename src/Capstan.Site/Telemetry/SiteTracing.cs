using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Capstan.Site.Telemetry;

/// <summary>What the site's own work is measured by. Costs nothing while nobody listens.</summary>
internal static class SiteTracing
{
    public const string Name = "Capstan.Site";

    private static readonly Meter s_meter = new(Name);
    private static readonly Counter<long> s_ingested = s_meter.CreateCounter<long>("capstan_ingested_records_total", "{record}", "Uploads that were taken in, by what became of them.");
    private static readonly Histogram<double> s_requests = s_meter.CreateHistogram<double>("capstan_api_request_duration_seconds", "s", "How long requests took, by route and status.");

    /// <summary>Spans <c>publish</c>, <c>ingest</c>, and one for each request.</summary>
    public static ActivitySource Source { get; } = new(Name);

    public static void Ingested(int applied, int quarantined)
    {
        if (applied > 0)
            s_ingested.Add(applied, new KeyValuePair<string, object?>("outcome", "applied"));
        if (quarantined > 0)
            s_ingested.Add(quarantined, new KeyValuePair<string, object?>("outcome", "quarantined"));
    }

    public static void Served(TimeSpan took, string route, int status) =>
        s_requests.Record(took.TotalSeconds, new("route", route), new("status", status));
}
