using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan user add|change|remove|list</c> and <c>capstan audit</c></summary>
internal static class UserVerbs
{
    private const int PageSize = 1000;
    private const string Variable = "CAPSTAN_USER_PASSWORD";

    public static Command Create(CliHost host) => new Verb("user", "Who may sign in to the console and the API", "capstan user add anna --role administrator")
        .With(Add(host), Change(host), Remove(host), List(host));

    public static Command CreateAudit(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var limit = Arguments.Limit(100);
        return new Verb("audit", "Who changed what, newest first", "capstan audit --limit 20")
            .With(limit, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var most = parse.GetValue(limit);
                var rows = await Pages.AllAsync(cursor => api.AuditAsync(cursor, Math.Min(most, PageSize), cancellationToken), most);
                await AuditRows(host).WriteAsync(host, parse.GetValue(output), rows);
                return ExitCode.Done;
            }));
    }

    private static Verb Add(CliHost host)
    {
        var site = new SiteLocation();
        var (name, role, file) = (Name(), Role(), PasswordFile());
        role.Required = true;
        return new Verb("add", "Let somebody sign in", "capstan user add anna --role administrator", "capstan user add ben --role reader --password-file F")
            .With(name, role, file).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var user = parse.GetRequiredValue(name);
                var password = await PasswordSource.ReadAsync(parse.GetValue(file), file.Name, Variable, user, host, cancellationToken);
                await api.AddUserAsync(new UserAdd(user, parse.GetRequiredValue(role)!, password), cancellationToken);
                await host.Out.WriteLineAsync($"{user} may sign in as {parse.GetRequiredValue(role)}. From now on every page asks for it, on this machine, too.");
                return ExitCode.Done;
            }));
    }

    private static Verb Change(CliHost host)
    {
        var site = new SiteLocation();
        var (name, role, file) = (Name(), Role(), PasswordFile());
        var password = new Option<bool>("--password") { Description = $"Give a new password: from --password-file, the variable {Variable}, or a prompt" };
        return new Verb("change", "Give somebody another role or password; whoever is signed in under the name has to sign in again",
                "capstan user change ben --role operator", "capstan user change ben --password")
            .With(name, role, password, file).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var user = parse.GetRequiredValue(name);
                var given = parse.GetValue(password) || parse.GetValue(file) is not null;
                if (parse.GetValue(role) is null && !given)
                    throw new CliException("nothing to change: give --role or --password.", ExitCode.Usage);
                var secret = given ? await PasswordSource.ReadAsync(parse.GetValue(file), file.Name, Variable, user, host, cancellationToken) : null;
                await api.ChangeUserAsync(user, new UserChange(parse.GetValue(role), secret), cancellationToken);
                await host.Out.WriteLineAsync($"Changed {user}. Its sessions have ended.");
                return ExitCode.Done;
            }));
    }

    private static Verb Remove(CliHost host)
    {
        var site = new SiteLocation();
        var name = Name();
        return new Verb("remove", "Let somebody sign in no more; its sessions end", "capstan user remove ben")
            .With(name).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await api.RemoveUserAsync(parse.GetRequiredValue(name), cancellationToken);
                await host.Out.WriteLineAsync($"Removed {parse.GetRequiredValue(name)}.");
                return ExitCode.Done;
            }));
    }

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        return new Verb("list", "Who may sign in", "capstan user list")
            .With(output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                await Rows(host).WriteAsync(host, parse.GetValue(output), await api.UsersAsync(cancellationToken));
                return ExitCode.Done;
            }));
    }

    private static Argument<string> Name() => new("NAME") { Description = "1 to 64 of A-Z a-z 0-9 . - _ @" };

    private static Option<string?> Role() => new("--role") { Description = "administrator (everything), operator (clients, publishing) or reader (looks only)", HelpName = "ROLE" };

    private static Option<string?> PasswordFile() => new("--password-file") { Description = $"File whose first line is the password, 12 to 256 characters; - for standard input (default the variable {Variable}, then a prompt)", HelpName = "FILE" };

    private static Listing<UserRow> Rows(CliHost host) => new(
        [new("NAME", user => user.Name), new("ROLE", user => user.Role), new("CHANGED", user => Display.Relative(user.ChangedAt, host.Time.GetUtcNow()), NoWrap: true)],
        [new("name", user => user.Name), new("role", user => user.Role), new("createdAt", user => user.CreatedAt), new("changedAt", user => user.ChangedAt)],
        ApiJson.Default, $"Nobody can sign in yet; pages of this machine ask nobody. {host.Command} user add NAME --role administrator");

    private static Listing<AuditRow> AuditRows(CliHost host) => new(
        [
            new("WHEN", row => Display.Relative(row.At, host.Time.GetUtcNow()), NoWrap: true),
            new("WHO", row => row.Actor),
            new("FROM", row => row.Address),
            new("WHAT", row => row.Action),
            new("ABOUT", row => row.Subject),
            new("OUTCOME", row => Display.Outcome(row.Outcome), NoWrap: true),
        ],
        [
            new("id", row => row.Id), new("at", row => row.At), new("actor", row => row.Actor), new("address", row => row.Address), new("action", row => row.Action),
            new("subject", row => row.Subject), new("outcome", row => row.Outcome),
        ],
        ApiJson.Default, "Nothing was changed yet.");
}
