using System.CommandLine;
using System.Globalization;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan program create|list|show|remove</c></summary>
internal static class ProgramVerbs
{
    private static readonly string[] s_reruns = [ProgramRules.Never, ProgramRules.IfFailed, ProgramRules.Always, ProgramRules.OnNewVersion];

    public static Command Create(CliHost host) => new Verb("program", "Command lines of packages, with the rules by which they run", "capstan program create Firefox --name install --run \"setup.sh --quiet\"", "capstan program list")
        .With(Make(host), List(host), Show(host), Remove(host));

    private static Verb Make(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var package = new Argument<string>("PACKAGE") { Description = "Id or name" };
        var options = new ProgramOptions();
        return new Verb("create", "Makes a program; for a .deb or .rpm without --run, the lines that install and remove it", "capstan program create Firefox --name install --run \"setup.sh --quiet\" --remove \"setup.sh --uninstall\"",
                "capstan program create hello-deb", "capstan program create Tools --name tools --run \"bin/install\" --platform linux-x64 --memory 4GB --time-limit 30m --first Runtime/install")
            .With(package, output).With([.. options.All]).With([.. site.Options])
            .Does(host, async (parse, cancellationToken) =>
            {
                if (options.Read(parse, out var request, out var problems))
                {
                    return await site.UseAsync(parse, host, async api =>
                    {
                        var before = request.Replace ? await api.ProgramsAsync(cancellationToken) : [];
                        var made = await api.CreateProgramAsync(request with { Package = parse.GetRequiredValue(package) }, cancellationToken);
                        if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                            await Rows.WriteAsync(host, format, [made], made);
                        else if (before.FirstOrDefault(program => program.PackageId == made.PackageId && program.Rules.Name == made.Rules.Name) is { } known)
                            await host.Out.WriteLineAsync($"Program {made.Path} is there: {Line(made.Rules)}. {Changes(known, made)}{(made.Advertisements > 0 ? $" {Display.Plural(made.Advertisements, "advertisement")} changed with it." : "")}");
                        else
                            await host.Out.WriteLineAsync($"Program {made.Path} is there: {Line(made.Rules)}. Offer it: {host.Command} advertise \"{made.Path}\" --to \"All Linux\" --dry-run");
                        return ExitCode.Done;
                    });
                }
                foreach (var problem in problems)
                    await host.Error.WriteLineAsync($"capstan: {problem}");
                return ExitCode.Usage;
            });
    }

    private static Verb List(CliHost host) => new Verb("list", "All programs by package", "capstan program list")
        .Lists(host, Rows, (api, cancellationToken) => api.ProgramsAsync(cancellationToken));

    private static Verb Show(CliHost host)
    {
        var path = Path();
        return new Verb("show", "All rules of a program", "capstan program show Firefox/install")
            .With(path)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var wanted = parse.GetRequiredValue(path);
                var found = (await api.ProgramsAsync(cancellationToken)).Where(program => program.Path.Equals(wanted, StringComparison.OrdinalIgnoreCase) || $"{program.PackageId}/{program.Rules.Name}".Equals(wanted, StringComparison.OrdinalIgnoreCase)
                    || program.PackageName.Equals(wanted, StringComparison.OrdinalIgnoreCase) || program.PackageId == wanted).ToList();
                if (found.Count != 1)
                    throw new ApiException("program_unknown", 404, found.Count == 0 ? $"There is no program {wanted}; `capstan program list` shows all." : $"{wanted} has several programs: {string.Join(", ", found.Select(program => program.Path))}.");
                if (format != OutputFormat.Table)
                    await Rows.WriteAsync(host, format, found, found[0]);
                else
                    await Terminal.WriteFactsAsync(host, Facts(found[0]));
                return ExitCode.Done;
            });
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var path = Path();
        return new Verb("remove", "Takes a program away that nothing offers", "capstan program remove Firefox/install")
            .With(path).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.RemoveProgramAsync(parse.GetRequiredValue(path), cancellationToken);
                await host.Out.WriteLineAsync($"Removed program {parse.GetRequiredValue(path)}.");
                return ExitCode.Done;
            }));
    }

    internal static string Line(ProgramRules rules) => rules.Native is { } native ? $"{native.Action} {native.Format} package {native.Package}" : string.Join(' ', (rules.Command ?? []).Select(part => part.Contains(' ', StringComparison.Ordinal) ? $"\"{part}\"" : part));

    private static Argument<string> Path() => new("PROGRAM") { Description = "PACKAGE/PROGRAM by name or id; the package alone where it has one program" };

    /// <summary>What is another rule now; the others are as they were.</summary>
    private static string Changes(ProgramSummary before, ProgramSummary after)
    {
        var known = Facts(before).ToDictionary(fact => fact.Name, fact => fact.Value, StringComparer.Ordinal);
        var changes = Facts(after).Where(fact => fact.Name != "Advertisements" && known[fact.Name] != fact.Value).Select(fact => $"{fact.Name}: {fact.Value ?? "none"} (was {known[fact.Name] ?? "none"})").ToList();
        return changes.Count == 0 ? "All of its rules are as they were." : $"{string.Join("; ", changes)}. All else is as it was.";
    }

    private static IEnumerable<(string Name, string? Value)> Facts(ProgramSummary program)
    {
        var rules = program.Rules;
        yield return ("Program", program.Path);
        yield return ("Package id", program.PackageId);
        yield return ("Runs", Line(rules));
        yield return ("As", rules.RunAs == ProgramRules.AsUser ? "whoever is logged on" : "the system");
        yield return ("When", rules.WhenLoggedOn switch { true => "somebody is logged on", false => "nobody is logged on", _ => null });
        yield return ("In", rules.WorkingDirectory);
        yield return ("Environment", rules.Environment is null ? null : string.Join(", ", rules.Environment.Select(variable => $"{variable.Name}={variable.Value}")));
        yield return ("Ends", rules.WaitsForChildren ? "when all that it started has" : "when it has itself, whatever it started goes on");
        yield return ("Platforms", rules.Platforms is null ? null : string.Join(", ", rules.Platforms));
        yield return ("Needs", string.Join(", ", new[] { rules.MemoryBytes > 0 ? $"{Display.Bytes(rules.MemoryBytes)} of memory" : null, rules.FreeDiskBytes > 0 ? $"{Display.Bytes(rules.FreeDiskBytes)} free" : null, program.First is null ? null : $"{program.First} before it" }.OfType<string>()) is { Length: > 0 } needs ? needs : null);
        yield return ("Time limit", Display.Duration(TimeSpan.FromSeconds(rules.TimeLimitSeconds)));
        yield return ("Success", Codes(rules.SuccessCodes));
        yield return ("Success, restart", Codes(rules.RebootCodes));
        yield return ("Tried again on", rules.RetryCodes.Count == 0 ? null : $"{string.Join(", ", rules.RetryCodes)}: {rules.MaxTries} times, {Display.Duration(TimeSpan.FromSeconds(rules.RetrySeconds))} apart");
        yield return ("Runs again", rules.Rerun);
        yield return ("After it", rules.AfterRun == ProgramRules.Reboot ? "the machine is started anew when a code asks for it" : null);
        yield return ("Removed by", rules.Removal is not { } removal ? null : removal.Native is { } native ? $"{native.Action} {native.Format} package {native.Package}" : string.Join(' ', removal.Command ?? []));
        yield return ("Notice", rules.NoticeSeconds == 0 ? null : $"{Display.Duration(TimeSpan.FromSeconds(rules.NoticeSeconds))}, {Display.Plural(rules.MaxPostponements, "postponement")}");
        yield return ("Advertisements", program.Advertisements.ToString(CultureInfo.InvariantCulture));
    }

    private static string? Codes(IReadOnlyList<int> codes) => codes.Count == 0 ? null : string.Join(", ", codes);

    private static Listing<ProgramSummary> Rows { get; } = new(
        [new("PROGRAM", row => row.Path), new("RUNS", row => Line(row.Rules)), new("AGAIN", row => row.Rules.Rerun, NoWrap: true), new("OFFERED", row => Display.Count(row.Advertisements), IsNumber: true)],
        [
            new("packageId", row => row.PackageId), new("packageName", row => row.PackageName), new("name", row => row.Rules.Name), new("runs", row => Line(row.Rules)), new("first", row => row.First), new("advertisements", row => row.Advertisements),
            new("createdAt", row => row.CreatedAt), new("changedAt", row => row.ChangedAt),
        ],
        ApiJson.Default, "No program. A program belongs to a package: capstan program create PACKAGE --name install --run \"setup.sh\"");

    /// <summary>The options of <c>program create</c>, and what they say together.</summary>
    private sealed class ProgramOptions
    {
        private readonly Option<string> _name = new("--name") { Description = "Of the program: 1 to 64 of A-Z a-z 0-9 - _ . (default install)", HelpName = "N", DefaultValueFactory = _ => "install" };
        private readonly Option<string?> _run = new("--run") { Description = "What is started: a path inside the package with its arguments, never looked up elsewhere", HelpName = "COMMAND" };
        private readonly Option<string?> _remove = new("--remove") { Description = "What takes it away again, when it is offered no more; none: nothing does", HelpName = "COMMAND" };
        private readonly Option<string?> _directory = new("--directory") { Description = "Working directory inside the package; . is its root (default)", HelpName = "DIR" };
        private readonly Option<string[]> _environment = new("--env") { Description = "A variable of its environment; may be repeated; none: no more than the fixed ones (default)", HelpName = "NAME=VALUE" };
        private readonly Option<string> _as = new("--as") { Description = "system (default), or user: as who is logged on", HelpName = "system|user", DefaultValueFactory = _ => ProgramRules.AsSystem };
        private readonly Option<string?> _when = new("--when") { Description = "Only while somebody is logged on, or nobody (default any)", HelpName = "logged-on|logged-off|any" };
        private readonly Option<string[]> _platform = new("--platform") { Description = "For these platforms only, for example linux-x64; may be repeated (default any)", HelpName = "P" };
        private readonly Option<string?> _disk = new("--disk") { Description = "Free room it needs beside its content: 500MB, 2GB", HelpName = "SIZE" };
        private readonly Option<string?> _memory = new("--memory") { Description = "Memory the machine needs: 4GB", HelpName = "SIZE" };
        private readonly Option<TimeSpan> _limit = Arguments.Duration("--time-limit", "After it, all that it started is ended (default 1h; 10s to 7d)", "TIME", TimeSpan.FromHours(1), TimeSpan.FromDays(7));
        private readonly Option<bool> _noWait = new("--no-wait") { Description = "It has ended when it has itself, whatever it started goes on" };
        private readonly Option<string> _success = new("--success") { Description = "Exit codes that are a success (default 0)", HelpName = "CODES", DefaultValueFactory = _ => "0" };
        private readonly Option<string> _reboot = new("--reboot-codes") { Description = "Exit codes that are one after a restart (default 1641,3010)", HelpName = "CODES", DefaultValueFactory = _ => "1641,3010" };
        private readonly Option<string> _retry = new("--retry-codes") { Description = "Exit codes after which it is tried again (default none; 2 for a .deb and 1 for an .rpm: another installer is at work)", HelpName = "CODES", DefaultValueFactory = _ => "" };
        private readonly Option<int?> _tries = Arguments.WholeNumber("--tries", "Tries in all (default 3)", 1, 100);
        private readonly Option<TimeSpan> _pause = Arguments.Duration("--retry-after", "Between two tries (default 15m; 1m to 31d)", "TIME", TimeSpan.FromMinutes(15), TimeSpan.FromDays(31));
        private readonly Option<bool> _restart = new("--restart") { Description = "The machine is started anew when an exit code asks for it" };
        private readonly Option<string> _rerun = new("--rerun") { Description = "When it is offered again: on-new-version or when the last run failed (default), if-failed, always, never", HelpName = "RULE", DefaultValueFactory = _ => ProgramRules.OnNewVersion };
        private readonly Option<string?> _first = new("--first") { Description = "PACKAGE/PROGRAM that has to have succeeded before (default none)", HelpName = "PROGRAM" };
        private readonly Option<TimeSpan> _notice = Arguments.Duration("--notice", "How long whoever is logged on is told before (default none; to 1d)", "TIME", TimeSpan.Zero, TimeSpan.FromDays(1));
        private readonly Option<int?> _postpone = Arguments.WholeNumber("--postpone", "How often a person may postpone it (default 0)", 0, 100);
        private readonly Option<bool> _replace = new("--replace") { Description = "Change one that is there, and every advertisement of it: what is given; all other rules stay as they are" };

        /// <summary>Options that say one of the rules, with its name in the document.</summary>
        private IEnumerable<(Option Option, string Rule)> Rules =>
        [
            (_run, "command"), (_remove, ProgramCreate.Removal), (_directory, "workingDirectory"), (_environment, "environment"), (_as, "runAs"), (_when, "whenLoggedOn"), (_platform, "platforms"), (_disk, "freeDiskBytes"), (_memory, "memoryBytes"),
            (_limit, "timeLimitSeconds"), (_noWait, "waitsForChildren"), (_success, "successCodes"), (_reboot, "rebootCodes"), (_retry, "retryCodes"), (_tries, "maxTries"), (_pause, "retrySeconds"), (_restart, "afterRun"), (_rerun, "rerun"),
            (_first, ProgramCreate.FirstMember), (_notice, "noticeSeconds"), (_postpone, "maxPostponements"),
        ];

        private const string Any = "any", None = "none";

        public ProgramOptions()
        {
            _as.AcceptOnlyFromAmong(ProgramRules.AsSystem, ProgramRules.AsUser);
            _when.AcceptOnlyFromAmong("logged-on", "logged-off", Any);
            _rerun.AcceptOnlyFromAmong(s_reruns);
        }

        public IReadOnlyList<Symbol> All =>
        [
            _name, _run, _remove, _directory, _environment, _as, _when, _platform, _disk, _memory, _limit, _noWait, _success, _reboot, _retry, _tries, _pause, _restart, _rerun, _first, _notice, _postpone, _replace,
        ];

        /// <param name="problems">All that is wrong; empty when it could be read.</param>
        public bool Read(ParseResult parse, out ProgramCreate request, out IReadOnlyList<string> problems)
        {
            var found = new List<string>();
            problems = found;
            var name = parse.GetRequiredValue(_name);
            var given = Rules.Where(rule => parse.GetResult(rule.Option) is { Implicit: false }).Select(rule => rule.Rule).ToList();
            request = new ProgramCreate("", name, null, parse.GetValue(_first) is var first && first == None ? null : first, parse.GetValue(_replace), given);
            // Without a line the site proposes one; everything else that was said holds all the same.
            IReadOnlyList<string>? command = null;
            if (parse.GetValue(_run) is { } run && (command = CommandText.Split(run)) is not { Count: > 0 })
                found.Add($"'{run}' is no command line: a quote is not closed, or nothing is run.");
            IReadOnlyList<string>? removal = null;
            if (parse.GetValue(_remove) is { } remove && remove != None && (removal = CommandText.Split(remove)) is not { Count: > 0 })
                found.Add($"'{remove}' is no command line: a quote is not closed, or nothing is run.");
            if (!Size(parse.GetValue(_disk), out var disk) || !Size(parse.GetValue(_memory), out var memory))
            {
                found.Add("A size is a whole number with B, KB, MB or GB: 500MB.");
                memory = disk = 0;
            }
            if (!Codes(parse.GetRequiredValue(_success), out var success) || !Codes(parse.GetRequiredValue(_reboot), out var reboot) || !Codes(parse.GetRequiredValue(_retry), out var retry))
            {
                found.Add("Exit codes are whole numbers with commas between: 0,3010.");
                success = reboot = retry = [];
            }
            var variables = parse.GetValue(_environment) ?? [];
            var environment = (variables is [None] ? [] : variables).Select(pair => pair.Split('=', 2)).ToList();
            if (environment.Exists(pair => pair.Length != 2))
                found.Add("A variable is written NAME=VALUE.");
            if (found.Count > 0)
                return false;
            // A code that was said to mean something else is no restart by default.
            if (parse.GetResult(_reboot) is null or { Implicit: true })
                reboot = [.. reboot.Except(success).Except(retry)];
            request = request with
            {
                Rules = new ProgramRules
                {
                    Name = name,
                    Command = command,
                    WorkingDirectory = parse.GetValue(_directory) is var directory && directory == "." ? null : directory,
                    Environment = environment.Count == 0 ? null : [.. environment.Select(pair => new EnvironmentVariable(pair[0], pair[1]))],
                    RunAs = parse.GetRequiredValue(_as),
                    WhenLoggedOn = parse.GetValue(_when) switch { "logged-on" => true, "logged-off" => false, _ => null },
                    Platforms = parse.GetValue(_platform) is { Length: > 0 } platforms and not [Any] ? platforms : null,
                    FreeDiskBytes = disk,
                    MemoryBytes = memory,
                    TimeLimitSeconds = (int)parse.GetValue(_limit).TotalSeconds,
                    WaitsForChildren = !parse.GetValue(_noWait),
                    SuccessCodes = success,
                    RebootCodes = reboot,
                    RetryCodes = retry,
                    MaxTries = parse.GetValue(_tries) ?? 3,
                    RetrySeconds = (int)parse.GetValue(_pause).TotalSeconds,
                    AfterRun = parse.GetValue(_restart) ? ProgramRules.Reboot : ProgramRules.Nothing,
                    Rerun = parse.GetRequiredValue(_rerun),
                    Removal = removal is null ? null : new ProgramRemoval { Command = removal },
                    NoticeSeconds = (int)parse.GetValue(_notice).TotalSeconds,
                    MaxPostponements = parse.GetValue(_postpone) ?? 0,
                },
            };
            return true;
        }

        private static bool Codes(string text, out IReadOnlyList<int> codes)
        {
            var numbers = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(part => int.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code) ? (int?)code : null).ToList();
            codes = [.. numbers.OfType<int>()];
            return codes.Count == numbers.Count;
        }

        private static bool Size(string? text, out long bytes)
        {
            bytes = 0;
            if (text is null)
                return true;
            var digits = text.TrimEnd([.. "BKMGbkmg"]);
            long? unit = text[digits.Length..].ToUpperInvariant() switch { "" or "B" => 1, "KB" => 1_000, "MB" => 1_000_000, "GB" => 1_000_000_000, _ => null };
            if (unit is not { } factor || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue / 4 / factor)
                return false;
            bytes = number * factor;
            return true;
        }
    }
}
