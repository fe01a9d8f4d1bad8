using Capstan.Nal.Arbiter;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Fleet;
using Capstan.Site.Status;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;

namespace Capstan.Site.Telemetry;

/// <summary>What the overview shows, and what the process uses: for Prometheus and for OTLP, under the same names.</summary>
internal sealed class SiteFigures(SiteIdentity site, DeviceStore devices, QuarantineStore quarantine, CapStore caps, CapLoadReader loads, HealthReader health, ClientHealthReader clients,
        ConnectionArbiter arbiter, AuditTrail trail, ServedTls tls, TimeProvider time)
{
    public async Task WriteAsync(IMetricsWriter text, CancellationToken cancellationToken)
    {
        text.Family("capstan_site_info", "gauge", "1; which site this is, and of which version the program.")
            .Sample(1, ("site", site.SiteCode), ("version", typeof(SiteFigures).Assembly.GetName().Version?.ToString(3) ?? ""));
        Clients(text, await devices.CountsAsync(time.GetUtcNow(), cancellationToken), await quarantine.CountAsync(cancellationToken));
        var conditions = (await health.ReadAsync(cancellationToken)).ToLookup(condition => condition.Severity, StringComparer.Ordinal);
        text.Family("capstan_health_conditions", "gauge", "Conditions that somebody should look at.");
        foreach (var severity in (string[])["error", "warning", "information"])
            text.Sample(conditions[severity].Count(), ("severity", severity));
        var unwell = ClientHealthReader.Unwell(await clients.ReadAsync(deviceId: null, cancellationToken)).ToLookup(client => client.Causes[0].Severity, StringComparer.Ordinal);
        text.Family("capstan_clients_unwell", "gauge", "Clients that are not well, by the severity of their worst cause.");
        foreach (var severity in (string[])["error", "warning", "information"])
            text.Sample(unwell[severity].Count(), ("severity", severity));
        Caps(text, await CapUsageEndpoints.WithLoadsAsync(loads, (await caps.ListAsync(cancellationToken)).Select(cap => cap.ToRow()), cancellationToken));
        text.Family("capstan_nal_connections", "gauge", "Connections of this process to servers, by what they are used for.");
        foreach (var server in arbiter.Connections().GroupBy(connection => (connection.Server, connection.ReferenceCount > 0)))
            text.Sample(server.Count(), ("server", server.Key.Server ?? "local"), ("state", server.Key.Item2 ? "used" : "idle"));
        text.Family("capstan_refused_requests_total", "counter", "Requests that were refused: without token or session, signing in, or changing what the role does not allow.")
            .Sample(trail.Nobody.Total, ("of", "nobody")).Sample(trail.SignIns.Total, ("of", "sign_in")).Sample(trail.Changes.Total, ("of", "role"));
        if (tls.Listener is { } listener)
            text.Family("capstan_tls_certificate_expires_timestamp_seconds", "gauge", "Until when the certificate is good that users see.").Sample(Seconds(listener.Facts().Until));
        Process(text);
    }

    private static void Clients(IMetricsWriter text, (int Clients, int Pending, int Day, int Week) counts, int quarantined)
    {
        text.Family("capstan_clients", "gauge", "Clients that are approved, and those that wait for it.").Sample(counts.Clients, ("state", "approved")).Sample(counts.Pending, ("state", "pending"));
        text.Family("capstan_clients_seen", "gauge", "Approved clients that reported within a time.").Sample(counts.Day, ("within", "1d")).Sample(counts.Week, ("within", "7d"));
        text.Family("capstan_quarantine_records", "gauge", "Uploads that were refused.").Sample(quarantined);
    }

    private static void Caps(IMetricsWriter text, IReadOnlyList<CapRow> caps)
    {
        Each("capstan_cap_working", "1 when the last pass over the CAP succeeded.", cap => cap.LastError is null ? 1 : 0);
        Each("capstan_cap_published_timestamp_seconds", "When metadata was last published to the CAP.", cap => Seconds(cap.LastPublished));
        Each("capstan_cap_drained_timestamp_seconds", "When the inbox of the CAP was last drained.", cap => Seconds(cap.LastDrained));
        Each("capstan_cap_inbox_records", "Uploads in the inbox at the last look.", cap => cap.InboxCount);
        Each("capstan_cap_connections_limit", "Connections, or devices, that the server of the CAP is licensed for.", cap => cap.Load?.Limit);
        Each("capstan_cap_connections_peak", "Most connections of clients at one time in 7 days, as they reported.", cap => cap.Load?.PeakConnections);
        Each("capstan_cap_refused", "Times that clients were refused for capacity in 3 days.", cap => cap.Load?.Refused);

        void Each(string name, string help, Func<CapRow, double?> value)
        {
            text.Family(name, "gauge", help);
            foreach (var cap in caps)
                text.Sample(value(cap), ("cap", cap.Path));
        }
    }

    private static void Process(IMetricsWriter text)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        text.Family("process_resident_memory_bytes", "gauge", "Memory of the process.").Sample(process.WorkingSet64);
        text.Family("process_cpu_seconds_total", "counter", "Processor time of the process.").Sample(process.TotalProcessorTime.TotalSeconds);
        text.Family("process_start_time_seconds", "gauge", "When the process was started.").Sample(Seconds(new DateTimeOffset(process.StartTime)));
    }

    private static double? Seconds(DateTimeOffset? time) => time?.ToUnixTimeMilliseconds() / 1000d;
}
