using System.Globalization;
using System.Runtime.InteropServices;

namespace Capstan.Agent;

/// <summary>Gives back what an agent that waits for minutes does not need: free memory of its heaps, and the pages of its program, which the kernel has in its cache and maps again when they are run.</summary>
internal static partial class IdleMemory
{
    private const int DontNeed = 4;

    /// <summary>Some milliseconds. What cannot be given back stays; nothing depends on it.</summary>
    public static void Release()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            foreach (var (start, length) in Unchanged(File.ReadLines("/proc/self/smaps")).ToList())
                _ = Advise((nint)start, (nuint)length, DontNeed);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc it is as large as it is.
            return;
        }
    }

    /// <summary>Mappings of files that hold nothing but what stands in the file: not writable, and no page of them was written. Pure.</summary>
    /// <param name="lines">As proc(5) describes <c>smaps</c>.</param>
    public static IEnumerable<(ulong Start, ulong Length)> Unchanged(IEnumerable<string> lines)
    {
        (ulong Start, ulong Length)? mapping = null;
        long resident = 0, written = 0;
        foreach (var line in lines.Append(""))
        {
            var word = line.AsSpan(0, Math.Max(0, line.IndexOf(' ', StringComparison.Ordinal)));
            if (word.EndsWith(":"))
            {
                if (word is "Rss:")
                    resident = Kilobytes(line);
                else if (word is "Private_Dirty:" or "Shared_Dirty:" or "Anonymous:" or "Swap:")
                    written += Kilobytes(line);
                continue;
            }
            if (mapping is { } found && resident > 0 && written == 0)
                yield return found;
            (mapping, resident, written) = (OfFile(line), 0, 0);
        }
    }

    /// <summary>The range of a mapping's first line; null unless a file lies behind it that cannot be written through it.</summary>
    private static (ulong Start, ulong Length)? OfFile(string line)
    {
        var words = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        // Memory that has a name (memfd, shm) is no file to map again from.
        if (words is not [var range, var rights, _, _, var inode, var path] || inode == "0" || !path.StartsWith('/') || path.StartsWith("/memfd:", StringComparison.Ordinal) || path.StartsWith("/dev/", StringComparison.Ordinal)
            || rights.Length < 2 || rights[1] == 'w' || range.Split('-') is not [var first, var last]
            || !ulong.TryParse(first, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var start) || !ulong.TryParse(last, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var end) || end <= start)
            return null;
        return (start, end - start);
    }

    /// <summary>What cannot be read counts as something.</summary>
    private static long Kilobytes(string line) =>
        line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, "kB"] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 1;

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(nint address, nuint length, int advice);
}
