using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan client build add|end|list|remove|use</c>: which build of the agent clients run.</summary>
internal static class ClientBuildVerbs
{
    private const string Standard = "linux-x64";
    private static readonly TimeSpan Answers = TimeSpan.FromSeconds(10), LongestSpread = TimeSpan.FromSeconds(ClientBuildUse.LongestSpreadSeconds);

    public static Command Create(CliHost host) => new Verb("build", "Builds of the agent: clients fetch the ordered one from a CAP, try it, and go back if it fails",
            "capstan client build add ./agent", "capstan client build use 0.2.0")
        .With(Add(host), List(host), Remove(host), Use(host), End(host));

    private static Listing<ClientBuildRow> Rows(CliHost host) => new(
        [
            new("VERSION", build => build.Version, NoWrap: true),
            new("PLATFORM", build => build.Platform, NoWrap: true),
            new("STATE", build => build.IsOrdered ? "ordered" : "", NoWrap: true),
            new("SIZE", build => Display.Bytes(build.LengthBytes), IsNumber: true, NoWrap: true),
            new("TO FETCH", build => Display.Bytes(build.PackedBytes), IsNumber: true, NoWrap: true),
            new("ADDED", build => Display.Relative(build.AddedAt, host.Time.GetUtcNow()), NoWrap: true),
            new("ID", build => build.Id),
        ],
        [
            new("platform", build => build.Platform), new("version", build => build.Version), new("id", build => build.Id), new("files", build => build.Files),
            new("lengthBytes", build => build.LengthBytes), new("packedBytes", build => build.PackedBytes), new("addedAt", build => build.AddedAt),
            new("isOrdered", build => build.IsOrdered), new("orderedAt", build => build.OrderedAt),
        ],
        ApiJson.Default, $"No build. Publish the agent, then: {host.Command} client build add DIR");

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "The builds that the site has, and which one is ordered", "capstan client build list")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.ClientBuildsAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Verb Add(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var directory = new Argument<string>("DIR") { Description = "The published agent: capstan-client and what lies beside it" };
        var version = new Option<string?>("--as") { Description = "Its version (default: what DIR/capstan-client --version says)", HelpName = "VERSION" };
        var platform = Platform();
        return new Verb("add", "Takes a build in; clients get it when it is ordered", "capstan client build add ./agent", "capstan client build add ./agent --as 0.2.0-rc.1")
            .With(directory, version, platform, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var folder = host.FullPath(parse.GetRequiredValue(directory));
                if (!File.Exists(Path.Combine(folder, BuildFile.Program)))
                    throw new CliException($"there is no {BuildFile.Program} in {folder}: give the directory of a published agent (dotnet publish src/Capstan.Agent -r linux-x64)", ExitCode.NotFound);
                if (Directory.EnumerateDirectories(folder).Any())
                    throw new CliException($"{folder} holds directories, and a build is plain files: give the directory of a published agent alone", ExitCode.Usage);
                var name = parse.GetValue(version) ?? await VersionAsync(folder, cancellationToken);
                var files = new List<ClientBuildFile>();
                await host.WithProgressAsync("sending the build", async () =>
                {
                    foreach (var path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
                        files.Add(await SendAsync(api, path, cancellationToken));
                    return true;
                });
                var added = await api.AddClientBuildAsync(new ClientBuildAdd(parse.GetRequiredValue(platform), name, files), cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                    await Rows(host).WriteAsync(host, format, [added], added);
                else
                    await host.Out.WriteLineAsync($"Added {added.Version} for {added.Platform}: {added.Files} files, {Display.Bytes(added.LengthBytes)}, {Display.Bytes(added.PackedBytes)} to fetch. Next: {host.Command} client build use {added.Version}");
                return ExitCode.Done;
            }));
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var version = Version("The version to remove; not the ordered one");
        var platform = Platform();
        return new Verb("remove", "Takes a build off the site; clients that run it keep it", "capstan client build remove 0.1.0")
            .With(version, platform).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.RemoveClientBuildAsync(parse.GetRequiredValue(platform), parse.GetRequiredValue(version), cancellationToken);
                await host.Out.WriteLineAsync($"Removed {parse.GetRequiredValue(version)} ({parse.GetRequiredValue(platform)}).");
                return ExitCode.Done;
            }));
    }

    private static Verb Use(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var version = Version("A version of the list, or package: the build that each machine's own package has");
        var platform = Platform();
        var over = new Option<string?>("--over") { Description = "Over how long the clients begin, each at its own place (default: by their number, so that all together take 10 MB a second)", HelpName = "4h" };
        over.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !(Arguments.TryReadDuration(result.Tokens[0].Value, out var duration) && duration <= LongestSpread))
                result.AddError($"'{result.Tokens[0].Value}' is not a time up to {LongestSpread.TotalDays:0} days: write 0, 30m, 4h or 2d.");
        });
        var downgrade = new Option<bool>("--downgrade") { Description = "Also on clients that have a newer version; an older version than was ever ordered means that by itself" };
        return new Verb("use", "Orders which build clients run: signed, and tried before it stays", "capstan client build use 0.2.0", "capstan client build use 0.2.0 --over 8h", "capstan client build use package")
            .With(version, platform, over, downgrade, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                int? spread = parse.GetValue(over) is { } text && Arguments.TryReadDuration(text, out var duration) ? (int)duration.TotalSeconds : null;
                var ordered = await api.UseClientBuildAsync(new ClientBuildUse(parse.GetRequiredValue(platform), parse.GetRequiredValue(version), spread, parse.GetValue(downgrade) ? true : null), cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                    await Ordered.WriteAsync(host, format, [ordered], ordered);
                else
                    await host.Out.WriteLineAsync($"Ordered {ordered.Version} for {ordered.Platform}{(ordered.Downgrade ? ", also where a newer one runs" : "")}: {Display.Plural(ordered.Clients, "client")}, {Display.Bytes(ordered.PackedBytes)} each at most, beginning "
                        + $"{(ordered.SpreadSeconds == 0 ? "with their next contact" : $"within {Display.Duration(TimeSpan.FromSeconds(ordered.SpreadSeconds))}")}. Watch: {host.Command} status");
                return ExitCode.Done;
            }));
    }

    private static Verb End(CliHost host)
    {
        var site = new SiteLocation();
        var platform = Platform();
        return new Verb("end", "Ends the order: clients keep the build that they have", "capstan client build end", "capstan client build end --platform win-x64")
            .With(platform).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.EndClientBuildAsync(parse.GetRequiredValue(platform), cancellationToken);
                await host.Out.WriteLineAsync($"Clients of {parse.GetRequiredValue(platform)} are ordered no build any more; they keep the one that they have.");
                return ExitCode.Done;
            }));
    }

    private static Listing<ClientBuildOrdered> Ordered { get; } = new([],
        [
            new("platform", order => order.Platform), new("version", order => order.Version), new("order", order => order.Order), new("downgrade", order => order.Downgrade),
            new("spreadSeconds", order => order.SpreadSeconds), new("packedBytes", order => order.PackedBytes), new("clients", order => order.Clients),
        ],
        ApiJson.Default, "");

    private static Argument<string> Version(string description) => new("VERSION") { Description = description };

    private static Option<string> Platform() => new("--platform") { Description = $"Which clients (default {Standard})", HelpName = "NAME", DefaultValueFactory = _ => Standard };

    private static async Task<ClientBuildFile> SendAsync(ApiClient api, string path, CancellationToken cancellationToken)
    {
        var content = new FileStream(path, new FileStreamOptions { Options = FileOptions.SequentialScan | FileOptions.Asynchronous });
        await using (content.ConfigureAwait(false))
        {
            var hash = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken));
            content.Position = 0;
            await api.SendClientBuildFileAsync(hash, content, cancellationToken);
            var executable = Path.GetFileName(path) == BuildFile.Program || (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserExecute));
            return new ClientBuildFile(Path.GetFileName(path), executable, hash);
        }
    }

    /// <summary>The program says it, which also shows that it starts here.</summary>
    private static async Task<string> VersionAsync(string folder, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Answers);
        var program = Path.Combine(folder, BuildFile.Program);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, "--version") { UseShellExecute = false, RedirectStandardOutput = true })!;
            var said = (await process.StandardOutput.ReadToEndAsync(deadline.Token)).Trim();
            await process.WaitForExitAsync(deadline.Token);
            if (process.ExitCode == 0 && BuildVersion.TryParse(said, out _))
                return said;
            throw new CliException($"{program} --version says nothing that is a version of the form N.N.N; name it with --as", ExitCode.Failed);
        }
        catch (Exception cause) when (cause is System.ComponentModel.Win32Exception || (cause is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new CliException($"{program} does not run here ({cause.Message}); name its version with --as", ExitCode.Failed, cause);
        }
    }
}
