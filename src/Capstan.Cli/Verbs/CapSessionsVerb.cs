using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan cap sessions</c>: who is connected to the server of a share, and which of it is Capstan's. A site tells our accounts; without one they are named.</summary>
internal static class CapSessionsVerb
{
    private static readonly Listing<CapSession> Rows = new(
        [
            new("CLIENT", session => session.Client),
            new("USER", session => session.User),
            new("WHOSE", session => session.Mark, NoWrap: true),
            new("SINCE", session => session.ActiveSeconds is { } seconds ? Display.Duration(TimeSpan.FromSeconds(seconds)) : null, NoWrap: true),
            new("IDLE", session => session.IdleSeconds is { } seconds ? Display.Duration(TimeSpan.FromSeconds(seconds)) : null, NoWrap: true),
            new("OPEN FILES", session => session.OpenFiles is { } files ? Display.Count(files) : null, IsNumber: true),
        ],
        [
            new("client", session => session.Client), new("user", session => session.User), new("mark", session => session.Mark), new("activeSeconds", session => session.ActiveSeconds),
            new("idleSeconds", session => session.IdleSeconds), new("openFiles", session => session.OpenFiles),
        ],
        CliJson.Default, "The server tells of no session.");

    public static Verb Create(CliHost host)
    {
        var path = Arguments.Path(host, description: "A share: any path on the server");
        var credentials = Credentials.Plain();
        var output = Arguments.Output();
        var site = new SiteLocation();
        var ours = new Option<string[]>("--ours") { Description = "One of Capstan's accounts at this server, besides those that the site knows; may be repeated", HelpName = "NAME", AllowMultipleArgumentsPerToken = false };
        var staleAfter = Arguments.Duration("--stale-after", "How long a connection of ours must have been unused to be marked, and reaped (default 1h, the longest lease)", "1h",
            SessionMarks.LongestLease, TimeSpan.FromDays(366));
        var reap = new Option<bool>("--reap") { Description = "End ALL connections of our marked accounts from the machines concerned; refused while one of them is in use" };
        var yes = new Option<bool>("--yes") { Description = "With --reap: end them without asking" };
        return new Verb("sessions", "Who is connected to the server of a share, which of it is Capstan's, and since when; needs an administrator's account there",
                "capstan cap sessions smb://fs1/cap/ --account Administrator --password-file F", "capstan cap sessions smb://fs1/cap/ --account Administrator --reap")
            .With(path, output, ours, staleAfter, reap, yes).With([.. credentials.Options, .. site.Options])
            .Does(host, async (parse, cancellationToken) =>
            {
                var (name, password) = await credentials.ReadAsync(parse, host, cancellationToken)
                    ?? throw new CliException("cap sessions needs --account: one that may see the sessions of others.", ExitCode.Usage);
                var server = parse.GetRequiredValue(path);
                var account = new ConnectionAccount(name, new Secret(password));
                var known = await OurAccountsAsync(parse, host, site, server, parse.GetValue(ours) ?? [], mustKnow: parse.GetValue(reap), cancellationToken);
                var mayEnd = parse.GetValue(reap) ? Question(host, parse.GetValue(yes)) : null;
                var (sessions, capacity) = await host.WithProgressAsync("asking the server", () => ServerSessions.ReadAsync(server, account, host.Time, cancellationToken));
                var marked = sessions.Zip(SessionMarks.Of(sessions, known, name, parse.GetValue(staleAfter))).ToList();
                if (capacity is not null)
                    await host.Error.WriteLineAsync(VisibleText.Of(Show(server, capacity, marked.Count(session => IsOurs(session.Second)))));
                if (parse.GetValue(reap))
                    return await new SessionReaper(host, server, account, parse.GetValue(staleAfter), mayEnd).RunAsync(marked, parse.GetValue(output), cancellationToken);
                await Rows.WriteAsync(host, parse.GetValue(output), [.. marked.Select(session => CapSession.Of(session.First, session.Second))]);
                return ExitCode.Done;
            });
    }

    private static bool IsOurs(string mark) => mark is SessionMarks.Capstan or SessionMarks.Idle or SessionMarks.Old or SessionMarks.Asking;

    /// <summary>Beside the rows, so that their JSON stays what it is.</summary>
    private static string Show(NalPath server, ServerCapacity capacity, int ours) =>
        $"capstan: server {server.Server} has {Display.Count(capacity.InUse)} of {Display.Count(capacity.Max)} connections in use (at most {Display.Count(capacity.Peak)} at one time); Capstan's among them, with this command's: {Display.Count(ours)}.";

    /// <summary>The accounts that site and clients use at this server; null when nobody tells.</summary>
    private static async Task<IReadOnlyCollection<string>?> OurAccountsAsync(ParseResult parse, CliHost host, SiteLocation site, NalPath server, string[] named, bool mustKnow, CancellationToken cancellationToken)
    {
        var known = new HashSet<string>(named, StringComparer.OrdinalIgnoreCase);
        try
        {
            await site.UseAsync(parse, host, async api =>
            {
                known.UnionWith((await api.CapAccountsAsync(cancellationToken)).Where(row => NalPath.TryParse(row.Cap, out var cap, out _) && cap.Server == server.Server).Select(row => row.Name));
                return ExitCode.Done;
            });
            return known;
        }
        catch (Exception cause) when (cause is CliException or ApiException or HttpRequestException && named.Length > 0)
        {
            return known;
        }
        catch (Exception cause) when (cause is CliException or ApiException or HttpRequestException && !mustKnow)
        {
            await host.Error.WriteLineAsync(VisibleText.Of($"capstan: which accounts are Capstan's is not known ({cause.Message}); name them with --ours NAME."));
            return null;
        }
    }

    /// <summary>Null when nobody needs to be asked.</summary>
    private static Func<string, bool>? Question(CliHost host, bool yes) => yes ? null
        : host.Ask is { } ask ? question => ask(question) is "y" or "Y" or "yes"
        : throw new CliException("--reap asks before it ends anything, and without a terminal nobody can be asked: give --yes.", ExitCode.Usage);
}

/// <summary>What <c>capstan cap sessions -o json</c> prints. Stable: members are added, never renamed.</summary>
/// <param name="Mark"><c>capstan</c>, <c>capstan-idle</c>, <c>capstan-old</c>, <c>other</c>, <c>asking</c> or <c>unknown</c>.</param>
internal sealed record CapSession(string Client, string? User, long? ActiveSeconds, long? IdleSeconds, int? OpenFiles, string Mark)
{
    public static CapSession Of(ServerSession session, string mark) =>
        new(session.Client, session.User, (long?)session.ActiveFor?.TotalSeconds, (long?)session.IdleFor?.TotalSeconds, session.OpenFiles, mark);
}
