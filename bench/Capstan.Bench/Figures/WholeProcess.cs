using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Capstan.Bench.Figures;

/// <summary>One run of a program as the operating system saw it.</summary>
/// <param name="PeakBytes">High-water mark of resident memory, read every few milliseconds: at most that much too low.</param>
internal sealed record Run(double WallSeconds, double CpuSeconds, long PeakBytes, int ExitCode);

/// <summary>Runs programs and reads what they cost.</summary>
internal static partial class WholeProcess
{
    /// <summary>The run with the median wall time of <paramref name="runs"/>, after one that does not count.</summary>
    public static async Task<Run> MedianAsync(int runs, string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        await RunAsync(program, arguments, cancellationToken);
        var all = new List<Run>();
        for (var i = 0; i < runs; i++)
            all.Add(await RunAsync(program, arguments, cancellationToken));
        return all.OrderBy(run => run.WallSeconds).ElementAt(runs / 2);
    }

    public static async Task<Run> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        var processorBefore = ProcessorSecondsOfChildren();
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, cancellationToken);
        var errors = process.StandardError.BaseStream.CopyToAsync(Stream.Null, cancellationToken);
        var ended = process.WaitForExitAsync(cancellationToken);
        long peak = 0;
        while (!ended.IsCompleted)
        {
            peak = Math.Max(peak, HighWaterMark(process.Id));
            await Task.WhenAny(ended, Task.Delay(TimeSpan.FromMilliseconds(3), TimeProvider.System, cancellationToken));
        }
        await ended;
        var wall = clock.Elapsed.TotalSeconds;
        await Task.WhenAll(output, errors);
        return new Run(wall, ProcessorSecondsOfChildren() - processorBefore, peak, process.ExitCode);
    }

    private static long HighWaterMark(int processId)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{processId}/status"))
            {
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                    return long.Parse(line.AsSpan(6, line.Length - 9), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture) << 10;
            }
        }
        catch (IOException)
        {
            // Gone between two looks: the marks read before stand.
        }
        return 0;
    }

    /// <summary>User and system time of all children that have ended: getrusage(2), RUSAGE_CHILDREN.</summary>
    private static double ProcessorSecondsOfChildren()
    {
        var usage = new long[18];
        return GetResourceUsage(-1, usage) == 0
            ? usage[0] + usage[2] + ((usage[1] + usage[3]) / 1e6)
            : throw new InvalidOperationException($"getrusage failed with error {Marshal.GetLastPInvokeError()}.");
    }

    [LibraryImport("libc", EntryPoint = "getrusage", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetResourceUsage(int who, [Out] long[] usage);
}
