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

    private static readonly string[] s_systemdRun = ["/usr/bin/systemd-run", "/bin/systemd-run", "/usr/local/bin/systemd-run", "/run/current-system/sw/bin/systemd-run"];

    /// <summary>What an administrator should know of how programs are run here; null for nothing.</summary>
    public string? Caveat { get; private init; }

    /// <summary>The command line of this very program with another verb.</summary>
    public static IReadOnlyList<string> This(string verb)
    {
        var program = Environment.ProcessPath ?? throw new PlatformNotSupportedException("this system does not tell a program's own path");
        // Started by the host of a development machine, the program is its argument.
        return Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0]), verb] : [program, verb];
    }

    /// <summary>The gate that this very program is, by its other name.</summary>
    public static GateStarter OfThisMachine()
    {
        // sd_booted(3)
        var isSystemd = Environment.IsPrivilegedProcess && Directory.Exists("/run/systemd/system");
        var systemdRun = s_systemdRun.FirstOrDefault(File.Exists);
        return new GateStarter(This(ProgramGate.Verb), isSystemd ? systemdRun : null)
        {
            Caveat = isSystemd && systemdRun is null ? $"systemd runs this machine, and there is no systemd-run ({string.Join(", ", s_systemdRun)}): programs are started inside the agent's own service, bound by its sandbox, and end with it" : null,
        };
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
            // No type: "exec" is of systemd 240, and a gate that is not executed is told by its lock.
            "--quiet", "--collect", "--no-ask-password",
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
