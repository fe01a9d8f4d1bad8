using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Nal.Paths;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan boundary add|remove|list</c></summary>
internal static class BoundaryVerbs
{
    public static Command Create(CliHost host) => new Verb("boundary", "Where the site's machines are, and where a client access point is near", "capstan boundary add 10.1.0.0/16", "capstan boundary add 10.1.7.0/24 --cap smb://branch/cap/")
        .With(Add(host), Remove(host), List(host));

    private static Verb Add(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var range = Range();
        var cap = Cap(host);
        return new Verb("add", "Names a range of addresses: of the site, for installations with tokens of several sites; or of a CAP, which clients there try first", "capstan boundary add 10.1.0.0/16", "capstan boundary add 10.1.7.10-10.1.7.99 --cap /srv/cap")
            .With(range, cap, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var row = await api.AddBoundaryAsync(new BoundaryAdd(parse.GetRequiredValue(range), parse.GetValue(cap)), cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                    await Rows(host).WriteAsync(host, format, [row], row);
                else
                    await host.Out.WriteLineAsync($"Added {row.Range}{(row.Cap is null ? "" : $" for {row.Cap}")}.{(row.Overlaps.Count > 0 ? $" It overlaps {string.Join(", ", row.Overlaps)}: for a machine in several the smallest counts." : "")}");
                return ExitCode.Done;
            }));
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var range = Range();
        var cap = Cap(host);
        return new Verb("remove", "Takes a boundary away; clients stay with their site", "capstan boundary remove 10.1.0.0/16")
            .With(range, cap).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.RemoveBoundaryAsync(parse.GetRequiredValue(range), parse.GetValue(cap), cancellationToken);
                await host.Out.WriteLineAsync($"Removed {parse.GetRequiredValue(range)}.");
                return ExitCode.Done;
            }));
    }

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "All boundaries, and which overlap", "capstan boundary list")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.BoundariesAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Argument<string> Range() => new("RANGE") { Description = "10.1.0.0/16, 2001:db8:7::/48, 10.1.0.10-10.1.0.99, or an address" };

    /// <summary>A NAL path, or a directory of this machine.</summary>
    private static Option<string?> Cap(CliHost host) => new("--cap")
    {
        Description = "Of this CAP of the list: a NAL path or a directory",
        HelpName = "PATH",
        CustomParser = result => result.Tokens[0].Value is var text && NalPath.TryParse(text, out var path, out _) ? path.ToString() : NalPath.FromDirectory(host.FullPath(text)).ToString(),
    };

    private static Listing<BoundaryRow> Rows(CliHost host) => new(
        [new("RANGE", row => row.Range, NoWrap: true), new("OF", row => row.Cap ?? "the site"), new("OVERLAPS", row => string.Join(", ", row.Overlaps)), new("ADDED", row => Display.Relative(row.AddedAt, host.Time.GetUtcNow()), NoWrap: true)],
        [new("range", row => row.Range), new("cap", row => row.Cap), new("overlaps", row => string.Join(' ', row.Overlaps)), new("addedAt", row => row.AddedAt)],
        ApiJson.Default, $"No boundary. Machines need none: {host.Command} boundary add 10.1.0.0/16");
}
