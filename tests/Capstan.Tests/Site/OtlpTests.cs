using System.Collections.Concurrent;
using System.Text;
using Capstan.Site;
using Capstan.Site.Status;
using Capstan.Site.Telemetry;
using Capstan.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>Metrics and traces at a collector, over real HTTP.</summary>
public sealed class OtlpTests
{
    [Fact]
    public async Task A_site_sends_the_figures_of_metrics_under_their_names_and_spans_of_its_work()
    {
        var directory = Directory.CreateTempSubdirectory("capstan-otlp-").FullName;
        var received = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        await using var collector = await CollectorAsync(received);
        try
        {
            await NewSite.InitializeAsync(directory, "ABC", TimeProvider.System);
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(Stop);
            await using (var site = await SiteServer.OpenAsync(new SiteOptions { Directory = directory, Listen = new Uri("http://127.0.0.1:0"), Otlp = new Uri(collector.Urls.Single()) }, TimeProvider.System, NullLoggerFactory.Instance, ends.Token))
            {
                var run = site.RunAsync(ends.Token);
                using var http = new HttpClient { BaseAddress = await site.Listening };
                http.DefaultRequestHeaders.Authorization = new("Bearer", site.ApiToken);
                using var answer = await http.GetAsync(new Uri("api/v1/clients/abcdefgh", UriKind.Relative), Stop);
                var metrics = await http.GetStringAsync(new Uri("metrics", UriKind.Relative), Stop);
                Assert.Contains("capstan_clients", metrics, StringComparison.Ordinal);
                // Stopping sends what is there.
                await ends.CancelAsync();
                await run.WaitAsync(Patience.Limit, Stop).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                var names = metrics.Split('\n').Where(line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(line => line.Split(' ')[2]).Where(name => name.StartsWith("capstan_", StringComparison.Ordinal) && metrics.Contains($"\n{name}", StringComparison.Ordinal)).ToList();
                Assert.NotEmpty(names);
                Assert.All(names.Where(name => name is "capstan_site_info" or "capstan_clients" or "capstan_clients_unwell" or "capstan_health_conditions"), name => Assert.Contains(name, received["/v1/metrics"], StringComparison.Ordinal));
            }
            Assert.Contains("capstan_api_request_duration_seconds", received["/v1/metrics"], StringComparison.Ordinal);
            Assert.Contains("publish", received["/v1/traces"], StringComparison.Ordinal);
            Assert.Contains("GET /api/v1/clients/{id}", received["/v1/traces"], StringComparison.Ordinal);
            Assert.DoesNotContain("abcdefgh", received["/v1/traces"], StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Figures_have_the_same_families_as_text_and_as_measurements()
    {
        var (text, list) = (new MetricsText(), new FigureList());
        foreach (var writer in new IMetricsWriter[] { text, list })
            writer.Family("capstan_x", "gauge", "X.").Sample(2, ("a", "b")).Sample(null, ("a", "c")).Sample(3);
        Assert.Contains("capstan_x{a=\"b\"} 2", text.ToString(), StringComparison.Ordinal);
        var figure = Assert.Single(list.Families);
        Assert.Equal(("capstan_x", "gauge"), (figure.Key, figure.Value.Type));
        Assert.Equal([2d, 3d], figure.Value.Samples.Select(sample => sample.Value));
        Assert.Equal("b", figure.Value.Samples[0].Tags[0].Value);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>Names stand in protobuf as they are: the bodies are kept as text, by path.</summary>
    private static async Task<WebApplication> CollectorAsync(ConcurrentDictionary<string, string> received)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            var text = Encoding.Latin1.GetString(body.ToArray());
            received.AddOrUpdate(context.Request.Path, text, (_, before) => before + text);
            context.Response.StatusCode = StatusCodes.Status200OK;
        });
        await app.StartAsync(Stop);
        return app;
    }
}
