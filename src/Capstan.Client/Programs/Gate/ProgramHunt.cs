namespace Capstan.Client.Programs.Gate;

/// <summary>Ends what passed its time limit, wherever it has put itself, and whatever it begins meanwhile.</summary>
internal static class ProgramHunt
{
    /// <summary>Looks at all processes until one finds nothing new.</summary>
    private const int MostLooks = 20;

    /// <summary>Looks at the children alone, each of some ten microseconds: a process that forks and ends, again and again, is a child of its adopter most of the time.</summary>
    private const int Chases = 2_000;

    /// <summary>One round. Stopped first, so that nobody begins anew what another one was ended for; then ended.</summary>
    /// <param name="ancestor">This process, which adopts what loses its parent below it; nothing that it needs is below it.</param>
    /// <param name="waiting">Knows whether there is a child left.</param>
    public static void Once(ProcessTable machine, int ancestor, ProgramWait waiting)
    {
        var found = new HashSet<(int Id, long Start)>();
        for (var look = 0; look < MostLooks; look++)
        {
            var more = machine.Descendants(ancestor).Where(process => found.Add((process.Id, process.StartTicks))).ToList();
            if (more.Count == 0)
                break;
            foreach (var process in more)
                ProcessSignal.Send(machine, process, ancestor, ProgramCalls.Stop);
        }
        // Anew: the number of one that has ended may be a stranger's by now.
        foreach (var process in machine.Descendants(ancestor))
            ProcessSignal.Send(machine, process, ancestor, ProgramCalls.Kill);
        for (var chase = 0; chase < Chases && !waiting.HasEnded; chase++)
            waiting.EndChildren(machine);
    }
}
