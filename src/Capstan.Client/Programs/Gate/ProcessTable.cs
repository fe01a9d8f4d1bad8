using System.Globalization;
using System.Text;

namespace Capstan.Client.Programs.Gate;

/// <summary>One process, as <c>/proc</c> shows it.</summary>
/// <param name="StartTicks">When it began, in clock ticks since the machine did.</param>
/// <param name="IsZombie">It has ended, and is not awaited yet. One whose first thread has ended and another has not is alive.</param>
internal sealed record ProcessEntry(int Id, int Parent, int Group, int Session, long StartTicks, bool IsZombie);

/// <summary>The processes of this machine, read anew with each call.</summary>
/// <param name="root">Of the file system; <c>/</c>, except in tests.</param>
internal sealed class ProcessTable(string root)
{
    /// <summary>USER_HZ: what programs see, whatever the kernel ticks with.</summary>
    private const long TicksPerSecond = 100;

    private readonly string _processes = Path.Combine(root, "proc");

    public static ProcessTable OfThisMachine { get; } = new("/");

    /// <summary>Differs with every start of the machine; empty where the system does not tell.</summary>
    public string BootId()
    {
        try
        {
            return File.ReadAllText(Path.Combine(_processes, "sys/kernel/random/boot_id")).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>Null when it is not there.</summary>
    public ProcessEntry? Find(int id)
    {
        try
        {
            return Parse(File.ReadAllText(Path.Combine(_processes, id.ToString(CultureInfo.InvariantCulture), "stat"), Encoding.Latin1));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended while it was looked at.
            return null;
        }
    }

    public IReadOnlyList<ProcessEntry> All() => Directory.Exists(_processes)
        ? [.. Directory.EnumerateDirectories(_processes)
            .Select(Path.GetFileName)
            .Where(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(name => Find(int.Parse(name!, CultureInfo.InvariantCulture)))
            .OfType<ProcessEntry>()]
        : [];

    /// <summary>What is alive below a process, however deep.</summary>
    public IReadOnlyList<ProcessEntry> Descendants(int ancestor)
    {
        var byParent = All().ToLookup(process => process.Parent);
        var found = new List<ProcessEntry>();
        // The table is read while it changes: a number that is used again may make a circle, in which the process itself were.
        var seen = new HashSet<int> { ancestor };
        var open = new Queue<int>([ancestor]);
        while (open.TryDequeue(out var parent))
        {
            foreach (var child in byParent[parent].Where(child => seen.Add(child.Id)))
            {
                if (!child.IsZombie)
                    found.Add(child);
                open.Enqueue(child.Id);
            }
        }
        return found;
    }

    /// <summary>The children of a process, ended ones as well; empty where the kernel keeps no lists of them. Much faster than <see cref="All"/>.</summary>
    public IReadOnlyList<int> Children(int parent)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(Path.Combine(_processes, parent.ToString(CultureInfo.InvariantCulture), "task"))
                .SelectMany(thread => File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(id => int.Parse(id, CultureInfo.InvariantCulture))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A thread has ended meanwhile, or the kernel has no such file: the next look, or the whole table, tells.
            return [];
        }
    }

    /// <summary>Those of this process's own user whose command line ends with some words. Those of others may call themselves anything.</summary>
    public IReadOnlyList<ProcessEntry> Executing(params IReadOnlyList<string> words)
    {
        var end = string.Concat(words.Select(word => $"\0{word}")) + "\0";
        var own = string.Create(CultureInfo.InvariantCulture, $"\nUid:\t{ThreadCalls.EffectiveUser()}\t");
        return [.. All().Where(process => Read(process.Id, "cmdline").EndsWith(end, StringComparison.Ordinal) && Read(process.Id, "status").Contains(own, StringComparison.Ordinal))];
    }

    /// <summary>Who traces a process, and may hold it beyond its end; 0 for nobody.</summary>
    public int TracerOf(int id)
    {
        const string Field = "\nTracerPid:\t";
        var status = Read(id, "status");
        var at = status.IndexOf(Field, StringComparison.Ordinal);
        return at >= 0 && int.TryParse(status.AsSpan(at + Field.Length, Math.Max(0, status.IndexOf('\n', at + 1) - at - Field.Length)), NumberStyles.None, CultureInfo.InvariantCulture, out var tracer) ? tracer : 0;
    }

    private string Read(int id, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(_processes, id.ToString(CultureInfo.InvariantCulture), file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended while it was looked at.
            return "";
        }
    }

    /// <summary>Whether anything of a run's session is alive, its gate or what that has started.</summary>
    public bool HasSession(RunStarted run)
    {
        if (run.BootId != BootId())
            return false;
        // A process that leads the session and began at another time has got the number since.
        if (Find(run.Session) is { } leader && leader.StartTicks != run.SessionStart)
            return false;
        return All().Any(process => process.Session == run.Session && !process.IsZombie);
    }

    /// <summary>How long ago something began, by the clock of this machine that nobody sets.</summary>
    /// <param name="startTicks">See <see cref="ProcessEntry.StartTicks"/>.</param>
    public static TimeSpan Since(long startTicks) => ProgramCalls.Uptime() - TimeSpan.FromSeconds((double)startTicks / TicksPerSecond);

    /// <summary>Reads <c>/proc/N/stat</c> (proc(5)); the name in it, in brackets, may hold anything. Null for what is none.</summary>
    public static ProcessEntry? Parse(string stat)
    {
        var open = stat.IndexOf(" (", StringComparison.Ordinal);
        var close = stat.LastIndexOf(')');
        if (open < 1 || close < open || !int.TryParse(stat.AsSpan(0, open), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            return null;
        // From field 3 on: state, ppid, pgrp, session, … ; the threads are field 20, the start is field 22.
        var fields = stat[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19
            && int.TryParse(fields[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parent)
            && int.TryParse(fields[2], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var group)
            && int.TryParse(fields[3], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var session)
            && long.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var start)
            ? new ProcessEntry(id, parent, group, session, start, fields[0] is "X" || fields[0] is "Z" && fields[17] is "0" or "1")
            : null;
    }
}
