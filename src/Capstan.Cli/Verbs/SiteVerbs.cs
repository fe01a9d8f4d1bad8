using System.CommandLine;
using System.CommandLine.Parsing;
using Capstan.Site;
using Microsoft.Extensions.Logging;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan site init|run|new-epoch|rotate-keys</c></summary>
internal static class SiteVerbs
{
    private const string OtlpVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    public static Command Create(CliHost host) => new Verb("site", "Make a site and serve it", "capstan site init ABC --data /var/lib/capstan")
        .With(Init(host), Run(host), KeepingVerbs.NewEpoch(host), KeepingVerbs.RotateKeys(host));

    private static Verb Init(CliHost host)
    {
        var code = new Argument<string>("CODE")
        {
            Description = "Site code: three characters A-Z 0-9, not AUX CON NUL PRN",
        };
        var data = Data();
        data.Required = true;
        return new Verb("init", "Make a new site: keys and an empty database", "capstan site init ABC --data /var/lib/capstan")
            .With(code, data)
            .Does(host, async (parse, cancellationToken) =>
            {
                var directory = host.FullPath(parse.GetRequiredValue(data));
                var siteCode = parse.GetRequiredValue(code).ToUpperInvariant();
                await SiteServer.InitializeAsync(directory, siteCode, host.Time, cancellationToken);
                await host.Out.WriteLineAsync($"Made the site {siteCode} in {directory}.");
                await host.Error.WriteLineAsync($"Take {Path.Combine(directory, "keys", "root.key.pem")} away to a safe place; it is needed only to change keys.");
                await host.Error.WriteLineAsync($"Serve it: {host.Command} site run --data {directory}");
                return ExitCode.Done;
            });
    }

    private static Verb Run(CliHost host)
    {
        var data = Data();
        data.DefaultValueFactory = _ => Path.Combine(host.ServiceData, "capstan");
        var listen = new Option<Uri>("--listen")
        {
            Description = "Address to listen on; a loopback address, port 0 takes a free one (default http://127.0.0.1:8750)",
            HelpName = "URL",
            DefaultValueFactory = _ => new Uri("http://127.0.0.1:8750"),
            CustomParser = result => Address(result, "http://127.0.0.1:8750"),
        };
        var tls = new Option<Uri?>("--tls")
        {
            Description = "Address for other machines, by TLS and for users who sign in, for example https://0.0.0.0:8443",
            HelpName = "URL",
            CustomParser = result => Address(result, "https://0.0.0.0:8443"),
        };
        var otlp = new Option<string?>("--otlp")
        {
            Description = "Send metrics and traces to this OpenTelemetry collector, by OTLP over HTTP (also: the variable OTEL_EXPORTER_OTLP_ENDPOINT)",
            HelpName = "URL",
            Validators = { result => { if (result.Tokens.Count == 1 && !IsCollector(result.Tokens[0].Value)) result.AddError($"'{result.Tokens[0].Value}' is not the address of a collector: write http://127.0.0.1:4318."); } },
        };
        var certificate = new Option<string?>("--certificate") { Description = "PEM file with the certificate for --tls, its chain and, unless --certificate-key names it, its key (default one of the site's own)", HelpName = "FILE" };
        var certificateKey = new Option<string?>("--certificate-key") { Description = "PEM file with the key of --certificate", HelpName = "FILE" };
        return new Verb("run", "Serve a site: API, console, publishing, inboxes; until stopped", "capstan site run --data /var/lib/capstan", "capstan site run --data /srv/site --listen http://127.0.0.1:9000",
                "capstan site run --tls https://0.0.0.0:8443 --certificate /etc/ssl/site.pem")
            .With(data, listen, tls, certificate, certificateKey, otlp)
            .Does(host, async (parse, cancellationToken) =>
            {
                using var loggers = LoggerFactory.Create(logging => logging
                    .AddFilter("Microsoft", LogLevel.Warning)
                    .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace)
                    .AddSimpleConsole(console =>
                    {
                        console.SingleLine = true;
                        console.UseUtcTimestamp = true;
                        console.TimestampFormat = "yyyy-MM-dd HH:mm:ss.fff ";
                    }));
                var options = new SiteOptions
                {
                    Directory = host.FullPath(parse.GetRequiredValue(data)),
                    Listen = parse.GetRequiredValue(listen),
                    Machine = host.Machine,
                    Tls = parse.GetValue(tls),
                    Otlp = Collector(host, parse.GetValue(otlp)),
                    Certificate = parse.GetValue(certificate) is { } pem ? host.FullPath(pem) : null,
                    CertificateKey = parse.GetValue(certificateKey) is { } key ? host.FullPath(key) : null
                };
                if (options.Tls is null && (options.Certificate ?? options.CertificateKey) is not null)
                    throw new CliException("--certificate is for --tls, which is not given.", ExitCode.Usage);
                await using var site = await SiteServer.OpenAsync(options, host.Time, loggers, cancellationToken);
                var run = site.RunAsync(cancellationToken);
                if (await Task.WhenAny(run, site.Listening) == site.Listening)
                    await host.Out.WriteLineAsync($"Site {site.SiteCode} serves on {(await site.Listening).GetLeftPart(UriPartial.Authority)}. Stop it with Ctrl-C.");
                await StopsInOrder(run, cancellationToken);
                return ExitCode.Done;
            });
    }

    private static bool IsCollector(string text) => Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.UserInfo.Length == 0;

    /// <summary>The option goes before the variable that other programs read, too.</summary>
    private static Uri? Collector(CliHost host, string? given)
    {
        var text = given ?? host.Environment(OtlpVariable);
        return string.IsNullOrEmpty(text) ? null
            : IsCollector(text) ? new Uri(text)
            : throw new CliException($"{OtlpVariable} is not the address of a collector: write http://127.0.0.1:4318", ExitCode.Usage);
    }

    /// <summary>Awaits a loop whose cancellation is its regular end.</summary>
    internal static async Task StopsInOrder(Task loop, CancellationToken cancellationToken)
    {
        try
        {
            await loop;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop, and stopped: the loop has finished what it had begun.
        }
    }

    private static Uri? Address(ArgumentResult result, string example)
    {
        if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
            return address;
        result.AddError($"'{result.Tokens[0].Value}' is not an address: write {example}");
        return null;
    }

    private static Option<string> Data() => new("--data") { Description = "The site's directory", HelpName = "DIR" };
}
