using System.Diagnostics;
using Capstan.Testing;

namespace Capstan.ServerTests.Interop;

/// <summary>Runs a script of <c>tests/node</c>: an independent implementation that judges ours.</summary>
internal static class NodeProcess
{
    private static string Folder { get; } = FindFolder();

    /// <summary>What the script printed. A script that fails fails the test, with everything that it said.</summary>
    /// <remarks>Without node or <c>node_modules</c> the test is skipped with its reason; where CI is <c>true</c> it fails.</remarks>
    public static async Task<string> RunAsync(string script, params string[] arguments)
    {
        if (!Directory.Exists(Path.Combine(Folder, "node_modules")))
            Missing($"{Path.Combine(Folder, "node_modules")} is missing: run `npm ci` there");
        var start = new ProcessStartInfo("node") { WorkingDirectory = Folder, UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(script);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Start(start);
        using var deadline = new CancellationTokenSource(Patience.Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            Assert.True(process.ExitCode == 0, $"node {script} {string.Join(' ', arguments)} ended with {process.ExitCode}\n--- output\n{await output}\n--- errors\n{await errors}");
            return await output;
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"node {script} did not end within {Patience.Limit}", e);
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            Missing($"node does not start: {e.Message}");
            throw;
        }
    }

    private static void Missing(string reason)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true")
            Assert.Fail(reason);
        Assert.Skip(reason);
    }

    private static string FindFolder()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Capstan.slnx")))
            directory = directory.Parent;
        return Path.Combine(directory?.FullName ?? throw new InvalidOperationException($"No Capstan.slnx above {AppContext.BaseDirectory}."), "tests", "node");
    }
}
