using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Capstan.Bench.Figures;

/// <summary>One figure: what was asked, what was read, what was hoped for.</summary>
internal sealed record Figure(string Name, string Reading, string Goal);

/// <summary>Prints the figures of docs/testing.md in one run, as a Markdown table with the machine and the command.</summary>
internal static class FigureTable
{
    /// <param name="arguments">The published agent, or nothing.</param>
    public static Task<int> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) => PrintAsync(
    [
        () => ProtocolFigures.RunAsync(cancellationToken),
        () => IngestFigures.RunAsync(null, cancellationToken),
        () => AgentFigures.RunAsync(arguments.Count > 0 ? arguments[0] : null, cancellationToken),
    ]);

    public static async Task<int> PrintAsync(IReadOnlyList<Func<IAsyncEnumerable<Figure>>> groups)
    {
        Console.WriteLine($"{RuntimeInformation.OSDescription}, {Environment.ProcessorCount} cores, .NET {Environment.Version}");
        Console.WriteLine();
        Console.WriteLine("| figure | reading | goal |");
        Console.WriteLine("|---|---|---|");
        foreach (var figures in groups)
        {
            await foreach (var figure in figures())
                Console.WriteLine($"| {figure.Name} | {figure.Reading} | {figure.Goal} |");
        }
        return 0;
    }

    /// <summary>Median seconds of <paramref name="runs"/> calls, after one that does not count.</summary>
    public static async Task<double> MedianSecondsAsync(int runs, Func<Task> action)
    {
        await action();
        var seconds = new List<double>();
        for (var i = 0; i < runs; i++)
        {
            var clock = Stopwatch.StartNew();
            await action();
            seconds.Add(clock.Elapsed.TotalSeconds);
        }
        return seconds.Order().ElementAt(runs / 2);
    }
}
