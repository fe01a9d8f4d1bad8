using System.CommandLine;
using Capstan.Cli.Doctor;
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
        return new Verb("doctor", "Check everything; name each cause and what to do", "capstan doctor", "capstan doctor --data /var/lib/capstan -o json")
            .With(output).With([.. site.Options])
            .Does(host, async (parse, cancellationToken) =>
            {
                var lines = await host.WithProgressAsync("checking", () => ExamineAsync(parse, host, site, cancellationToken));
                await Lines.WriteAsync(host, parse.GetValue(output), lines);
                return lines.Any(line => line.State is DoctorLine.StateFailed) ? ExitCode.Failed : ExitCode.Done;
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
        TicketAccount.IsAvailable(out var missing);
        if (Judgement.Kerberos(missing) is { } kerberos)
            lines.Add(kerberos);
        return lines;
    }
}
