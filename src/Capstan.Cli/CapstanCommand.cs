using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Capstan.Cli.Verbs;
using Capstan.Client;
using Capstan.Site.Console;

namespace Capstan.Cli;

/// <summary>The command line of <c>capstan</c>: the tree of verbs, and one run of it.</summary>
internal static class CapstanCommand
{
    private static readonly string[] Examples = ["capstan up", "capstan client list", "capstan nal explain /srv/cap", "capstan doctor"];

    public static RootCommand Create(CliHost host)
    {
        var root = new RootCommand("Capstan manages computers through plain storage: a folder, a share, a bucket.")
        {
            UpVerb.Create(host),
            SiteVerbs.Create(host),
            KeepingVerbs.Backup(host),
            KeepingVerbs.Restore(host),
            CapVerbs.Create(host),
            TokenVerbs.Create(host),
            ClientVerbs.Create(host),
            SettingVerbs.Create(host),
            CollectionVerbs.Create(host),
            CollectionVerbs.CreateQuery(host),
            ProgramVerbs.Create(host),
            AdvertisementVerbs.CreateAdvertise(host),
            AdvertisementVerbs.Create(host),
            AdvertisementVerbs.CreateWhy(host),
            BoundaryVerbs.Create(host),
            PackageVerbs.Create(host),
            ContentVerbs.Create(host),
            StatusVerbs.CreateStatus(host),
            StatusVerbs.CreateQuarantine(host),
            UserVerbs.Create(host),
            UserVerbs.CreateAudit(host),
            NalVerbs.Create(host),
            DoctorVerb.Create(host),
        };
        root.Add(Arguments.NalDirectory());
        Verb.AddExamplesToHelp(root, Examples);
        return root;
    }

    /// <summary>Parses and runs; gives the exit code of the contract.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CliHost host)
    {
        // Not for people either: a gate starts it, and it becomes the program.
        if (arguments is ["gate-start"])
            return CapstanClient.RunStarter();
        if (arguments is ["gate", var run])
        {
            // Not for people: the client of `capstan up` starts it for each run of a program.
            CapstanClient.RunGate(run, host.Time);
            return 0;
        }
        var root = Create(host);
        var parse = root.Parse(arguments);
        // --help and --version bring their own action and forgive what is missing beside them.
        if (parse.Errors.Count > 0 && parse.Action is null or ParseErrorAction)
            return await ExplainUsageAsync(parse, host);
        var configuration = new InvocationConfiguration
        {
            Output = host.Out,
            Error = host.Error,
            EnableDefaultExceptionHandler = false,
            // Long enough to finish a publication; a second signal ends the process at once.
            ProcessTerminationTimeout = host.HandlesSignals ? TimeSpan.FromSeconds(30) : null,
        };
        return await parse.InvokeAsync(configuration);
    }

    private static async Task<int> ExplainUsageAsync(ParseResult parse, CliHost host)
    {
        foreach (var error in parse.Errors)
            await host.Error.WriteLineAsync($"capstan: {VisibleText.Of(error.Message.ReplaceLineEndings("").Replace('\t', ' '))}");
        await host.Error.WriteLineAsync($"See: {NameOf(parse.CommandResult)} --help");
        return ExitCode.Usage;
    }

    private static string NameOf(CommandResult result) => result.Parent is CommandResult parent
        ? $"{NameOf(parent)} {result.Command.Name}"
        : "capstan";
}
