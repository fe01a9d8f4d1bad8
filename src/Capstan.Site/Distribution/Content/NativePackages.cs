using System.ComponentModel;
using System.Diagnostics;
using Capstan.Protocol.Content;
using Capstan.Site.Api;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads what a Debian or RPM package says of itself, by the system's own tool, where that is installed.</summary>
internal sealed class NativePackages(PackFolder folder, ILogger<NativePackages> logger)
{
    public const string Debian = "deb", Rpm = "rpm";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>A name that such a package has.</summary>
    public static bool IsNamedSo(string name) => name.EndsWith(".deb", StringComparison.Ordinal) || name.EndsWith(".rpm", StringComparison.Ordinal);

    /// <summary>What the file says; null when it is no such package. Without the tool, or when it refuses or cannot be asked, only format and file are known, and why.</summary>
    public async Task<NativeFile?> ReadAsync(TopFile file, CancellationToken cancellationToken)
    {
        try
        {
            return await LookAsync(file, cancellationToken);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or Win32Exception or SiteException)
        {
            // What it says is for people: the package is published without.
            ContentLog.NativeUnread(logger, file.Name, cause.Message);
            return new NativeFile(file.Name.EndsWith(".deb", StringComparison.Ordinal) ? Debian : Rpm, null, null, null, file.Name, $"it could not be looked into: {cause.Message}");
        }
    }

    private async Task<NativeFile?> LookAsync(TopFile file, CancellationToken cancellationToken)
    {
        var format = file.Name.EndsWith(".deb", StringComparison.Ordinal) ? Debian : Rpm;
        await using var copy = folder.CreateTemporary(deleteOnClose: true);
        await ContentReader.CopyAsync(folder, file.Extents, copy, cancellationToken);
        await copy.FlushAsync(cancellationToken);
        // Beside the tool's own judgement: a text file named so is no package that failed.
        if (!await BeginsAsAsync(copy, format == Debian ? "!<arch>\ndebian"u8.ToArray() : [0xED, 0xAB, 0xEE, 0xDB], cancellationToken))
            return null;
        var (tool, arguments) = format == Debian
            ? ("/usr/bin/dpkg-deb", new[] { "-W", "--showformat=${Package}\\n${Version}\\n${Architecture}\\n", copy.Name })
            : ("/usr/bin/rpm", ["-qp", "--nosignature", "--nodigest", "--queryformat", "%{NAME}\\n%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n%{ARCH}\\n", copy.Name]);
        var unread = new NativeFile(format, null, null, null, file.Name);
        if (!File.Exists(tool))
            return unread with { Problem = $"{tool} is not installed on the site's machine, so the package was not looked into" };
        var (output, problem) = await RunAsync(tool, arguments, cancellationToken);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (problem is null && lines.Length == 3)
            return unread with { Name = lines[0], Version = lines[1], Architecture = lines[2] };
        ContentLog.NativeUnread(logger, file.Name, problem ?? "its answer is not one");
        return unread with { Problem = $"{tool} could not read it: {problem ?? "its answer is not one"}" };
    }

    private static async Task<bool> BeginsAsAsync(FileStream file, byte[] magic, CancellationToken cancellationToken)
    {
        var begin = new byte[magic.Length];
        file.Position = 0;
        return await file.ReadAtLeastAsync(begin, begin.Length, throwOnEndOfStream: false, cancellationToken) == magic.Length && begin.AsSpan().SequenceEqual(magic);
    }

    private static async Task<(string Output, string? Problem)> RunAsync(string tool, string[] arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(tool, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/" };
        start.Environment.Clear();
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["PATH"] = "/usr/bin:/bin";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (await output, process.ExitCode == 0 ? null : FirstLine(await error, process.ExitCode));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ("", $"no answer within {Patience.TotalSeconds:0} s");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static string FirstLine(string error, int code) =>
        error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).FirstOrDefault() is { } line ? line[..Math.Min(line.Length, 200)] : $"exit code {code}";
}
