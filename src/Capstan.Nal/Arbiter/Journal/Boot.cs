namespace Capstan.Nal.Arbiter.Journal;

/// <summary>One start of the machine, and how long ago it was: the only time that no change of a clock touches.</summary>
internal sealed record Boot(string Id, Func<TimeSpan> Uptime)
{
    /// <summary>Which machine it is, asked anew each time; null (the default) where nobody can tell.</summary>
    public Func<MachineEvidence>? Evidence { get; init; }

    private const string IdFile = "/proc/sys/kernel/random/boot_id";

    /// <summary>Of this machine. Where the system names no start, each process is a start of its own.</summary>
    public static Boot Current { get; } = new(ReadId(), () => TimeSpan.FromMilliseconds(Environment.TickCount64)) { Evidence = MachineEvidence.Read };

    private static string ReadId()
    {
        try
        {
            return File.ReadAllText(IdFile).Trim();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return Guid.NewGuid().ToString();
        }
    }
}
