using System.CommandLine;
using Capstan.Cli.Up;
using Capstan.Nal;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan up</c>: a site, a folder CAP and this machine as its client, in one process.</summary>
internal static class UpVerb
{
    public static Command Create(CliHost host)
    {
        var data = new Option<string>("--data") { Description = "Directory for site, CAP and client (default ./capstan-data)", HelpName = "DIR", DefaultValueFactory = _ => "capstan-data" };
        var port = new Option<int>("--port")
        {
            Description = "Port of console and API on 127.0.0.1; 0 takes a free one (default 8750)",
            HelpName = "PORT",
            DefaultValueFactory = _ => 8750,
            Validators =
            {
                result =>
                {
                    if (!result.Errors.Any() && result.GetValueOrDefault<int>() is < 0 or > 65_535)
                        result.AddError("--port must be 0 to 65535.");
                },
            },
        };
        var once = new Option<bool>("--once") { Description = "End when the first inventory is in the database, and print it" };
        return new Verb("up", "Try it: site ABC, a folder CAP, and this machine as its client", "capstan up", "capstan up --once", "capstan up --data /tmp/try --port 9000")
            .With(data, port, once)
            .Does(host, async (parse, cancellationToken) =>
            {
                var paths = new UpPaths(Path.TrimEndingDirectorySeparator(host.FullPath(parse.GetRequiredValue(data))));
                Directory.CreateDirectory(paths.Root);
                using var mine = DirectoryLock.TryTake(paths.Root, out var holder)
                    ?? throw new CliException($"{paths.Root} is in use: {holder} has it up already. Use that one, stop it (Ctrl-C there), or take another directory: {host.Command} up --data DIR --port PORT");
                return await new UpRun(host, paths, parse.GetValue(port)).RunAsync(parse.GetValue(once), cancellationToken);
            });
    }
}
