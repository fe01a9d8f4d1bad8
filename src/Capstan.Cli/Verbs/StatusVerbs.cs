using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan status</c> and <c>capstan quarantine list</c></summary>
internal static class StatusVerbs
{
    private const int PageSize = 1000;
    private static readonly string[] Severities = ["error", "warning", "information"];

    public static Command CreateStatus(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var limit = Arguments.Limit(100);
        var client = new Option<string?>("--client") { Description = "Only what this client reported (host name, id or fingerprint)", HelpName = "CLIENT" };
        var severity = new Option<string?>("--severity") { Description = "Only messages of this severity", HelpName = "error|warning|information" };
        severity.AcceptOnlyFromAmong(Severities);
        return new Verb("status", "What clients and the site reported, newest first", "capstan status", "capstan status --client k3fq-7zbm --severity error")
            .With(client, severity, limit, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var most = parse.GetValue(limit);
                var device = parse.GetValue(client) is { } id ? (await api.ClientAsync(id, cancellationToken)).Summary.DeviceId : null;
                var rows = await Pages.AllAsync(cursor => api.StatusAsync(device, parse.GetValue(severity), cursor, Math.Min(most, PageSize), cancellationToken), most);
                await Messages(host).WriteAsync(host, parse.GetValue(output), rows);
                return ExitCode.Done;
            }));
    }

    public static Command CreateQuarantine(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var limit = Arguments.Limit(100);
        var list = new Verb("list", "Uploads that were refused, each with its reason", "capstan quarantine list")
            .With(limit, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var most = parse.GetValue(limit);
                var rows = await Pages.AllAsync(cursor => api.QuarantineAsync(cursor, Math.Min(most, PageSize), cancellationToken), most);
                await Refused(host).WriteAsync(host, parse.GetValue(output), rows);
                return ExitCode.Done;
            }));
        return new Verb("quarantine", "Uploads that the site could not accept", "capstan quarantine list").With(list);
    }

    private static Listing<StatusRow> Messages(CliHost host) => new(
        [
            new("WHEN", row => Display.Relative(row.ReportedAt, host.Time.GetUtcNow()), NoWrap: true),
            new("SEVERITY", row => row.Severity, NoWrap: true),
            new("FROM", row => row.DeviceId is null ? "site" : VisibleText.Of(row.HostName ?? row.DeviceId, 30)),
            new("CODE", row => row.Code),
            new("MESSAGE", row => row.Count > 1 ? $"{row.Text} ({row.Count} times)" : row.Text),
        ],
        [
            new("id", row => row.Id), new("deviceId", row => row.DeviceId), new("hostName", row => row.HostName), new("severity", row => row.Severity),
            new("code", row => row.Code), new("component", row => row.Component), new("text", row => row.Text), new("reportedAt", row => row.ReportedAt),
            new("receivedAt", row => row.ReceivedAt), new("count", row => row.Count),
        ],
        ApiJson.Default, "No status message.");

    private static Listing<QuarantineRow> Refused(CliHost host) => new(
        [
            new("WHEN", row => Display.Relative(row.At, host.Time.GetUtcNow()), NoWrap: true),
            new("REASON", row => row.Reason, NoWrap: true),
            new("SIZE", row => Display.Bytes(row.LengthBytes), IsNumber: true, NoWrap: true),
            new("FILE", row => VisibleText.Of(row.FileName, 60)),
            new("DETAIL", row => row.Detail),
        ],
        [
            new("id", row => row.Id), new("cap", row => row.Cap), new("fileName", row => row.FileName), new("reason", row => row.Reason),
            new("detail", row => row.Detail), new("lengthBytes", row => row.LengthBytes), new("at", row => row.At),
        ],
        ApiJson.Default, "Nothing is in quarantine.");
}
