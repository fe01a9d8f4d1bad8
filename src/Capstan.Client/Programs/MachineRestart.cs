using System.ComponentModel;
using System.Diagnostics;

namespace Capstan.Client.Programs;

/// <summary>Asks the operating system to start the machine anew.</summary>
internal static class MachineRestart
{
    private static readonly (string Program, string[] Words)[] s_ways = [("/usr/bin/systemctl", ["--no-ask-password", "reboot"]), ("/usr/sbin/shutdown", ["-r", "now"]), ("/sbin/shutdown", ["-r", "now"])];

    /// <returns>Null when it was asked; otherwise one line with the cause.</returns>
    public static async Task<string?> RunAsync(CancellationToken cancellationToken)
    {
        if (s_ways.FirstOrDefault(way => File.Exists(way.Program)) is not { Program: { } program } way)
            return "there is neither systemctl nor shutdown on this machine";
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, way.Words) { UseShellExecute = false, RedirectStandardError = true });
            if (process is null)
                return $"{program} does not start";
            var said = await process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? null : $"{program} ended with {process.ExitCode}: {said.ReplaceLineEndings(" ").Trim()}";
        }
        catch (Win32Exception e)
        {
            return $"{program} does not start: {e.Message}";
        }
    }
}
