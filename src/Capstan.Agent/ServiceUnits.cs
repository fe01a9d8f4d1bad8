using System.Diagnostics;
using Capstan.Client;

namespace Capstan.Agent;

/// <summary>The agent's units, as a package or the archive put them there. Installing a client enables and starts them, removing it stops and disables them: packages do neither.</summary>
/// <remarks>They serve the client in <see cref="AgentVerbs.DefaultDirectory"/>. Every call may be repeated. Without a running systemd (an image that is built) units are enabled only.</remarks>
/// <param name="root">Of the file system; <c>/</c>, except in tests.</param>
/// <param name="systemctl">Runs it with these words: its exit code, and what it said on its error stream.</param>
internal sealed class ServiceUnits(string root, Func<IReadOnlyList<string>, CancellationToken, Task<(int ExitCode, string Said)>> systemctl)
{
    public const string Service = "capstan-client.service";
    public const string Timer = "capstan-client-repair.timer";

    private static readonly string[] s_folders = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
    private static readonly string[] s_programs = ["/usr/bin/systemctl", "/bin/systemctl"];

    /// <summary>Null on a machine without systemd.</summary>
    public static ServiceUnits? OfThisMachine() =>
        s_programs.FirstOrDefault(File.Exists) is { } program ? new ServiceUnits("/", (words, stop) => RunAsync(program, words, stop)) : null;

    public bool AreThere => s_folders.Any(folder => File.Exists(Path.Combine(root, folder, Service)));

    /// <summary>systemd is this machine's first process now (sd_booted(3)).</summary>
    public bool IsSystemdRunning => Directory.Exists(Path.Combine(root, "run/systemd/system"));

    /// <exception cref="ClientException"><c>service_failed</c>.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await CallAsync(["--quiet", "enable", Service, Timer], cancellationToken);
        if (IsSystemdRunning)
            await CallAsync(["start", Timer, Service], cancellationToken);
    }

    /// <summary>The timer first: it would start the service again.</summary>
    /// <exception cref="ClientException"><c>service_failed</c>.</exception>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await CallAsync(["--quiet", "disable", Timer, Service], cancellationToken);
        if (IsSystemdRunning)
            await CallAsync(["stop", Timer, Service], cancellationToken);
    }

    /// <summary>Ends the service for as long as another verb needs its directory; it starts again with the machine, or by <see cref="StartAsync"/>.</summary>
    /// <exception cref="ClientException"><c>service_failed</c>.</exception>
    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        if (IsSystemdRunning)
            await CallAsync(["stop", Timer, Service], cancellationToken);
    }

    private async Task CallAsync(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var (code, said) = await systemctl(words, cancellationToken);
        if (code != 0)
            throw new ClientException($"systemctl {string.Join(' ', words)} ended with {code}: {said.ReplaceLineEndings(" ").Trim()}; see: journalctl -u {Service}, then repeat this call", "service_failed");
    }

    private static async Task<(int ExitCode, string Said)> RunAsync(string program, IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(program, words) { UseShellExecute = false, RedirectStandardError = true })
            ?? throw new ClientException($"{program} does not start", "service_failed");
        var said = await process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, said);
    }
}
