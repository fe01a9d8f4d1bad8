using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;
using System.CommandLine;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan client health</c></summary>
internal static class ClientHealthVerbs
{
    private const int PageSize = 1000;
    private static readonly string[] Severities = ["error", "warning", "information"];

    public static Verb Health(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var severity = new Option<string?>("--severity") { Description = "Only clients whose worst cause has this severity", HelpName = "error|warning|information" };
        severity.AcceptOnlyFromAmong(Severities);
        var filter = new Option<string?>("--filter") { Description = "Only clients whose host name, id or cause contains this", HelpName = "TEXT" };
        return new Verb("health", "Clients that are not well, the worst first: one line and one cause each", "capstan client health", "capstan client health --severity error", "capstan client health --filter policy_behind -o csv")
            .With(severity, filter, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                ClientHealthPage? last = null;
                var rows = await host.WithProgressAsync("reading clients", () => Pages.AllAsync(async cursor =>
                {
                    last = await api.ClientHealthAsync(parse.GetValue(severity), parse.GetValue(filter), cursor, PageSize, cancellationToken);
                    return new Page<ClientHealthRow>(last.Rows, last.Next);
                }, int.MaxValue));
                var format = parse.GetValue(output);
                await Rows(host).WriteAsync(host, format, rows);
                if (format == OutputFormat.Table)
                    await host.Out.WriteLineAsync(Summary(host, last!));
                return ExitCode.Done;
            }));
    }

    private static string Summary(CliHost host, ClientHealthPage page) => page.Clients == 0 && page.Errors + page.Warnings == 0
        ? ""
        : $"Of {Display.Plural(page.Clients, "client")}: {page.Errors} with an error, {page.Warnings} with a warning, {page.Notes} waiting. Oldest heartbeat: {Display.Relative(page.OldestHeartbeat, host.Time.GetUtcNow())}.";

    private static Listing<ClientHealthRow> Rows(CliHost host) => new(
        [
            new("HOST", row => VisibleText.Of(row.HostName, 30)),
            new("ID", row => row.Fingerprint, NoWrap: true),
            new("SEVERITY", row => row.Severity, NoWrap: true),
            new("CAUSE", row => row.Others.Count > 0 ? $"{row.Text} (also: {string.Join(", ", row.Others)})" : row.Text),
            new("NEXT STEP", row => row.NextStep),
            new("HEARTBEAT", row => Display.Relative(row.HeartbeatAt, host.Time.GetUtcNow()), NoWrap: true),
        ],
        [.. ConsoleEndpoints.HealthColumns.Select(column => new CsvColumn<ClientHealthRow>(column.Name, column.Value))],
        ApiJson.Default, "Every client is well.");
}
