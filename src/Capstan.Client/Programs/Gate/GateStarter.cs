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

    /// <summary>Ends gates that are stuck, and what is below them. Where systemd runs the machine it is asked first: the agent's sandbox may end no process of a user, and systemd ends a unit with all that is in it.</summary>
    /// <returns>As <see cref="StuckGate.End"/>.</returns>
    public async Task<string> EndAsync(ProcessTable machine, RunFolder folder, IReadOnlyList<ProcessEntry> gates, CancellationToken cancellationToken)
    {
        if (systemdRun is not null)
        {
            try
            {
                _ = await RunAsync(Path.Combine(Path.GetDirectoryName(systemdRun)!, "systemctl"), ["--no-ask-password", "kill", "--signal=SIGKILL", UnitOf(folder)], cancellationToken);
            }
            catch (Exception e) when (e is Win32Exception or IOException)
            {
                // What this process may end itself is ended below in any case; what stays is seen at the next look.
            }
        }
        return StuckGate.End(machine, gates);
    }

    private static string UnitOf(RunFolder folder) => $"capstan-program-{Path.GetFileName(folder.Path)}.service";

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

    /// <summary>What an older systemd (243, 236) does not know, and refuses. A unit is not ended because one of its processes was, for lack of memory; and the gate makes a group below its own, which needs no controllers.</summary>
    private static readonly string[] s_wanted = ["--property=OOMPolicy=continue", "--property=Delegate="];

    private async Task<string?> TransientAsync(string program, RunFolder folder, CancellationToken cancellationToken) =>
        await TransientAsync(program, folder, s_wanted, cancellationToken) is null ? null : await TransientAsync(program, folder, [], cancellationToken);

    private async Task<string?> TransientAsync(string program, RunFolder folder, IReadOnlyList<string> wanted, CancellationToken cancellationToken) => await RunAsync(program,
        [
            // No type: "exec" is of systemd 240, and a gate that is not executed is told by its lock.
            "--quiet", "--collect", "--no-ask-password",
            $"--unit={UnitOf(folder)}", $"--description=A program of Capstan ({Path.GetFileName(folder.Path)})",
            // What a program leaves, a daemon perhaps, is its own affair; and a shutdown lets it finish.
            "--property=KillMode=process", $"--property=TimeoutStopSec={StopSeconds}", .. wanted,
            "--setenv=DOTNET_EnableDiagnostics=0",
            "--", .. gate, folder.Path,
        ], cancellationToken);

    /// <returns>Null when it ended with 0; otherwise one line with what it said.</returns>
    private static async Task<string?> RunAsync(string program, IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words)
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
        return process.ExitCode == 0 ? null : $"{Path.GetFileName(program)} ended with {process.ExitCode}: {said.ReplaceLineEndings(" ").Trim()}";
    }
}
