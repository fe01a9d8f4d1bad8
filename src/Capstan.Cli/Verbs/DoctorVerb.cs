using System.CommandLine;
using Capstan.Cli.Doctor;
using Capstan.Cli.Doctor.Logs;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Api;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan doctor</c>: checks everything, names each cause and what to do.</summary>
internal static class DoctorVerb
{
    private static readonly Listing<DoctorLine> Lines = new(
        [
            new("STATE", line => line.State, NoWrap: true),
            new("CHECK", line => line.Name),
            new("FINDING", line => line.NextStep is null ? line.Detail : $"{line.Detail.TrimEnd('.')}. Next: {line.NextStep}"),
        ],
        [new("name", line => line.Name), new("state", line => line.State), new("detail", line => line.Detail), new("nextStep", line => line.NextStep)],
        CliJson.Default, "Nothing to check.");

    public static Command Create(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var log = new Option<string?>("--log") { Description = "Explain a log instead: SMS-style, plain text or JSON lines; - reads standard input", HelpName = "FILE|-" };
        var verb = new Verb("doctor", "Check everything, or explain a log; name each cause and what to do", "capstan doctor", "capstan doctor --data /var/lib/capstan -o json",
            "capstan doctor --log Ccim32.log", "journalctl -u smbd | capstan doctor --log -");
        verb.Validators.Add(result =>
        {
            if (result.GetValue(log) is not null && site.Options.Any(option => result.GetResult(option) is { Implicit: false }))
                result.AddError("--log reads a log and asks no site: leave --data, --url and --api-token-file away.");
        });
        return verb.With(output, log).With([.. site.Options])
            .Does(host, async (parse, cancellationToken) =>
            {
                if (parse.GetValue(log) is { } file)
                {
                    await LogReportText.WriteAsync(host, parse.GetValue(output), await ExplainAsync(host, file, cancellationToken));
                    return ExitCode.Done;
                }
                var lines = await host.WithProgressAsync("checking", () => ExamineAsync(parse, host, site, cancellationToken));
                await Lines.WriteAsync(host, parse.GetValue(output), lines);
                return lines.Any(line => line.State is DoctorLine.StateFailed) ? ExitCode.Failed : ExitCode.Done;
            });
    }

    private static async Task<LogReport> ExplainAsync(CliHost host, string file, CancellationToken cancellationToken)
    {
        var (name, diagnosis) = (file == "-" ? "standard input" : file, new LogDiagnosis(KnownConditions.Load()));
        if (Directory.Exists(host.FullPath(file)))
            throw new CliException($"{file} is a directory. Name one log in it, or pipe them: cat {file}/*.log | {host.Command} doctor --log -", ExitCode.Usage);
        await using var stream = file == "-" ? host.OpenInput() : File.OpenRead(host.FullPath(file));
        return await host.WithProgressAsync($"reading {name}", async () =>
        {
            await foreach (var line in LogLines.ReadAsync(stream, name, cancellationToken))
                diagnosis.Add(line);
            return diagnosis.Finish(name);
        });
    }

    private static async Task<IReadOnlyList<DoctorLine>> ExamineAsync(ParseResult parse, CliHost host, SiteLocation site, CancellationToken cancellationToken)
    {
        var lines = new List<DoctorLine>();
        var directory = site.Directory(parse, host);
        if (directory is not null)
            lines.AddRange(LocalChecks.Site(host, directory));
        try
        {
            var found = site.Find(parse, host);
            await site.UseAsync(parse, host, async api =>
            {
                await foreach (var line in SiteChecks.RunAsync(host, api, found.Address, cancellationToken))
                    lines.Add(line);
                return ExitCode.Done;
            });
        }
        catch (Exception failure) when (failure is CliException or ApiException or HttpRequestException)
        {
            lines.Add(DoctorLine.Failed("site", failure.Message, directory is null ? $"{host.Command} up makes one to try." : SiteLocation.HowToStart(host, directory)));
        }
        if (await LocalChecks.ClientAsync(host, directory, cancellationToken) is { } client)
            lines.Add(client);
        lines.AddRange(MachineChecks.Run(host));
        TicketAccount.IsAvailable(out var missing);
        if (Judgement.Kerberos(missing) is { } kerberos)
            lines.Add(kerberos);
        return lines;
    }
}
