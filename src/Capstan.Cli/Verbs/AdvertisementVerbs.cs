using System.CommandLine;
using System.Globalization;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan advertise</c>, <c>capstan advertisement list|show|edit|halt|resume|remove</c> and <c>capstan why</c></summary>
internal static class AdvertisementVerbs
{
    private const int PageSize = 1000;

    public static Command CreateAdvertise(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var program = new Argument<string>("PROGRAM") { Description = "PACKAGE/PROGRAM by name or id; the package alone where it has one program" };
        var to = new Option<string>("--to") { Description = "The collection that it is offered to", HelpName = "COLLECTION", Required = true };
        var options = new RuleOptions(host, isNew: true);
        return new Verb("advertise", "Offers a program to a collection: it runs by itself, in windows, as its rules say", "capstan advertise Firefox/install --to \"All Linux\" --dry-run", "capstan advertise Firefox --to Pilots --at 2026-12-01T20:00 --deadline +7d",
                "capstan advertise Firefox --to \"All Linux\" --rings 5%,25%@+1d,100%@+3d --halt-at 10%", "capstan advertise Audit --to Servers --every \"sun 03:00 UTC\"")
            .With(program, to, output).With([.. options.All]).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => options.UseAsync(parse, rules => site.UseAsync(parse, host, async api =>
            {
                var saved = await api.AdvertiseAsync(new AdvertisementCreate(parse.GetRequiredValue(program), parse.GetRequiredValue(to), options.NameOf(parse), options.VersionOf(parse), rules, options.IsConfirmed(parse), options.IsDry(parse)), cancellationToken);
                return await TellAsync(host, parse.GetValue(output), saved, options.IsDry(parse), options.IsDry(parse) ? Would(saved) :
                    $"{saved.AdvertisementId} offers {saved.Program} to {saved.Collection}: {Display.Plural(saved.Reaches, "client")}. See how far it is: {host.Command} advertisement show {saved.AdvertisementId}");
            })));
    }

    public static Command Create(CliHost host) => new Verb("advertisement", "Offers of programs to collections: how far each is, and what holds it up", "capstan advertisement list", "capstan advertisement show k3fq7zbm", "capstan advertisement halt k3fq7zbm --because \"it breaks printing\"")
        .With(List(host), Show(host), Edit(host), Halt(host), Resume(host), Remove(host));

    public static Command CreateWhy(CliHost host)
    {
        var client = new Argument<string>("CLIENT") { Description = "Its host name, id or fingerprint" };
        var advertisement = new Argument<string>("ADVERTISEMENT") { Description = "Its id, or its name where only one has it" };
        return new Verb("why", "Why a program has run on a client, or not yet: the whole chain, and what comes next", "capstan why LAB-07 Firefox/install")
            .With(client, advertisement)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var why = await api.WhyAsync(parse.GetRequiredValue(client), parse.GetRequiredValue(advertisement), cancellationToken);
                if (format == OutputFormat.Table)
                {
                    await host.Out.WriteLineAsync($"{VisibleText.Of(why.HostName, 80)} and {why.AdvertisementName} ({why.AdvertisementId}): {VisibleText.Of(why.Answer, 1000)}");
                    if (why.Next is not null)
                        await host.Out.WriteLineAsync($"Next: {why.Next}{(why.NextAt is { } at ? $", {Display.Relative(at, host.Time.GetUtcNow())} ({Display.Utc(at)})" : "")}.");
                    await host.Out.WriteLineAsync();
                }
                await Steps.WriteAsync(host, format, why.Steps, why);
                return ExitCode.Done;
            });
    }

    private static Verb List(CliHost host) => new Verb("list", "All advertisements, the newest first", "capstan advertisement list")
        .Lists(host, Rows, (api, cancellationToken) => api.AdvertisementsAsync(cancellationToken));

    private static Verb Show(CliHost host)
    {
        var id = Id();
        var clients = new Option<bool>("--clients") { Description = "Every client of it, and how it stands" };
        var state = new Option<string?>("--state") { Description = "With --clients: only those in this state", HelpName = "STATE" };
        state.AcceptOnlyFromAmong([.. AdvertisementClient.States]);
        return new Verb("show", "How far an advertisement is: targeted, has policy, content, ran, succeeded, failed by cause", "capstan advertisement show k3fq7zbm", "capstan advertisement show k3fq7zbm --clients --state failed")
            .With(id, clients, state)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                if (parse.GetValue(clients) || parse.GetValue(state) is not null)
                {
                    var rows = await host.WithProgressAsync("reading clients", () => Pages.AllAsync(cursor => api.AdvertisementClientsAsync(parse.GetRequiredValue(id), parse.GetValue(state), cursor, PageSize, cancellationToken), int.MaxValue));
                    await Clients(host).WriteAsync(host, format, rows);
                    return ExitCode.Done;
                }
                var detail = await api.AdvertisementAsync(parse.GetRequiredValue(id), cancellationToken);
                if (format != OutputFormat.Table)
                {
                    await Causes.WriteAsync(host, format, detail.Causes, detail);
                    return ExitCode.Done;
                }
                await Terminal.WriteFactsAsync(host, Facts(host, detail));
                if (detail.Causes.Count > 0)
                {
                    await host.Out.WriteLineAsync();
                    await Causes.WriteAsync(host, format, detail.Causes);
                }
                return ExitCode.Done;
            });
    }

    private static Verb Edit(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var id = Id();
        var to = new Option<string?>("--to") { Description = "Another collection; who leaves is offered it no more", HelpName = "COLLECTION" };
        var options = new RuleOptions(host, isNew: false);
        return new Verb("edit", "Changes an advertisement; what is not given stays, `none` takes a time away", "capstan advertisement edit k3fq7zbm --deadline +3d", "capstan advertisement edit k3fq7zbm --package-version newest", "capstan advertisement edit k3fq7zbm --to Pilots --dry-run")
            .With(id, to, output).With([.. options.All]).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => options.UseAsync(parse, rules => site.UseAsync(parse, host, async api =>
            {
                rules = await options.CountedAsync(parse, rules, () => api.AdvertisementAsync(parse.GetRequiredValue(id), cancellationToken));
                var saved = await api.EditAdvertisementAsync(parse.GetRequiredValue(id), new AdvertisementEdit(options.NameOf(parse), parse.GetValue(to), options.VersionOf(parse), rules, options.IsConfirmed(parse), options.IsDry(parse)), cancellationToken);
                return await TellAsync(host, parse.GetValue(output), saved, options.IsDry(parse), options.IsDry(parse) ? Would(saved) : $"{saved.AdvertisementId} is at revision {saved.Revision} and reaches {Display.Plural(saved.Reaches, "client")} of {saved.Collection}: {saved.Added} came, {saved.Removed} left.{Begins(host, saved)}");
            })));
    }

    private static Verb Halt(CliHost host)
    {
        var because = new Option<string?>("--because") { Description = "Why, for people", HelpName = "TEXT" };
        return Change(host, "halt", "Nothing more of it begins anywhere; what runs goes on", "capstan advertisement halt k3fq7zbm --because \"it breaks printing\"", because,
            (api, id, parse, cancellationToken) => api.HaltAdvertisementAsync(id, parse.GetValue(because), cancellationToken), saved => $"{saved.AdvertisementId} is halted. `capstan advertisement resume {saved.AdvertisementId}` lets it go on.");
    }

    private static Verb Resume(CliHost host) => Change(host, "resume", "Lets it go on; machines that ended before count no more for its limit of failures", "capstan advertisement resume k3fq7zbm", null,
        (api, id, _, cancellationToken) => api.ResumeAdvertisementAsync(id, cancellationToken), saved => $"{saved.AdvertisementId} goes on.{Begins(host, saved)}");

    private static Verb Remove(CliHost host)
    {
        var id = Id();
        var keep = new Option<bool>("--keep") { Description = "End it, and remove nothing anywhere: it stays listed as ended" };
        var dry = new Option<bool>("--dry-run") { Description = "Change nothing; list exactly the machines that would remove what was installed" };
        var yes = new Option<bool>("--yes") { Description = "Clients may remove what was installed" };
        return new Verb("remove", "Offers it to nobody any more; where its program has a removal, that runs", "capstan advertisement remove k3fq7zbm --dry-run", "capstan advertisement remove k3fq7zbm --keep")
            .With(id, keep, dry, yes)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var (isKept, isDry) = (parse.GetValue(keep), parse.GetValue(dry));
                var saved = await api.RemoveAdvertisementAsync(parse.GetRequiredValue(id), new AdvertisementRemoval(isKept, parse.GetValue(yes), isDry), cancellationToken);
                var removals = $"{Display.Plural(saved.Removals, "client")} {(isDry ? "would remove" : saved.Removals == 1 ? "removes" : "remove")} what was installed";
                return await TellAsync(host, format, saved, isDry, isDry ? $"Nothing was changed. {removals}."
                    : isKept ? $"Ended {saved.AdvertisementId}: nothing more of it begins, and nothing is removed." : $"Removed {saved.AdvertisementId}: {Display.Plural(saved.Removed, "client")} had it, {removals}.");
            });
    }

    private static Verb Change(CliHost host, string name, string description, string example, Option<string?>? option, Func<ApiClient, string, ParseResult, CancellationToken, Task<AdvertisementSaved>> change, Func<AdvertisementSaved, string> text)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var id = Id();
        return new Verb(name, description, example)
            .With(id, output).With(option is null ? [] : [option]).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var saved = await change(api, parse.GetRequiredValue(id), parse, cancellationToken);
                return await TellAsync(host, parse.GetValue(output), saved, isDry: false, text(saved));
            }));
    }

    private static async Task<int> TellAsync(CliHost host, OutputFormat format, AdvertisementSaved saved, bool isDry, string text)
    {
        if (format != OutputFormat.Table || isDry)
            await MachineChange.Listing("No machine.").WriteAsync(host, format, MachineChange.Of(saved.Coming, saved.Leaving), saved);
        if (format == OutputFormat.Table)
            await host.Out.WriteLineAsync(text);
        return ExitCode.Done;
    }

    private static string Would(AdvertisementSaved saved) =>
        $"Nothing was changed. {saved.Program} would reach {Display.Plural(saved.Reaches, "client")} of {saved.Collection}: {Display.Count(saved.Added)} new to it, {Display.Count(saved.Removed)} no more{(saved.Removals == 0 ? "" : $", of which {Display.Count(saved.Removals)} would remove what was installed")}.";

    /// <summary>Which part begins when, after rings were moved; empty without rings.</summary>
    private static string Begins(CliHost host, AdvertisementSaved saved) => saved.Rings is null ? "" : $" Rings: {Rings(host, saved.Rings)}.";

    private static string Rings(CliHost host, IReadOnlyList<RolloutRing> rings) => string.Join(", ", rings.Select(ring => $"{ring.Percent} % {Display.Relative(Display.FromUnixSeconds(ring.At), host.Time.GetUtcNow())}"));

    private static Argument<string> Id() => new("ID") { Description = "Of the advertisement" };

    private static IEnumerable<(string, string?)> Facts(CliHost host, AdvertisementDetail detail)
    {
        var (row, document, funnel) = (detail.Summary, detail.Document, detail.Summary.Funnel);
        yield return ("Advertisement", $"{row.AdvertisementId} {row.Name}");
        yield return ("Offers", $"{row.Program}, package version {row.PackageVersion}");
        yield return ("To", row.Collection);
        yield return ("State", row.HaltedBecause is null ? row.State : $"{row.State}: {row.HaltedBecause}");
        yield return ("Purpose", row.Purpose);
        yield return ("Starts", document.StartAt is null ? null : Display.Utc(Display.FromUnixSeconds(document.StartAt)));
        yield return ("Deadline", document.Deadline is null ? null : Display.Utc(Display.FromUnixSeconds(document.Deadline)));
        yield return ("Expires", row.ExpiresAt is null ? null : Display.Utc(row.ExpiresAt));
        yield return ("Rings", document.Rings is null ? null : Rings(host, document.Rings));
        yield return ("Halts at", row.HaltAt is null ? null : $"{row.HaltAt} % failed");
        yield return ("Targeted", Display.Count(funnel.Targeted));
        yield return ("Has policy", Share(funnel.HasPolicy, funnel.Targeted));
        yield return ("Has content", Share(funnel.HasContent, funnel.Targeted));
        yield return ("Ran", Share(funnel.Ran, funnel.Targeted));
        yield return ("Succeeded", Share(funnel.Succeeded, funnel.Targeted));
        yield return ("Failed", Share(funnel.Failed, funnel.Targeted));
    }

    private static string Share(int count, int all) => all == 0 ? Display.Count(count) : string.Create(CultureInfo.InvariantCulture, $"{Display.Count(count)} ({100.0 * count / all:0.#} %)");

    private static Listing<AdvertisementSummary> Rows { get; } = new(
        [
            new("ID", row => row.AdvertisementId, NoWrap: true), new("PROGRAM", row => row.Program), new("TO", row => row.Collection), new("STATE", row => row.State, NoWrap: true), new("TARGETED", row => Display.Count(row.Funnel.Targeted), IsNumber: true),
            new("RAN", row => Display.Count(row.Funnel.Ran), IsNumber: true), new("SUCCEEDED", row => Display.Count(row.Funnel.Succeeded), IsNumber: true), new("FAILED", row => Display.Count(row.Funnel.Failed), IsNumber: true),
        ],
        [
            new("advertisementId", row => row.AdvertisementId), new("name", row => row.Name), new("program", row => row.Program), new("packageVersion", row => row.PackageVersion), new("collection", row => row.Collection), new("purpose", row => row.Purpose),
            new("state", row => row.State), new("haltedBecause", row => row.HaltedBecause), new("revision", row => row.Revision), new("createdAt", row => row.CreatedAt), new("changedAt", row => row.ChangedAt), new("expiresAt", row => row.ExpiresAt),
            new("targeted", row => row.Funnel.Targeted), new("hasPolicy", row => row.Funnel.HasPolicy), new("hasContent", row => row.Funnel.HasContent), new("ran", row => row.Funnel.Ran), new("succeeded", row => row.Funnel.Succeeded),
            new("failed", row => row.Funnel.Failed),
        ],
        ApiJson.Default, "No advertisement. Offer a program: capstan advertise PROGRAM --to \"All Linux\" --dry-run");

    private static Listing<AdvertisementCause> Causes { get; } = new(
        [new("STATE", row => row.State, NoWrap: true), new("CAUSE", row => row.Cause, NoWrap: true), new("CLIENTS", row => Display.Count(row.Clients), IsNumber: true), new("FOR EXAMPLE", row => row.Example)],
        [new("state", row => row.State), new("cause", row => row.Cause), new("clients", row => row.Clients), new("example", row => row.Example)], ApiJson.Default, "It reaches no client.");

    private static Listing<AdvertisementClient> Clients(CliHost host) => new(
        [
            new("HOST", row => VisibleText.Of(row.HostName, 40)), new("ID", row => $"{row.DeviceId[..4]}-{row.DeviceId[4..8]}", NoWrap: true), new("STATE", row => row.State, NoWrap: true), new("WHY", row => row.Reason),
            new("SINCE", row => Display.Relative(row.Since, host.Time.GetUtcNow()), NoWrap: true), new("NEXT", row => Display.Relative(row.NextTry, host.Time.GetUtcNow()), NoWrap: true),
        ],
        [
            new("deviceId", row => row.DeviceId), new("hostName", row => row.HostName), new("state", row => row.State), new("cause", row => row.Cause), new("reason", row => row.Reason), new("since", row => row.Since), new("nextTry", row => row.NextTry),
            new("hereBytes", row => row.HereBytes), new("totalBytes", row => row.TotalBytes), new("source", row => row.Source), new("runNumber", row => row.RunNumber), new("outcome", row => row.Outcome), new("exitCode", row => row.ExitCode),
            new("startedAt", row => row.StartedAt), new("endedAt", row => row.EndedAt), new("reportedAt", row => row.ReportedAt),
        ],
        ApiJson.Default, "No such client.");

    private static Listing<WhyStep> Steps { get; } = new(
        [new("STEP", row => row.Step, NoWrap: true), new("MET", row => row.IsMet switch { true => "yes", false => "no", _ => "?" }, NoWrap: true), new("WHAT", row => row.Text)],
        [new("step", row => row.Step), new("isMet", row => row.IsMet), new("text", row => row.Text)], ApiJson.Default, "");

    /// <summary>When and how: the options that making and changing share.</summary>
    private sealed class RuleOptions(CliHost host, bool isNew)
    {
        private readonly Option<string?> _name = new("--name") { Description = "For people (default: the program)", HelpName = "N" };
        private readonly Option<string?> _version = new("--package-version") { Description = isNew ? "Of the package (default: the newest)" : "Of the package; newest for the newest there is", HelpName = "V" };
        private readonly Option<string?> _purpose = new("--purpose") { Description = "required: it runs by itself; available: when a person asks for it", HelpName = "required|available" };
        private readonly Option<string?> _from = Time("--from", "For available: a person may start it from then on");
        private readonly Option<string?> _at = Time("--at", "It runs by itself from then on, inside windows (default: as soon as it is offered)");
        private readonly Option<string?> _deadline = Time("--deadline", "From then on no window and no postponement holds it back");
        private readonly Option<string?> _expires = Time("--expires", "Nothing of it begins from then on");
        private readonly Option<string?> _every = new("--every") { Description = $"Again and again: {ScheduleText.EveryForm}; none for once", HelpName = "WHEN" };
        private readonly Option<string?> _rings = new("--rings") { Description = $"{ScheduleText.RingsForm}; none for all at once", HelpName = "RINGS" };
        private readonly Option<string?> _halt = new("--halt-at") { Description = "It halts by itself when so many of those that finished have failed: 10%; none for never", HelpName = "PERCENT" };
        private readonly Option<int?> _priority = Arguments.WholeNumber("--priority", "Of what may run at one time the highest goes first (0 to 1,000, default 0)", 0, 1_000);
        private readonly Option<string?> _slow = new("--slow-links") { Description = "Whether content is read over links measured to be slow (default no)", HelpName = "yes|no" };
        private readonly Option<string?> _unknown = new("--unknown-links") { Description = "Whether content is read over links of which nothing was measured yet (default yes)", HelpName = "yes|no" };
        private readonly Option<bool> _dry = new("--dry-run") { Description = "Change nothing; list exactly the machines" };
        private readonly Option<bool> _yes = new("--yes") { Description = $"It may newly reach more than {AdvertisementCreate.Unasked} clients{(isNew ? "" : ", and who leaves may remove what was installed")}" };

        public IReadOnlyList<Symbol> All => [_name, _version, _purpose, _from, _at, _deadline, _expires, _every, _rings, _halt, _priority, _slow, _unknown, _dry, _yes];

        public string? NameOf(ParseResult parse) => parse.GetValue(_name);

        public bool IsDry(ParseResult parse) => parse.GetValue(_dry);

        public bool IsConfirmed(ParseResult parse) => parse.GetValue(_yes);

        /// <summary>0 for the newest.</summary>
        public long? VersionOf(ParseResult parse) => parse.GetValue(_version) switch
        {
            null => null,
            "newest" => isNew ? null : 0,
            var text => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version > 0 ? version : -1,
        };

        public async Task<int> UseAsync(ParseResult parse, Func<AdvertisementRules, Task<int>> action)
        {
            var problems = new List<string>();
            var now = host.Time.GetUtcNow();
            var at = At(_at);
            Recurrence? recurrence = null;
            if (parse.GetValue(_every) is { } every && every != "none" && !ScheduleText.TryEvery(every, out recurrence))
                problems.Add($"'{every}' is no repetition: write {ScheduleText.EveryForm}.");
            IReadOnlyList<RolloutRing>? rings = null;
            if (parse.GetValue(_rings) is { } text && !ScheduleText.TryRings(text, at is > 0 ? DateTimeOffset.FromUnixTimeSeconds(at.Value) : now, out rings))
                problems.Add($"'{text}' are no rings: write {ScheduleText.RingsForm}; they rise and end with 100%.");
            int? halt = null;
            if (parse.GetValue(_halt) is { } limit)
            {
                if (limit == "none")
                    halt = 0;
                else if (int.TryParse(limit.TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out var percent) && percent is >= 1 and <= 100)
                    halt = percent;
                else
                    problems.Add($"'{limit}' is no limit of failures: write 1% to 100%, or none.");
            }
            if (VersionOf(parse) == -1)
                problems.Add($"'{parse.GetValue(_version)}' is no version of a package: write its number, or newest.");
            if (parse.GetValue(_purpose) is not (null or Advertisement.Required or Advertisement.Available))
                problems.Add("--purpose is required or available.");
            var rules = new AdvertisementRules(parse.GetValue(_purpose), At(_from), at, At(_deadline), At(_expires), recurrence, parse.GetValue(_every) == "none", parse.GetValue(_priority), rings, halt, YesNo(_slow), YesNo(_unknown));
            if (problems.Count == 0)
                return await action(rules);
            foreach (var problem in problems)
                await host.Error.WriteLineAsync($"capstan: {problem}");
            return ExitCode.Usage;

            long? At(Option<string?> option)
            {
                if (parse.GetValue(option) is not { } given)
                    return null;
                if (ScheduleText.TryTime(given, now, out var seconds))
                    return seconds;
                problems.Add($"'{given}' is no time for {option.Name}: write {ScheduleText.TimeForm}.");
                return null;
            }

            bool? YesNo(Option<string?> option)
            {
                if (parse.GetValue(option) is not (null or "yes" or "no"))
                    problems.Add($"{option.Name} is yes or no.");
                return parse.GetValue(option) is { } given ? given == "yes" : null;
            }
        }

        /// <summary>Rings count from the start: also from one that is still to come, and that the edit leaves where it is.</summary>
        public async Task<AdvertisementRules> CountedAsync(ParseResult parse, AdvertisementRules rules, Func<Task<AdvertisementDetail>> read)
        {
            if (rules.Rings is not { Count: > 0 } || rules.StartAt is not null)
                return rules;
            return Display.FromUnixSeconds((await read()).Document.StartAt) is { } start && start > host.Time.GetUtcNow() && ScheduleText.TryRings(parse.GetRequiredValue(_rings)!, start, out var rings) ? rules with { Rings = rings } : rules;
        }

        private static Option<string?> Time(string name, string description) => new(name) { Description = $"{description}: {ScheduleText.TimeForm}", HelpName = "TIME" };
    }
}
