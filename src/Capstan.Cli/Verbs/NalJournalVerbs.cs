using System.CommandLine;
using System.Globalization;
using Capstan.Cli.Output;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan nal connections|drop</c>: what the journal of this machine says of its connections.</summary>
internal static class NalJournalVerbs
{
    private static Listing<MachineConnection> Connected(CliHost host) => new(
        [
            new("SERVER", connection => connection.Server),
            new("ACCOUNT", connection => connection.Account),
            new("STATE", connection => connection.State, NoWrap: true),
            new("LEASES", connection => Display.Count(connection.ReferenceCount), IsNumber: true),
            new("HOLDERS", connection => string.Join(", ", connection.Holders)),
            new("PROCESS", connection => connection.ProcessId?.ToString(CultureInfo.InvariantCulture) ?? "", IsNumber: true),
            new("OPENED", connection => connection.Opened is { } opened ? Display.Relative(opened, host.Time.GetUtcNow()) : "", NoWrap: true),
            new("RECORD", connection => connection.Record),
            new("NEXT", connection => connection.NextStep),
        ],
        [
            new("record", connection => connection.Record), new("path", connection => connection.Path), new("server", connection => connection.Server),
            new("account", connection => connection.Account), new("state", connection => connection.State), new("referenceCount", connection => connection.ReferenceCount),
            new("persistenceCount", connection => connection.PersistenceCount), new("holders", connection => string.Join(' ', connection.Holders)),
            new("sessionId", connection => connection.SessionId), new("processId", connection => connection.ProcessId), new("opened", connection => connection.Opened),
            new("lastUsed", connection => connection.LastUsed), new("nextStep", connection => connection.NextStep),
        ],
        CliJson.Default, "No connection is open, and none was lost: nothing on this machine uses a server that counts connections.");

    public static Verb Connections(CliHost host)
    {
        var output = Arguments.Output();
        return new Verb("connections", "Connections of this machine, and those that were lost", "capstan nal connections", "capstan nal connections -o json")
            .With(output)
            .Does(host, async (parse, _) =>
            {
                await Connected(host).WriteAsync(host, parse.GetValue(output), MachineOf(host).Connections(host.Time.GetUtcNow()));
                return ExitCode.Done;
            });
    }

    public static Verb Drop(CliHost host)
    {
        var record = new Argument<string>("RECORD") { Description = "As `capstan nal connections` names it" };
        return new Verb("drop", "Give a lost connection up: its slot is free, although the server may still count it", "capstan nal drop SMSClient_ABC/Resource0")
            .With(record)
            .Does(host, async (parse, _) =>
            {
                var name = parse.GetRequiredValue(record);
                MachineOf(host).Drop(name, host.Time.GetUtcNow());
                await host.Out.WriteLineAsync($"{VisibleText.Of(name)} is abandoned; it is forgotten at the next connection to its server, which may count it until its own time limit.");
                return ExitCode.Done;
            });
    }

    private static NalMachine MachineOf(CliHost host) => host.Machine
        ?? throw new CliException("This system is not Linux: connections are counted within each process only, and no journal is kept.", ExitCode.Failed);
}
