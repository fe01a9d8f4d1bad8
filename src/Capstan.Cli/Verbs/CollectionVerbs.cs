using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan collection create|list|show|edit|remove|add|drop|move|preview</c> and <c>capstan query</c></summary>
internal static class CollectionVerbs
{
    private const int PageSize = 1000;

    public static Command Create(CliHost host) => new Verb("collection", "Collections of clients, for settings and software: members by name, and those that a query selects",
            "capstan collection create Lab --query 'host startsWith \"LAB-\"'", "capstan collection show \"All Linux\"", "capstan collection add Pilots k3fq-7zbm")
        .With(Make(host), List(host), Show(host), Edit(host), Remove(host), Members(host, "add", isAdd: true), Members(host, "drop", isAdd: false), Move(host), Preview(host));

    public static Command CreateQuery(CliHost host)
    {
        var query = new Argument<string?>("QUERY") { Description = "For example: os startsWith \"Debian\" and memory >= 4 GiB and not host like \"LAB-*\"", Arity = ArgumentArity.ZeroOrOne };
        var attributes = new Option<bool>("--attributes") { Description = "What a query may ask of a client" };
        var limit = Arguments.WholeNumber("--limit", "At most so many clients are listed (default 100)", 1, 1_000);
        return new Verb("query", "Which clients an expression selects, as things are now", "capstan query 'package \"openssl\" version < \"3.0.15\"'", "capstan query 'silent > 14 d'", "capstan query --attributes")
            .With(query, attributes, limit)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                if (parse.GetValue(attributes))
                {
                    await Attributes.WriteAsync(host, format, await api.QueryAttributesAsync(cancellationToken));
                    return ExitCode.Done;
                }
                var answer = await api.QueryAsync(parse.GetValue(query) ?? "", parse.GetValue(limit), cancellationToken);
                await Clients(host, "No client.", withBy: false).WriteAsync(host, format, answer.Rows, answer);
                if (format == OutputFormat.Table && answer.Clients > 0)
                    await host.Out.WriteLineAsync($"{Display.Plural(answer.Clients, "client")}{(answer.Rows.Count < answer.Clients ? $", of which {Display.Count(answer.Rows.Count)} are shown (--limit)" : "")}: {answer.Query}");
                return ExitCode.Done;
            });
    }

    private static Verb Make(CliHost host)
    {
        var name = Name();
        var query = Query();
        var priority = Priority();
        var member = new Option<string[]>("--member") { Description = "A client by host name, id or fingerprint; may be repeated", HelpName = "CLIENT" };
        return new Verb("create", "Makes a collection; its members are found at once", "capstan collection create Lab --query 'host startsWith \"LAB-\"'", "capstan collection create Pilots --member k3fq-7zbm --priority 10")
            .With(name, query, priority, member)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var saved = await api.CreateCollectionAsync(new CollectionCreate(parse.GetRequiredValue(name), parse.GetValue(query), parse.GetValue(priority), parse.GetValue(member)), cancellationToken);
                return await TellAsync(host, format, saved, $"Collection {saved.Name} is there: {Display.Plural(saved.Members, "client")}.");
            });
    }

    private static Verb Edit(CliHost host)
    {
        var name = Name();
        var query = Query();
        var priority = Priority();
        var yes = Yes();
        return new Verb("edit", "Gives a collection another query or priority; what is not given stays", "capstan collection edit Lab --query 'host like \"LAB-?-*\"'", "capstan collection edit Lab --query \"\"", "capstan collection edit Lab --yes")
            .With(name, query, priority, yes)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var saved = await api.EditCollectionAsync(parse.GetRequiredValue(name), new CollectionEdit(parse.GetValue(query), parse.GetValue(priority), parse.GetValue(yes)), cancellationToken);
                return await TellAsync(host, format, saved, Moved(saved));
            });
    }

    private static Verb Members(CliHost host, string verb, bool isAdd)
    {
        var name = Name();
        var ids = new Argument<string[]>("CLIENT") { Description = "Clients by host name, id or fingerprint", Arity = ArgumentArity.OneOrMore };
        var yes = Yes();
        return new Verb(verb, isAdd ? "Makes clients members by name; all of them, or none where one is not known" : "Clients are no members by name any more; members by query stay", $"capstan collection {verb} Pilots LAB-07 k3fq-7zbm")
            .With(name, ids, yes)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var given = parse.GetValue(ids);
                var saved = await api.ChangeCollectionMembersAsync(parse.GetRequiredValue(name), isAdd ? new CollectionMembersChange(Add: given, Confirmed: parse.GetValue(yes)) : new CollectionMembersChange(Drop: given, Confirmed: parse.GetValue(yes)), cancellationToken);
                return await TellAsync(host, format, saved, Moved(saved));
            });
    }

    private static Verb Move(CliHost host)
    {
        var from = new Argument<string>("FROM") { Description = "The collection that they leave" };
        var to = new Argument<string>("TO") { Description = "The collection that they come to" };
        var ids = new Argument<string[]>("CLIENT") { Description = "Clients by host name, id or fingerprint", Arity = ArgumentArity.OneOrMore };
        var yes = Yes();
        return new Verb("move", "Takes members by name from one collection to another at once: what both are offered is never removed in between", "capstan collection move Pilots Everybody LAB-07")
            .With(from, to, ids, yes)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var moved = await api.MoveCollectionMembersAsync(parse.GetRequiredValue(from), new CollectionMove(parse.GetRequiredValue(to), parse.GetRequiredValue(ids), parse.GetValue(yes)), cancellationToken);
                if (format == OutputFormat.Table)
                    await host.Out.WriteLineAsync($"{Moved(moved.From)} {Moved(moved.To)}");
                else
                    await Saved.WriteAsync(host, format, [moved.From, moved.To], moved);
                return ExitCode.Done;
            });
    }

    private static Verb Remove(CliHost host)
    {
        var name = Name();
        return new Verb("remove", "Takes a collection away, and all that is set for it; the clients stay", "capstan collection remove Lab")
            .With(name)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var saved = await api.RemoveCollectionAsync(parse.GetRequiredValue(name), cancellationToken);
                return await TellAsync(host, format, saved, $"Removed collection {saved.Name}; {Display.Plural(saved.Removed, "client")} had been in it.");
            });
    }

    private static Verb List(CliHost host) => new Verb("list", "The collections: the built-in ones, then the strongest first", "capstan collection list")
        .Lists(host, Collections(host), (api, cancellationToken) => api.CollectionsAsync(cancellationToken));

    private static Verb Show(CliHost host)
    {
        var name = Name();
        return new Verb("show", "Who is in a collection, by name or by its query", "capstan collection show Lab")
            .With(name)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var collection = await api.CollectionAsync(parse.GetRequiredValue(name), cancellationToken);
                var members = await host.WithProgressAsync("reading members", () => Pages.AllAsync(cursor => api.CollectionMembersAsync(collection.Name, cursor, PageSize, cancellationToken), int.MaxValue));
                if (format == OutputFormat.Table)
                {
                    await host.Out.WriteLineAsync($"{collection.Name}: {Display.Plural(collection.Members, "client")}. {(collection.Query is null ? "No query; members by name only." : $"Query: {collection.Query}")}");
                    if (collection.Problem is { } problem)
                        await host.Out.WriteLineAsync($"{problem}{(collection.Held is null ? "" : $" Look: {host.Command} collection preview \"{collection.Name}\"; confirm: {host.Command} collection edit \"{collection.Name}\" --yes")}");
                }
                await Clients(host, "No approved client is in it.", withBy: true).WriteAsync(host, format, members);
                return ExitCode.Done;
            });
    }

    private static Verb Preview(CliHost host)
    {
        var name = Name();
        var query = Query();
        return new Verb("preview", "Who would come to a collection and who would leave it, with another query; changes nothing", "capstan collection preview Lab --query 'host like \"LAB-*\" and memory >= 8 GiB'")
            .With(name, query)
            .Asks(host, async (parse, api, format, cancellationToken) =>
            {
                var preview = await api.PreviewCollectionAsync(parse.GetRequiredValue(name), parse.GetValue(query), cancellationToken);
                await MachineChange.Listing("Nobody would come, nobody would leave.").WriteAsync(host, format, MachineChange.Of(preview.Coming, preview.Leaving), preview);
                if (format == OutputFormat.Table)
                    await host.Out.WriteLineAsync($"{preview.Name} would have {Display.Plural(preview.Members, "client")}: {Display.Count(preview.Added)} would come, {Display.Count(preview.Removed)} would leave.");
                return ExitCode.Done;
            });
    }

    private static async Task<int> TellAsync(CliHost host, OutputFormat format, CollectionSaved saved, string text)
    {
        if (format == OutputFormat.Table)
            await host.Out.WriteLineAsync($"{text}{(saved.Clients == 0 ? "" : $" The policy of {Display.Plural(saved.Clients, "client")} changes.")}");
        else
            await Saved.WriteAsync(host, format, [saved], saved);
        return ExitCode.Done;
    }

    private static string Moved(CollectionSaved saved) => $"{saved.Name} has {Display.Plural(saved.Members, "client")}: {Display.Count(saved.Added)} came, {Display.Count(saved.Removed)} left.";

    private static Argument<string> Name() => new("NAME") { Description = "Of the collection, in any case of letters" };

    private static Option<bool> Yes() => new("--yes") { Description = $"What is offered to it may newly reach more than {AdvertisementCreate.Unasked} clients, and who leaves may remove what was installed; with nothing else, that is confirmed for a collection that waits for it" };

    private static Option<string?> Query() => new("--query") { Description = "Who is in it beside the members by name (see: capstan query --help)", HelpName = "QUERY" };

    private static Option<int?> Priority() => Arguments.WholeNumber("--priority", "Of collections that set the same, the highest counts (0 to 1,000, default 0)", 0, 1_000);

    private static Listing<CollectionSummary> Collections(CliHost host) => new(
        [
            new("COLLECTION", row => row.Name, NoWrap: true), new("CLIENTS", row => Display.Count(row.Members), IsNumber: true), new("PRIORITY", row => Display.Count(row.Priority), IsNumber: true),
            new("QUERY", row => row.Query), new("EVALUATED", row => row.Problem ?? Display.Relative(row.EvaluatedAt, host.Time.GetUtcNow())),
        ],
        [
            new("name", row => row.Name), new("query", row => row.Query), new("priority", row => row.Priority), new("members", row => row.Members), new("isBuiltIn", row => row.IsBuiltIn), new("addedAt", row => row.AddedAt),
            new("evaluatedAt", row => row.EvaluatedAt), new("error", row => row.Error), new("held", row => row.Held?.Text),
        ],
        ApiJson.Default, "No collection.");

    private static Listing<CollectionMember> Clients(CliHost host, string whenEmpty, bool withBy) => new(
        [
            new("HOST", row => VisibleText.Of(row.HostName, 40)), new("ID", row => row.Fingerprint, NoWrap: true), new("SYSTEM", row => VisibleText.Of(row.OperatingSystem, 40)),
            new("SEEN", row => Display.Relative(row.LastSeen, host.Time.GetUtcNow()), NoWrap: true), .. withBy ? (IReadOnlyList<TableColumn<CollectionMember>>)[new("BY", row => row.By, NoWrap: true)] : [],
        ],
        [
            new("deviceId", row => row.DeviceId), new("hostName", row => row.HostName), new("fingerprint", row => row.Fingerprint), new("operatingSystem", row => row.OperatingSystem), new("lastSeen", row => row.LastSeen),
            new("by", row => row.By),
        ],
        ApiJson.Default, whenEmpty);

    private static Listing<QueryAttributeRow> Attributes { get; } = new(
        [new("ATTRIBUTE", row => row.Name, NoWrap: true), new("TYPE", row => row.Type, NoWrap: true), new("MEANING", row => row.Description)],
        [new("name", row => row.Name), new("type", row => row.Type), new("description", row => row.Description)], ApiJson.Default, "None.");

    private static Listing<CollectionSaved> Saved { get; } = new([],
        [new("name", row => row.Name), new("query", row => row.Query), new("members", row => row.Members), new("added", row => row.Added), new("removed", row => row.Removed), new("clients", row => row.Clients)], ApiJson.Default, "");
}
