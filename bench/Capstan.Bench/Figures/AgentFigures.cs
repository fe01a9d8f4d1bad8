using System.Globalization;
using System.Runtime.CompilerServices;

namespace Capstan.Bench.Figures;

/// <summary>The published agent as a whole process, beside other inventory agents where they are installed.</summary>
internal static class AgentFigures
{
    public static async IAsyncEnumerable<Figure> RunAsync(string? agent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (agent is null)
        {
            yield return new("the published agent", "not measured: give its path", "");
            yield break;
        }
        yield return new("agent on disk", Text($"{new FileInfo(agent).Length / 1e6:0.0} MB"), "≤ 34 MB");
        var version = await WholeProcess.MedianAsync(9, agent, ["--version"], cancellationToken);
        yield return new("agent --version", Text($"{version.WallSeconds * 1000:0} ms"), "≤ 100 ms");

        var inventory = await WholeProcess.MedianAsync(7, agent, ["inventory", "-o", "json"], cancellationToken);
        yield return new("inventory run of the agent", Describe(inventory), "≤ 0.4 s, ≤ 60 MB");

        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            foreach (var (name, program, arguments) in ((string, string, string[])[])
                     [
                         ("ocsinventory-agent --local", "/usr/bin/ocsinventory-agent", ["--local", directory]),
                         ("fusioninventory-agent --local", "/usr/bin/fusioninventory-agent", ["--local", directory]),
                     ])
            {
                if (!File.Exists(program))
                {
                    yield return new(name, "not installed", "");
                    continue;
                }
                var peer = await WholeProcess.MedianAsync(7, program, arguments, cancellationToken);
                yield return new(name, Text($"{Describe(peer)}; ours / theirs {inventory.WallSeconds / peer.WallSeconds:0.00} in time, {(double)inventory.PeakBytes / peer.PeakBytes:0.00} in memory"), "");
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string Describe(Run run) =>
        Text($"{run.WallSeconds:0.00} s wall, {run.CpuSeconds:0.00} s CPU, {run.PeakBytes / 1e6:0} MB, exit code {run.ExitCode}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
