using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan cap account list|remove</c>: the connection accounts of the client access points. <c>cap add</c> adds them.</summary>
internal static class CapAccountVerbs
{
    public static Command Create(CliHost host) => new Verb("account", "Connection accounts of the client access points; \"cap add\" adds them", "capstan cap account list",
            "capstan cap account remove smb://fs1/cap/ capclient-1")
        .With(List(host), Remove(host));

    private static Listing<CapAccountRow> Rows(CliHost host) => new(
        [
            new("PATH", account => account.Cap),
            new("OF", account => account.Role, NoWrap: true),
            new("ACCOUNT", account => account.Name),
            new("STATE", account => account.State, NoWrap: true),
            new("ADDED", account => Display.Relative(account.AddedAt, host.Time.GetUtcNow()), NoWrap: true),
            new("CONFIRMED", account => account is { Confirmed: { } confirmed, Clients: { } clients } ? $"{Display.Count(confirmed)} of {Display.Count(clients)}" : null, NoWrap: true),
        ],
        [
            new("cap", account => account.Cap), new("role", account => account.Role), new("name", account => account.Name),
            new("state", account => account.State), new("addedAt", account => account.AddedAt),
            new("confirmed", account => account.Confirmed), new("clients", account => account.Clients),
        ],
        ApiJson.Default, "No connection account: local folders need none.");

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "Accounts of each client access point, in the order in which they are tried; never a password", "capstan cap account list", "capstan cap account list -o json")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.CapAccountsAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var path = Arguments.Path(host, description: "One of the site's client access points, as `cap list` shows it");
        var name = new Argument<string>("NAME") { Description = "The account, as `cap account list` shows it" };
        var role = new Option<string?>("--role") { Description = "Whose it is, where the site and the clients have one of that name", HelpName = "site|clients" };
        role.AcceptOnlyFromAmong("site", "clients");
        return new Verb("remove", "Take an account away from a client access point, and say what follows for clients; at the server nothing changes",
                "capstan cap account remove smb://fs1/cap/ capclient-1", "capstan cap account remove smb://fs1/cap/ capstan --role clients")
            .With(path, name, role).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var removed = await api.RemoveCapAccountAsync(parse.GetRequiredValue(path).ToString(), parse.GetRequiredValue(name), parse.GetValue(role), cancellationToken);
                await host.Out.WriteLineAsync(VisibleText.Of($"Removed account {removed.Name} (of the {removed.Role}) from {removed.Cap}."));
                foreach (var note in removed.Notes)
                    await host.Out.WriteLineAsync(VisibleText.Of(note));
                return ExitCode.Done;
            }));
    }
}
