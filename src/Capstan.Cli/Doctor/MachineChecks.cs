using Capstan.Nal;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Site.Console;

namespace Capstan.Cli.Doctor;

/// <summary>What this machine keeps of its connections: the journal, ghosts, and accounts that are not tried any more.</summary>
internal static class MachineChecks
{
    public static IReadOnlyList<DoctorLine> Run(CliHost host)
    {
        if (host.Machine is not { } machine)
            return [];
        try
        {
            var now = host.Time.GetUtcNow();
            return [.. Judge(machine, machine.Connections(now), host.Command), .. machine.RefusedAccounts().Select(stop => Stopped(stop, now, host.Command)),
                .. machine.SharedNames().Select(shared => Shared(shared, now, host.Command))];
        }
        catch (NalException cause)
        {
            return [DoctorLine.Failed("journal", cause.Message, "Run this as root, or as the user whose connections they are; make the directory readable.")];
        }
    }

    /// <summary>One line for all that is in order, and one for each record that is not.</summary>
    internal static IEnumerable<DoctorLine> Judge(NalMachine machine, IReadOnlyList<MachineConnection> connections, string command)
    {
        var lost = connections.Where(connection => connection.State is "ghost" or "unreadable").ToList();
        foreach (var connection in lost)
        {
            yield return connection.State == "ghost"
                ? DoctorLine.Warning("journal", $"{connection.Record}: server {connection.Server} may still count a connection of {connection.Account}, whose process {connection.ProcessId} is gone; it keeps a slot",
                    $"Nothing: {connection.NextStep}; or {command} nal drop '{connection.Record}' gives it up.")
                : DoctorLine.Warning("journal", $"{connection.Record} cannot be read", connection.NextStep);
        }
        if (lost.Count == 0)
            yield return DoctorLine.Ok("journal", $"{Display.Plural(connections.Count, "connection")} in {machine.Journal}, none lost; the budget is that of {machine.Scope}");
    }

    internal static DoctorLine Shared(SharedName shared, DateTimeOffset now, string command) => DoctorLine.Warning("names",
        $"{shared.Server} says that it is {shared.SameAs} (the same ServerGuid), noticed {Display.Relative(shared.Since, now)}: they share the connections that this machine may have",
        $"One server: name the one as alias of the other with {command} cap add PATH --alias NAME. Two servers: give each an identity of its own (Samba: 'netbios name'; a copied server: a new installation), and delete servers.json in the journal's directory.");

    internal static DoctorLine Stopped(RefusedAccount stop, DateTimeOffset now, string command) => DoctorLine.Warning("accounts",
        $"{stop.Account} is not tried at {stop.Server} any more, so that it is not locked; tried {Display.Relative(stop.Tried, now)}: {stop.Cause}",
        $"Correct it at the server, or add another name with {command} cap add PATH --client-account NAME; capstan-client install with a new token tries at once.");
}
