using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan group add|remove|list|members</c></summary>
internal static class GroupVerbs
{
    private static readonly string[] No = [];

    public static Command Create(CliHost host) => new Verb("group", "Groups of clients, for settings: named members, and those that a rule names", "capstan group add lab --rule host:LAB-", "capstan group members lab")
        .With(Add(host), Remove(host), List(host), Members(host));

    private static Verb Add(CliHost host)
    {
        var site = new SiteLocation();
        var name = Name();
        var priority = Arguments.WholeNumber("--priority", "Of groups that set the same, the highest counts (0 to 1,000, default 0)", 0, 1_000);
        var rule = new Option<string?>("--rule") { Description = "host:TEXT, system:TEXT, model:TEXT or token:TEXT: clients of which that begins so, in any case of letters", HelpName = "RULE" };
        var member = new Option<string[]>("--member") { Description = "A client by id or fingerprint; may be repeated", HelpName = "ID" };
        return new Verb("add", "Makes a group, or changes what is given of one that is there", "capstan group add lab --rule host:LAB-", "capstan group add pilots --priority 10 --member k3fq-7zbm")
            .With(name, priority, rule, member).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var saved = await api.SaveGroupAsync(new GroupSave(parse.GetRequiredValue(name), parse.GetValue(priority), parse.GetValue(rule), parse.GetValue(member) ?? No), cancellationToken);
                await host.Out.WriteLineAsync($"Group {saved.Name} is there.{Followed(saved)}");
                return ExitCode.Done;
            }));
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var name = Name();
        return new Verb("remove", "Takes a group away, and all that is set for it; the clients stay", "capstan group remove lab")
            .With(name).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var removed = await api.RemoveGroupAsync(parse.GetRequiredValue(name), cancellationToken);
                await host.Out.WriteLineAsync($"Removed group {removed.Name}.{Followed(removed)}");
                return ExitCode.Done;
            }));
    }

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "The groups, the strongest first", "capstan group list")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Groups(host).WriteAsync(host, parse.GetValue(output), await api.GroupsAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Verb Members(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var name = Name();
        var add = new Option<string[]>("--add") { Description = "Make this client a member by name; may be repeated", HelpName = "ID" };
        var drop = new Option<string[]>("--drop") { Description = "This client is no member by name any more; may be repeated", HelpName = "ID" };
        return new Verb("members", "Who is in a group, by name or by its rule", "capstan group members lab", "capstan group members pilots --add k3fq-7zbm")
            .With(name, add, drop, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var group = parse.GetRequiredValue(name);
                foreach (var id in parse.GetValue(add) ?? No)
                    await api.GroupMemberAsync(group, id, isMember: true, cancellationToken);
                foreach (var id in parse.GetValue(drop) ?? No)
                    await api.GroupMemberAsync(group, id, isMember: false, cancellationToken);
                await MemberRows.WriteAsync(host, parse.GetValue(output), await api.GroupMembersAsync(group, cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static string Followed(GroupSaved saved) => saved.Clients == 0 ? "" : $" Something else is set now for {Display.Plural(saved.Clients, "client")}.";

    private static Argument<string> Name() => new("NAME") { Description = "Of the group: 1 to 40 of A-Z a-z 0-9 - _ ." };

    private static Listing<GroupSummary> Groups(CliHost host) => new(
        [
            new("GROUP", row => row.Name, NoWrap: true), new("PRIORITY", row => Display.Count(row.Priority), IsNumber: true), new("RULE", row => row.Rule), new("CLIENTS", row => Display.Count(row.Members), IsNumber: true),
            new("ADDED", row => Display.Relative(row.AddedAt, host.Time.GetUtcNow()), NoWrap: true),
        ],
        [new("name", row => row.Name), new("priority", row => row.Priority), new("rule", row => row.Rule), new("members", row => row.Members), new("addedAt", row => row.AddedAt)],
        ApiJson.Default, $"No group. Make one: {host.Command} group add NAME --rule host:LAB-");

    private static Listing<GroupMember> MemberRows { get; } = new(
        [new("HOST", row => VisibleText.Of(row.HostName, 40)), new("ID", row => $"{row.DeviceId[..4]}-{row.DeviceId[4..8]}", NoWrap: true), new("BY", row => row.By, NoWrap: true)],
        [new("deviceId", row => row.DeviceId), new("hostName", row => row.HostName), new("by", row => row.By)], ApiJson.Default, "No approved client is in it.");
}
