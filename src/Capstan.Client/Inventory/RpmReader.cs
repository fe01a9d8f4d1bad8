using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Asks rpm's own tool: three database formats exist, and only it reads them all.</summary>
internal sealed class RpmReader(EvidenceTree tree, string tool, TimeProvider time)
{
    /// <summary>After this the tool is killed.</summary>
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);

    private const int MaxErrorChars = 500;

    /// <summary>Every folder that may hold a database, and the files that make it one (sqlite, Berkeley, ndb).</summary>
    private static readonly string[] s_folders = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
    private static readonly string[] s_files = ["rpmdb.sqlite", "Packages", "Packages.db"];

    public async Task ReadAsync(List<InstalledPackage> packages, CancellationToken cancellationToken)
    {
        if (DatabaseFolder() is not { } folder)
        {
            return;
        }
        if (!File.Exists(tool))
        {
            tree.Miss("/" + folder, $"an rpm database without {tool}; install the package rpm to have it listed");
            return;
        }
        using var deadline = new CancellationTokenSource(s_deadline, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            var answer = await RunAsync(tree.Full(folder), both.Token);
            if (answer.Error is { } error)
            {
                tree.Miss("/" + folder, $"{tool} failed: {error}; run 'rpm --dbpath /{folder} -qa' to see why");
            }
            packages.AddRange(RpmQuery.Parse(answer.Text));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            tree.Miss("/" + folder, $"{tool} did not answer within {s_deadline.TotalSeconds:0} s and was ended; another process may hold the database");
        }
        catch (Win32Exception error)
        {
            tree.Miss("/" + folder, $"{tool} cannot be started: {error.Message}");
        }
    }

    private string? DatabaseFolder()
    {
        foreach (var folder in s_folders)
        {
            // /var/lib/rpm is a link to the other on newer systems: the first that has files counts.
            if (Array.Exists(s_files, file => tree.HasFile($"{folder}/{file}")))
            {
                return folder;
            }
        }
        return null;
    }

    private async Task<(string Text, string? Error)> RunAsync(string databasePath, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(tool)
        {
            ArgumentList = { "--dbpath", databasePath, "-qa", "--queryformat", RpmQuery.Format },
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            WorkingDirectory = "/",
        };
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/bin:/bin";
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["HOME"] = "/"; // Nobody's ~/.rpmmacros is read.
        using var process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            var errors = ReadAsync(process.StandardError, MaxErrorChars, cancellationToken);
            var (text, whole) = await ReadAsync(process.StandardOutput, RpmQuery.MaxBytes, cancellationToken);
            if (!whole)
            {
                return (text, $"its answer is longer than {RpmQuery.MaxBytes} characters; the rest is left out");
            }
            var (errorText, _) = await errors;
            await process.WaitForExitAsync(cancellationToken);
            return (text, process.ExitCode == 0 ? null : $"exit code {process.ExitCode}: {errorText.ReplaceLineEndings(" ").Trim()}");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>Reads to the end or to the bound, whichever comes first.</summary>
    private static async Task<(string Text, bool Whole)> ReadAsync(StreamReader reader, int maxChars, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var buffer = new char[16 * 1024];
        while (await reader.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            if (text.Length + count > maxChars)
            {
                text.Append(buffer, 0, maxChars - text.Length);
                return (text.ToString(), false);
            }
            text.Append(buffer, 0, count);
        }
        return (text.ToString(), true);
    }
}
