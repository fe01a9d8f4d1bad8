using System.Globalization;
using System.Runtime.InteropServices;
using Capstan.Client.Inventory;

namespace Capstan.Client.Programs.Gate;

/// <summary>A control group (cgroup v2) for one run, below the gate's own. In it are the program and what it begins, nobody else; the kernel ends all of it at once, however fast it begins more.</summary>
/// <remarks>What leaves the group (root may; a login session does) is found as before. Its files are opened before the program begins: what it does to the mounts changes nothing.</remarks>
internal sealed partial class ControlGroup : IDisposable
{
    private const string Prefix = "capstan-program-";
    private const string Processes = "cgroup.procs", KillFile = "cgroup.kill";

    private const uint Mode = 0b111_101_101;

    /// <summary>Of what a program leaves and begins more meanwhile.</summary>
    private const int MostLooks = 20;

    private readonly FileStream _processes, _kill;

    private ControlGroup(string path)
    {
        Path = path;
        _processes = Write(System.IO.Path.Combine(path, Processes));
        try
        {
            _kill = Write(System.IO.Path.Combine(path, KillFile));
        }
        catch
        {
            _processes.Dispose();
            throw;
        }
    }

    /// <summary>Makes one for a run. Null where that is not possible: no cgroup v2, not writable (containers), a kernel before 5.14, a group of the name.</summary>
    public static ControlGroup? Create(string run)
    {
        try
        {
            if (OwnDirectory() is not { } own || !File.Exists(System.IO.Path.Combine(own, Processes)))
                return null;
            // That it is this process's is not believed but looked up: paths of containers may mean something else.
            if (!Members(own).Contains(Environment.ProcessId))
                return null;
            Tidy(own);
            var path = System.IO.Path.Combine(own, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{run}-{Environment.ProcessId}"));
            // One that is there already may be another's.
            if (MakeDirectory(path, Mode) != 0)
                return null;
            if (File.Exists(System.IO.Path.Combine(path, KillFile)))
                return new ControlGroup(path);
            Remove(path);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As in most containers: the processes are hunted one by one.
            return null;
        }
    }

    /// <summary>Its directory.</summary>
    public string Path { get; }

    /// <summary>How many processes are in it.</summary>
    public int Count => Members(Path).Count;

    /// <summary>Puts a process in, with all its threads; what it begins from then on is in it, too.</summary>
    /// <returns>Whether it is in.</returns>
    public bool Add(int process)
    {
        try
        {
            Say(_processes, process.ToString(CultureInfo.InvariantCulture));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Kernels refuse it for groups of threads, and of controllers that do not share.
            return false;
        }
    }

    /// <summary>Ends all that is in it; what begins something at this instant as well.</summary>
    public void Kill()
    {
        try
        {
            Say(_kill, "1");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody has removed it, so it is empty; the hunt finds what is elsewhere.
            return;
        }
    }

    /// <summary>Removes it. What the program leaves, a daemon perhaps, goes to the group above: where it were without this one.</summary>
    public void Dispose()
    {
        _processes.Dispose();
        _kill.Dispose();
        try
        {
            for (var look = 0; look < MostLooks && Members(Path) is { Count: > 0 } left; look++)
            {
                using var above = Write(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, Processes));
                foreach (var process in left)
                    Move(above, process);
            }
            Remove(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A group that stays, empty or with a daemon in it, does no harm.
            return;
        }
    }

    private static void Move(FileStream group, int process)
    {
        try
        {
            Say(group, process.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended meanwhile.
            return;
        }
    }

    /// <summary>Where the group of this process is seen; null where there is no cgroup v2, or it is not seen here.</summary>
    private static string? OwnDirectory()
    {
        // cgroups(7): hierarchy-ID:controllers:path, with 0 and nothing for v2.
        var line = Array.Find(File.ReadAllLines("/proc/self/cgroup"), line => line.StartsWith("0::/", StringComparison.Ordinal));
        if (line is null || line[3..].Split('/').Contains(".."))
            return null;
        var path = line[3..];
        foreach (var mount in MountInfo.Parse(File.ReadAllText("/proc/self/mountinfo")).Where(mount => mount.Type == "cgroup2" && !mount.ReadOnly))
        {
            var above = mount.Root.TrimEnd('/');
            if (path == above || path.StartsWith(above + "/", StringComparison.Ordinal))
                return System.IO.Path.Join(mount.MountPoint, path[above.Length..]).TrimEnd('/');
        }
        return null;
    }

    /// <summary>Removes what gates left that were killed, where it is empty.</summary>
    private static void Tidy(string own)
    {
        foreach (var group in Directory.EnumerateDirectories(own, Prefix + "*"))
        {
            if (!int.TryParse(group.AsSpan(group.LastIndexOf('-') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var gate) || ProcessTable.OfThisMachine.Find(gate) is not null)
                continue;
            try
            {
                Remove(group);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A program whose gate was killed is still in it.
                continue;
            }
        }
    }

    private static HashSet<int> Members(string group) =>
        [.. File.ReadLines(System.IO.Path.Combine(group, Processes)).Select(line => int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : 0).Where(process => process != 0)];

    private static void Remove(string group) => Directory.Delete(group);

    private static FileStream Write(string path) => new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    /// <summary>One call, from the file's beginning each time: so the kernel wants it.</summary>
    private static void Say(FileStream file, string text) => RandomAccess.Write(file.SafeFileHandle, System.Text.Encoding.ASCII.GetBytes(text), fileOffset: 0);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MakeDirectory(string path, uint mode);
}
