using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan setting list|set|clear</c></summary>
internal static class SettingVerbs
{
    public static Command Create(CliHost host) => new Verb("setting", "Settings of clients: for all, for a collection, for one; of these the last counts", "capstan setting list", "capstan setting set cycle 12h", "capstan setting set builds hold --collection lab")
        .With(List(host), Set(host), Clear(host));

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var (collection, client) = Scope();
        return new Verb("list", "Every setting: what is set for whom, and otherwise its default. For a client: what holds, and where it comes from", "capstan setting list", "capstan setting list --client k3fq-7zbm")
            .With(collection, client, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                if (parse.GetValue(client) is { } id)
                {
                    await OfClient.WriteAsync(host, parse.GetValue(output), (await api.ClientAsync(id, cancellationToken)).Settings);
                    return ExitCode.Done;
                }
                var all = await api.SettingsAsync(cancellationToken);
                var scope = parse.GetValue(collection) is { } name ? $"collection:{(await api.CollectionAsync(name, cancellationToken)).Name}" : null;
                var rows = all.Definitions.SelectMany(definition =>
                {
                    var set = all.Values.Where(value => value.Name == definition.Name && (scope is null || value.Scope.Equals(scope, StringComparison.OrdinalIgnoreCase)))
                        .Select(value => new SettingLine(definition.Name, value.Value, value.Text, value.Scope, definition.Range, definition.Unit, definition.Description)).ToList();
                    return set.Count > 0 || scope is not null ? set
                        : [new SettingLine(definition.Name, definition.Default, definition.DefaultText, ClientSettingRow.Default, definition.Range, definition.Unit, definition.Description)];
                }).ToList();
                await Lines.WriteAsync(host, parse.GetValue(output), rows);
                return ExitCode.Done;
            }));
    }

    private static Verb Set(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var name = Name();
        var value = new Argument<string>("VALUE") { Description = "As the list shows: 12h, 2MB, off, or a word" };
        var (collection, client) = Scope();
        return new Verb("set", "Sets it for all clients, for a collection or for one; it goes with the signed policy", "capstan setting set inventory 12h", "capstan setting set logLevel debug --client k3fq-7zbm")
            .With(name, value, collection, client, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var changed = await api.SetAsync(new SettingChange(parse.GetRequiredValue(name), parse.GetRequiredValue(value), parse.GetValue(collection), parse.GetValue(client)), cancellationToken);
                await TellAsync(host, parse.GetValue(output), changed, $"{changed.Name} is {changed.Text} for {changed.Scope}");
                return ExitCode.Done;
            }));
    }

    private static Verb Clear(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var name = Name();
        var (collection, client) = Scope();
        return new Verb("clear", "Takes away what was set there; what is set elsewhere, or the default, counts again", "capstan setting clear inventory", "capstan setting clear builds --collection lab")
            .With(name, collection, client, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var changed = await api.ClearAsync(parse.GetRequiredValue(name), parse.GetValue(collection), parse.GetValue(client), cancellationToken);
                await TellAsync(host, parse.GetValue(output), changed, $"{changed.Name} is not set for {changed.Scope} any more");
                return ExitCode.Done;
            }));
    }

    private static async Task TellAsync(CliHost host, OutputFormat format, SettingChanged changed, string text)
    {
        if (format == OutputFormat.Table)
            await host.Out.WriteLineAsync($"{text}. {(changed.Clients == 0 ? "For no approved client that changes anything." : $"{Display.Plural(changed.Clients, "client")} {(changed.Clients == 1 ? "follows" : "follow")} with the next contact.")}");
        else
            await Changed.WriteAsync(host, format, [changed], changed);
    }

    private static Argument<string> Name() => new("NAME") { Description = "One of the list" };

    private static (Option<string?> Collection, Option<string?> Client) Scope() =>
        (new Option<string?>("--collection") { Description = "For the members of this collection", HelpName = "NAME" }, new Option<string?>("--client") { Description = "For this client (host name, id or fingerprint)", HelpName = "CLIENT" });

    private static Listing<SettingLine> Lines { get; } = new(
        [
            new("SETTING", row => row.Name, NoWrap: true), new("VALUE", row => row.Text, NoWrap: true), new("SET FOR", row => row.Scope), new("RANGE", row => row.Range), new("MEANING", row => row.Description),
        ],
        [
            new("name", row => row.Name), new("value", row => row.Value), new("text", row => row.Text), new("scope", row => row.Scope), new("range", row => row.Range), new("unit", row => row.Unit),
            new("description", row => row.Description),
        ],
        CliJson.Default, "Nothing is set there.");

    private static Listing<ClientSettingRow> OfClient { get; } = new(
        [new("SETTING", row => row.Name, NoWrap: true), new("VALUE", row => row.Text, NoWrap: true), new("FROM", row => row.From)],
        [new("name", row => row.Name), new("value", row => row.Value), new("text", row => row.Text), new("from", row => row.From)],
        CliJson.Default, "Nothing.");

    private static Listing<SettingChanged> Changed { get; } = new([],
        [new("scope", row => row.Scope), new("name", row => row.Name), new("value", row => row.Value), new("text", row => row.Text), new("clients", row => row.Clients)], ApiJson.Default, "");
}

/// <summary>One line of <c>setting list</c>.</summary>
/// <param name="Scope"><c>default</c>, <c>site</c>, <c>collection:NAME</c> or <c>client:ID</c>.</param>
internal sealed record SettingLine(string Name, string Value, string Text, string Scope, string Range, string Unit, string Description);
