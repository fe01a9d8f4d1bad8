using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan content verify</c></summary>
internal static class ContentVerbs
{
    public static Command Create(CliHost host) => new Verb("content", "What packages consist of, on the site and on every client access point", "capstan content verify").With(Verify(host));

    private static readonly Listing<ContentFinding> Findings = new(
        [
            new("PLACE", finding => finding.Place), new("STATE", finding => finding.State, NoWrap: true), new("MENDED FROM", finding => finding.MendedFrom), new("PACK", finding => finding.Pack?[..16], NoWrap: true),
            new("PROBLEM", finding => finding.Problem),
        ],
        [new("place", finding => finding.Place), new("pack", finding => finding.Pack), new("state", finding => finding.State), new("mendedFrom", finding => finding.MendedFrom), new("problem", finding => finding.Problem)],
        ApiJson.Default, "Everything is whole.");

    private static Verb Verify(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("verify", "Read every pack again, on the site and on every CAP, and mend what is damaged from where it is whole", "capstan content verify")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var report = await host.WithProgressAsync("reading every pack", async () =>
                {
                    var run = await api.VerifyContentAsync(cancellationToken);
                    // Each answer waits a while for the end.
                    while (run.FinishedAt is null)
                        run = await api.ContentVerificationAsync(cancellationToken);
                    return run;
                });
                await Findings.WriteAsync(host, parse.GetValue(output), report.Findings, report);
                if (parse.GetValue(output) == OutputFormat.Table)
                    await host.Out.WriteLineAsync($"Read {report.Packs} packs, {Display.Bytes(report.Bytes)}.{(report.MoreFindings > 0 ? $" {report.MoreFindings} more findings." : "")}");
                if (report.Failure is { } failure)
                    throw new CliException($"the verification ended early: {failure}");
                return report.Ok == true ? ExitCode.Done : ExitCode.Failed;
            }));
    }
}
