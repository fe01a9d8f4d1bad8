using System.Globalization;

namespace Capstan.Client.Programs.Gate;

/// <summary>Ends a gate that should have been over long ago: something has stopped it, or holds it. It would hold up every program after its own.</summary>
internal static class StuckGate
{
    /// <summary>The gates of a directory that hold it for longer than any may; one whose start is not written yet is known by its command line.</summary>
    public static IReadOnlyList<ProcessEntry> Find(ProcessTable machine, RunFolder folder, RunStarted? started) => started is null
        ? [.. machine.Executing(ProgramGate.Verb, folder.Path).Where(gate => ProcessTable.Since(gate.StartTicks) > ProgramGate.Longest)]
        : started.BootId == machine.BootId() && machine.Find(started.Session) is { IsZombie: false } gate && gate.StartTicks == started.SessionStart && folder.IsOverdue(started, ProgramGate.Longest) ? [gate] : [];

    /// <summary>Ends it, and what is below it, whose time is over as well.</summary>
    /// <returns>One line for whoever wonders what became of the program.</returns>
    public static string End(ProcessTable machine, IReadOnlyList<ProcessEntry> gates)
    {
        foreach (var gate in gates)
        {
            var below = machine.Descendants(gate.Id);
            ProgramCalls.Signal(gate.Id, ProgramCalls.Kill);
            foreach (var process in below.Where(process => machine.Find(process.Id)?.StartTicks == process.StartTicks))
                ProgramCalls.Signal(process.Id, ProgramCalls.Kill);
        }
        return string.Create(CultureInfo.InvariantCulture, $"its gate (process {gates[0].Id}) did not write an end long after the time limit, and was ended with all that was below it; something had stopped it, or a disk or a server did not answer");
    }
}
