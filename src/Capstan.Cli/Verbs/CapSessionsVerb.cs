using Capstan.Cli.Output;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan cap sessions</c>: who is connected to the server of a share. Needs no site.</summary>
internal static class CapSessionsVerb
{
    private static readonly Listing<CapSession> Rows = new(
        [
            new("CLIENT", session => session.Client),
            new("USER", session => session.User),
            new("SINCE", session => session.ActiveSeconds is { } seconds ? Display.Duration(TimeSpan.FromSeconds(seconds)) : null, NoWrap: true),
            new("IDLE", session => session.IdleSeconds is { } seconds ? Display.Duration(TimeSpan.FromSeconds(seconds)) : null, NoWrap: true),
            new("OPEN FILES", session => session.OpenFiles is { } files ? Display.Count(files) : null, IsNumber: true),
        ],
        [
            new("client", session => session.Client), new("user", session => session.User), new("activeSeconds", session => session.ActiveSeconds),
            new("idleSeconds", session => session.IdleSeconds), new("openFiles", session => session.OpenFiles),
        ],
        CliJson.Default, "The server tells of no session.");

    public static Verb Create(CliHost host)
    {
        var path = Arguments.Path(host, description: "A share: any path on the server");
        var credentials = Credentials.Plain();
        var output = Arguments.Output();
        return new Verb("sessions", "Who is connected to the server of a share, and since when; needs an administrator's account there",
                "capstan cap sessions smb://fs1/cap/ --account Administrator --password-file F")
            .With(path, output).With([.. credentials.Options])
            .Does(host, async (parse, cancellationToken) =>
            {
                var (name, password) = await credentials.ReadAsync(parse, host, cancellationToken)
                    ?? throw new CliException("cap sessions needs --account: one that may see the sessions of others.", ExitCode.Usage);
                var sessions = await host.WithProgressAsync("asking the server",
                    () => ServerSessions.ListAsync(parse.GetRequiredValue(path), new ConnectionAccount(name, new Secret(password)), host.Time, cancellationToken));
                await Rows.WriteAsync(host, parse.GetValue(output), [.. sessions.Select(CapSession.Of)]);
                return ExitCode.Done;
            });
    }
}

/// <summary>What <c>capstan cap sessions -o json</c> prints. Stable: members are added, never renamed.</summary>
internal sealed record CapSession(string Client, string? User, long? ActiveSeconds, long? IdleSeconds, int? OpenFiles)
{
    public static CapSession Of(ServerSession session) =>
        new(session.Client, session.User, (long?)session.ActiveFor?.TotalSeconds, (long?)session.IdleFor?.TotalSeconds, session.OpenFiles);
}
