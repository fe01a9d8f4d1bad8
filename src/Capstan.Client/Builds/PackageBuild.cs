using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>The build that the machine's package installed: what starts when nothing else does. It is asked, because a package is renewed without a word to the agent.</summary>
internal static class PackageBuild
{
    /// <summary>The argument to which a build answers with the number of schema scripts that it knows.</summary>
    public const string SchemaArgument = "--schema";

    private const int MaxAnswerChars = 64;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>How many schema scripts it knows; null when it does not say so.</summary>
    public static int? Schema(string folder) => int.TryParse(Ask(folder, SchemaArgument), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>Null when it does not say so.</summary>
    public static string? Version(string folder) => Ask(folder, "--version") is { } text && BuildVersion.TryParse(text, out _) ? text : null;

    private static string? Ask(string folder, string argument)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(Path.Combine(folder, BuildFile.Program), [argument]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
            // A line fits into the pipe: it ends without being read.
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                return null;
            }
            var answer = new char[MaxAnswerChars];
            var length = process.StandardOutput.Read(answer);
            return process.ExitCode == 0 ? new string(answer, 0, length).Trim() : null;
        }
        catch (Win32Exception)
        {
            // It is not there, or may not run here.
            return null;
        }
    }
}
