using System.Diagnostics;
using System.Globalization;
using Capstan.Bench.Figures;

namespace Capstan.Bench.Content;

/// <summary>A whole site as its own process, with a folder CAP, worked by the command line as an administrator does it.</summary>
internal sealed class ServedCapstan : IAsyncDisposable
{
    private readonly Process _site;

    private ServedCapstan(string program, string directory, Process site)
    {
        Program = program;
        Directory = directory;
        _site = site;
    }

    public string Program { get; }

    public string Directory { get; }

    public string Cap => Path.Combine(Directory, "cap");

    private string Site => Path.Combine(Directory, "site");

    /// <summary>Beside this program, as a build of the solution puts it; or the one that is named.</summary>
    public static string? Find(string? named) =>
        new[] { named, Path.Combine(AppContext.BaseDirectory, "..", "..", "Capstan.Cli", "release", "capstan") }.FirstOrDefault(File.Exists);

    public static async Task<ServedCapstan> StartAsync(string program, string directory, CancellationToken cancellationToken)
    {
        var site = Path.Combine(directory, "site");
        await WholeProcess.RunAsync(program, ["site", "init", "BEN", "--data", site], cancellationToken);
        var start = new ProcessStartInfo(program, ["site", "run", "--data", site, "--listen", "http://127.0.0.1:0", "--nal-dir", Path.Combine(directory, "nal")])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var served = new ServedCapstan(program, directory, process);
        for (var i = 0; !File.Exists(Path.Combine(site, "listening")) && i < 600; i++)
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        return served;
    }

    public async Task<Run> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var run = await WholeProcess.RunAsync(Program, [.. arguments, "--data", Site], cancellationToken);
        return run.ExitCode == 0 ? run : throw new InvalidOperationException($"capstan {string.Join(' ', arguments)} ended with {run.ExitCode}.");
    }

    /// <summary>What the site took until now.</summary>
    public SiteCost Cost()
    {
        var status = File.ReadLines($"/proc/{_site.Id}/status").Select(line => line.Split((char[])[' ', '\t', ':'], StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields is [_, _, "kB"]).ToDictionary(fields => fields[0], fields => long.Parse(fields[1], CultureInfo.InvariantCulture) << 10, StringComparer.Ordinal);
        return new SiteCost(_site.TotalProcessorTime.TotalSeconds, status["VmHWM"], status["RssAnon"] + status["RssShmem"]);
    }

    /// <summary>Waits until the CAP has as many packs as the site.</summary>
    public async Task SpreadAsync(CancellationToken cancellationToken)
    {
        while (Packs(Cap).Count() < Packs(Path.Combine(Site, "content")).Count())
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _site.Kill();
        await _site.WaitForExitAsync(CancellationToken.None);
        _site.Dispose();
    }

    private static IEnumerable<string> Packs(string folder) =>
        System.IO.Directory.Exists(Path.Combine(folder, "packs")) ? System.IO.Directory.EnumerateFiles(Path.Combine(folder, "packs"), "*", SearchOption.AllDirectories) : [];
}

/// <summary>What a site took.</summary>
/// <param name="CpuSeconds">On all processors.</param>
/// <param name="PeakBytes">High-water mark of resident memory, mapped files of the runtime included.</param>
/// <param name="OwnBytes">Resident now, without mapped files: those the system shares among processes, and takes away when it needs the room.</param>
internal sealed record SiteCost(double CpuSeconds, long PeakBytes, long OwnBytes)
{
    public string Memory => string.Create(CultureInfo.InvariantCulture, $"{PeakBytes / 1e6:0} MB at most, {OwnBytes / 1e6:0} MB its own");
}
