using System.ComponentModel;
using System.Diagnostics;

namespace Capstan.Client.Programs.Gate;

/// <summary>Starts gates so that they outlive the client: as a transient unit where systemd runs this machine, outside of the agent's own sandbox; else as a process that makes itself a session.</summary>
/// <param name="gate">This program, and the word that makes it a gate: what is started, before the directory. The first is an absolute path.</param>
/// <param name="systemdRun">Absolute path of <c>systemd-run</c>; null for plain processes.</param>
internal sealed class GateStarter(IReadOnlyList<string> gate, string? systemdRun)
{
    /// <summary>How long a shutdown waits for a program before the gate is killed.</summary>
    private const int StopSeconds = 300;

    private static readonly string[] s_systemdRun = ["/usr/bin/systemd-run", "/bin/systemd-run"];

    /// <summary>The gate that this very program is, by its other name.</summary>
    public static GateStarter OfThisMachine()
    {
        var program = Environment.ProcessPath ?? throw new PlatformNotSupportedException("this system does not tell a program's own path");
        // Started by the host of a development machine, the program is its argument.
        IReadOnlyList<string> gate = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0]), ProgramGate.Verb] : [program, ProgramGate.Verb];
        // sd_booted(3)
        var isSystemd = Environment.IsPrivilegedProcess && Directory.Exists("/run/systemd/system");
        return new GateStarter(gate, isSystemd ? s_systemdRun.FirstOrDefault(File.Exists) : null);
    }

    /// <summary>Starts a gate for a directory; harmless when one has been started for it, ever.</summary>
    /// <returns>Null when a process was started; otherwise one line with the cause. The directory says what became of it.</returns>
    public async Task<string?> StartAsync(RunFolder folder, CancellationToken cancellationToken)
    {
        try
        {
            return systemdRun is null ? Plain(folder) : await TransientAsync(systemdRun, folder, cancellationToken);
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            return $"{systemdRun ?? gate[0]} does not start: {e.Message}";
        }
    }

    private string? Plain(RunFolder folder)
    {
        var start = new ProcessStartInfo(gate[0], [.. gate.Skip(1), folder.Path])
        {
            UseShellExecute = false,
            WorkingDirectory = "/",
            // It has nothing to say, and must not hold what this process was given.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Its own is not the program's, which gets a new environment; it needs what makes this very program run.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        using var process = Process.Start(start);
        return process is null ? $"{gate[0]} does not start" : null;
    }

    private async Task<string?> TransientAsync(string program, RunFolder folder, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(program,
        [
            "--quiet", "--collect", "--no-ask-password", "--service-type=exec",
            $"--unit=capstan-program-{Path.GetFileName(folder.Path)}", $"--description=A program of Capstan ({Path.GetFileName(folder.Path)})",
            // What a program leaves, a daemon perhaps, is its own affair; and a shutdown lets it finish.
            "--property=KillMode=process", $"--property=TimeoutStopSec={StopSeconds}",
            "--setenv=DOTNET_EnableDiagnostics=0",
            "--", .. gate, folder.Path,
        ])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        });
        if (process is null)
            return $"{program} does not start";
        var said = await process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? null : $"systemd-run ended with {process.ExitCode}: {said.ReplaceLineEndings(" ").Trim()}";
    }
}
