using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan client diagnose</c></summary>
internal static class ClientDiagnoseVerb
{
    private const int ShownLog = 40;

    public static Verb Create(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var id = ClientVerbs.Id();
        var ask = new Option<bool>("--ask") { Description = "Also order the client to report what it knows of itself; the answer is shown here once it is there" };
        return new Verb("diagnose", "Everything that the site knows of one client, causes first, and what to run there", "capstan client diagnose k3fq-7zbm", "capstan client diagnose k3fq-7zbm --ask")
            .With(id, ask, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var client = parse.GetRequiredValue(id);
                if (parse.GetValue(ask))
                    await api.DiagnoseAsync(client, cancellationToken);
                var diagnosis = await api.DiagnosisAsync(client, cancellationToken);
                var format = parse.GetValue(output);
                if (format == OutputFormat.Table)
                    await WriteAsync(host, diagnosis, parse.GetValue(ask));
                else
                    await Causes.WriteAsync(host, format, diagnosis.Causes, diagnosis);
                return ExitCode.Done;
            }));
    }

    private static async Task WriteAsync(CliHost host, ClientDiagnosis diagnosis, bool asked)
    {
        var now = host.Time.GetUtcNow();
        var client = diagnosis.Summary;
        await Terminal.WriteFactsAsync(host,
        [
            ("Host", client.HostName), ("Id", client.Fingerprint), ("State", client.State), ("Seen", Display.Relative(client.LastSeen, now)), ("Heartbeat", Display.Relative(diagnosis.HeartbeatAt, now)),
            ("Policy", $"has {client.PolicyVersion ?? 0}, signed {diagnosis.PolicySignedVersion ?? 0}{(diagnosis.PolicySignedAt is { } signed ? $" ({Display.Relative(signed, now)})" : "")}"),
            ("Client version", client.ClientVersion), ("Last record", $"{client.Sequence}"),
            ("Uploads that wait", diagnosis.WaitingUploads == 0 ? null : $"{diagnosis.WaitingUploads}, since {Display.Relative(diagnosis.WaitingSince, now)}"),
        ]);
        await SectionAsync(host, diagnosis.Causes.Count == 0 ? "It is well." : "Causes:", diagnosis.Causes.SelectMany(cause => (string[])[$"{cause.Severity} {cause.Code}: {cause.Text}", $"  {cause.NextStep}"]));
        await SectionAsync(host, "Orders:", diagnosis.Orders.Select(order => $"{order.Order} {Display.Relative(order.OrderedAt, now)}: {order.State}"));
        await SectionAsync(host, "What it said last, by code:", diagnosis.Messages.Select(message => $"{Display.Relative(message.ReceivedAt, now)} {message.Severity} {message.Code}: {message.Text}{(message.Count > 1 ? $" ({message.Count} times)" : "")}"));
        await SectionAsync(host, "Refused uploads:", diagnosis.Refused.Select(row => $"{Display.Relative(row.At, now)} {row.Reason}: {row.Detail}"));
        await SectionAsync(host, "Set for it:", diagnosis.Settings.Where(setting => setting.From != ClientSettingRow.Default).Select(setting => $"{setting.Name} {setting.Text} ({setting.From})"));
        if (diagnosis.Report is { } report)
        {
            await SectionAsync(host, $"What it reported of itself {Display.Relative(diagnosis.ReportAt, now)}:", report.Facts.Select(fact => $"{fact.Name}: {fact.Value}"));
            await SectionAsync(host, "How it chose its CAP:", report.Selection);
            await SectionAsync(host, "Its connections:", report.Connections);
            await SectionAsync(host, $"The end of its log ({report.Log.Count} lines; all with -o json):", report.Log.TakeLast(ShownLog));
        }
        await SectionAsync(host, "Run there:", diagnosis.RunThere);
        if (asked)
            await SectionAsync(host, "It was asked to report what it knows of itself: that comes after its next poll. Look again then.", []);
        else if (diagnosis.Orders.Any(order => order is { Order: "diagnose", State: not "answered" }))
            await SectionAsync(host, "It was asked for its own view, and has not answered yet.", []);
        else if (diagnosis.Report is null)
            await SectionAsync(host, $"To fetch its own view and the end of its log: {host.Command} client diagnose {client.Fingerprint} --ask", []);
    }

    private static async Task SectionAsync(CliHost host, string title, IEnumerable<string> lines)
    {
        var all = lines.ToList();
        if (all.Count == 0 && title.EndsWith(':'))
            return;
        await host.Out.WriteLineAsync();
        await host.Out.WriteLineAsync(title);
        foreach (var line in all)
            await host.Out.WriteLineAsync($"  {VisibleText.Of(line)}");
    }

    private static Listing<ClientCauseRow> Causes { get; } = new([],
        [new("code", cause => cause.Code), new("severity", cause => cause.Severity), new("text", cause => cause.Text), new("nextStep", cause => cause.NextStep)], ApiJson.Default, "");
}
