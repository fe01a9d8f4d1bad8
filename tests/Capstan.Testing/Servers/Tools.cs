using System.Diagnostics;
using Xunit;

namespace Capstan.Testing.Servers;

/// <summary>Programs of the system that the tests of SMB need.</summary>
internal static class Tools
{
    private static readonly string[] Folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/sbin", "/sbin"];

    /// <summary>Where a program is, also outside the PATH of a plain user.</summary>
    public static string? Find(string program) => Folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    public static void Require(params string[] programs)
    {
        if (programs.FirstOrDefault(program => Find(program) is null) is { } missing)
            Missing($"{missing} is not installed (tests/debian-packages.txt)");
    }

    public static void RequireRoot(string reason)
    {
        if (!Environment.IsPrivilegedProcess)
            Missing($"needs root: {reason}");
    }

    public static void RequireLibrary(string name)
    {
        if (!Directory.EnumerateDirectories("/usr/lib").Append("/usr/lib").Any(folder => File.Exists(Path.Combine(folder, name))))
            Missing($"{name} is not installed (tests/debian-packages.txt)");
    }

    /// <param name="pattern">Of file names in <paramref name="directory"/>; one must be there.</param>
    public static void RequireFiles(string directory, string pattern, string remedy)
    {
        if (!Directory.Exists(directory) || !Directory.EnumerateFiles(directory, pattern).Any())
            Missing($"there is no {Path.Combine(directory, pattern)}: {remedy}");
    }

    /// <summary>Skips the test, except in CI, where it fails.</summary>
    private static void Missing(string reason)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true")
            Assert.Fail(reason);
        Assert.Skip(reason);
    }

    /// <summary>What a program printed. A program that fails fails the test, with everything that it said.</summary>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string input = "", IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        var (code, output, errors) = await TryAsync(program, arguments, input, environment);
        Assert.True(code == 0, $"{program} ended with {code}\n--- output\n{output}\n--- errors\n{errors}");
        return output;
    }

    public static async Task<(int ExitCode, string Output, string Errors)> TryAsync(
        string program, IEnumerable<string> arguments, string input = "", IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        using var process = Process.Start(StartInfo(program, arguments, environment ?? []))!;
        using var deadline = new CancellationTokenSource(Patience.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} did not end within {Patience.Limit}", e);
        }
    }

    /// <summary>A start with all three streams redirected.</summary>
    public static ProcessStartInfo StartInfo(string program, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var start = new ProcessStartInfo(Find(program) ?? program)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return start;
    }
}
