using System.Globalization;
using Capstan.Nal;

namespace Capstan.Client.Programs.Gate;

/// <summary>Ends a gate that should have been over long ago: something has stopped it, or holds it. It would hold up every program after its own.</summary>
internal static class StuckGate
{
    /// <summary>The gates of a directory that hold it for longer than any may; one whose start is not written yet is known by its command line.</summary>
    public static IReadOnlyList<ProcessEntry> Find(ProcessTable machine, RunFolder folder, RunStarted? started) => started is null
        ? [.. machine.Executing(ProgramGate.Verb, folder.Path).Where(gate => ProcessTable.Since(gate.StartTicks) > ProgramGate.Longest)]
        : Gate(machine, started) is { } gate && folder.IsOverdue(started, ProgramGate.Longest) ? [gate] : [];

    /// <summary>Whether it may be a gate that has a directory's lock; otherwise that is held by something else. A gate that only asks for the lock is not counted.</summary>
    public static bool MayLive(ProcessTable machine, RunFolder folder, RunStarted? started) => started is null
        ? machine.Executing(ProgramGate.Verb, folder.Path).Any(gate => gate.Id == DirectoryLock.SignedBy(folder.Path))
        : Gate(machine, started) is not null || started.BootId == machine.BootId() && !folder.IsOverdue(started, ProgramGate.Longest);

    private static ProcessEntry? Gate(ProcessTable machine, RunStarted started) =>
        started.BootId == machine.BootId() && machine.Find(started.Session) is { IsZombie: false } gate && gate.StartTicks == started.SessionStart ? gate : null;

    /// <summary>Ends it, and what is below it, whose time is over as well.</summary>
    /// <returns>One line for whoever wonders what became of the program.</returns>
    public static string End(ProcessTable machine, IReadOnlyList<ProcessEntry> gates)
    {
        foreach (var gate in gates)
        {
            var below = machine.Descendants(gate.Id);
            ProcessSignal.Send(machine, gate, gate.Parent, ProgramCalls.Kill);
            // Who has lost the gate as a parent is found by its start alone.
            foreach (var process in below)
                ProcessSignal.Send(machine, process, machine.Find(process.Id)?.Parent ?? 0, ProgramCalls.Kill);
        }
        return string.Create(CultureInfo.InvariantCulture, $"its gate (process {gates[0].Id}) did not write an end long after the time limit, and was ended with all that was below it; something had stopped it, or a disk or a server did not answer");
    }
}
