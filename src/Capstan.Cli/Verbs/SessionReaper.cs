using Capstan.Cli.Output;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary>Ends what is left of our accounts at a server: for each client and account all connections, or none.</summary>
/// <param name="mayEnd">Asks a person; null when it was said beforehand.</param>
internal sealed class SessionReaper(CliHost host, NalPath path, ConnectionAccount account, TimeSpan staleAfter, Func<string, bool>? mayEnd)
{
    private static readonly Listing<CapReap> Rows = new(
        [
            new("CLIENT", reap => reap.Client), new("USER", reap => reap.User), new("CONNECTIONS", reap => Display.Count(reap.Connections), IsNumber: true),
            new("OUTCOME", reap => reap.Detail is null ? reap.Outcome : $"{reap.Outcome}: {reap.Detail}"),
        ],
        [
            new("client", reap => reap.Client), new("user", reap => reap.User), new("connections", reap => reap.Connections),
            new("outcome", reap => reap.Outcome), new("detail", reap => reap.Detail),
        ],
        CliJson.Default, "No connection of our accounts has outlived the longest lease: nothing is ended.");

    /// <param name="sessions">As the server told them, each with its mark.</param>
    public async Task<int> RunAsync(IReadOnlyList<(ServerSession Session, string Mark)> sessions, OutputFormat format, CancellationToken cancellationToken)
    {
        var outcomes = new List<CapReap>();
        var all = sessions.Select(marked => marked.Session).ToList();
        foreach (var group in sessions.Where(marked => marked.Mark is SessionMarks.Idle or SessionMarks.Old)
            .Select(marked => (marked.Session.Client, User: marked.Session.User!)).Distinct())
        {
            var connections = all.Count(session => session.Client == group.Client && session.User == group.User);
            outcomes.Add(await OneAsync(all, group.Client, group.User, connections, cancellationToken));
        }
        await Rows.WriteAsync(host, format, outcomes);
        return outcomes.TrueForAll(reap => reap.Outcome == CapReap.Ended) ? ExitCode.Done : ExitCode.Failed;
    }

    private async Task<CapReap> OneAsync(IReadOnlyList<ServerSession> sessions, string client, string user, int connections, CancellationToken cancellationToken)
    {
        if (client.Length == 0)
            return new CapReap(client, user, connections, CapReap.Refused, "the server does not name the client, and without its name every client's connections would end");
        if (SessionMarks.Objection(sessions, client, user, staleAfter) is { } active)
            return new CapReap(client, user, connections, CapReap.Refused, active);
        await host.Error.WriteLineAsync(VisibleText.Of($"This ends ALL {connections} connections of {user} from {client} at {path.Server}: of every program of that machine, and of every machine behind that address."));
        if (mayEnd?.Invoke($"End them? [y/N] ") == false)
            return new CapReap(client, user, connections, CapReap.Declined, null);
        // Asked for the second time by the connection that ends them: a client may have come meanwhile.
        var objection = await ServerSessions.EndAsync(path, account, client, user, now => SessionMarks.Objection(now, client, user, staleAfter), host.Time, cancellationToken);
        return new CapReap(client, user, connections, objection is null ? CapReap.Ended : CapReap.Refused, objection);
    }
}

/// <summary>What <c>capstan cap sessions --reap -o json</c> prints. Stable: members are added, never renamed.</summary>
/// <param name="Outcome"><c>ended</c>, <c>refused</c> or <c>declined</c>.</param>
/// <param name="Detail">Why it was refused; null otherwise.</param>
internal sealed record CapReap(string Client, string User, int Connections, string Outcome, string? Detail)
{
    public const string Ended = "ended";
    public const string Refused = "refused";
    public const string Declined = "declined";
}
