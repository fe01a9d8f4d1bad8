using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Capstan.Site.Telemetry;

/// <summary>Sends metrics and traces to a collector: OTLP, protobuf over HTTP. A collector that does not answer costs what could not be sent, and nothing else.</summary>
internal sealed class OtlpExport : IAsyncDisposable
{
    /// <summary>How often metrics are sent; and how old <see cref="SiteFigures"/> are at most when they are.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(5);

    private readonly Meter _meter = new(SiteTracing.Name + ".Figures");
    private readonly CancellationTokenSource _ends = new();
    private readonly SiteFigures _figures;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MeterProvider _metrics;
    private readonly TracerProvider _traces;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly Task _reading;
    private volatile IReadOnlyDictionary<string, Figure> _last = new Dictionary<string, Figure>(StringComparer.Ordinal);

    private OtlpExport(Uri collector, string siteCode, SiteFigures figures, TimeProvider time, ILogger logger)
    {
        (_figures, _time, _logger) = (figures, time, logger);
        var resource = ResourceBuilder.CreateEmpty().AddService("capstan-site", serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(3))
            .AddAttributes([new("capstan.site", siteCode)]);
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(SiteTracing.Name, _meter.Name)
            .AddOtlpExporter((exporter, reader) =>
            {
                To(exporter, collector, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = (int)Interval.TotalMilliseconds;
            }).Build();
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(SiteTracing.Name).AddOtlpExporter(exporter => To(exporter, collector, "v1/traces")).Build();
        _reading = ReadAsync();
    }

    public static OtlpExport Start(Uri collector, string siteCode, SiteFigures figures, TimeProvider time, ILogger logger)
    {
        SiteLog.ExportsTelemetry(logger, collector.GetLeftPart(UriPartial.Path));
        return new OtlpExport(collector, siteCode, figures, time, logger);
    }

    /// <summary>Sends what is there, within 5 s.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ends.CancelAsync();
        await _reading;
        // They wait for the network on their own threads.
        await Task.Run(() =>
        {
            _metrics.ForceFlush((int)FlushLimit.TotalMilliseconds);
            _traces.ForceFlush((int)FlushLimit.TotalMilliseconds);
        });
        _metrics.Dispose();
        _traces.Dispose();
        _meter.Dispose();
        _ends.Dispose();
    }

    private static void To(OtlpExporterOptions exporter, Uri collector, string path)
    {
        exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
        exporter.Endpoint = new Uri(collector.AbsoluteUri.TrimEnd('/') + "/" + path);
    }

    private async Task ReadAsync()
    {
        while (!_ends.IsCancellationRequested)
        {
            try
            {
                var list = new FigureList();
                await _figures.WriteAsync(list, _ends.Token);
                _last = list.Families;
                foreach (var (name, figure) in list.Families)
                    if (_known.Add(name))
                        Observe(name, figure);
                await Task.Delay(Interval / 2, _time, _ends.Token);
            }
            catch (OperationCanceledException) when (_ends.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever fails: figures that cannot be read are not sent, and the site goes on.
            catch (Exception cause)
#pragma warning restore CA1031
            {
                // An old figure would look like a fresh one.
                _last = new Dictionary<string, Figure>(StringComparer.Ordinal);
                SiteLog.TelemetryFailed(_logger, cause);
                await Task.Delay(Interval, _time, _ends.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Observe(string name, Figure figure)
    {
        if (figure.Type == "counter")
            _ = _meter.CreateObservableCounter(name, () => Samples(name), unit: null, figure.Help);
        else
            _ = _meter.CreateObservableGauge(name, () => Samples(name), unit: null, figure.Help);
    }

    private List<Measurement<double>> Samples(string name) => _last.TryGetValue(name, out var figure) ? figure.Samples : [];
}
