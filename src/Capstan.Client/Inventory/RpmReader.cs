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
        if (DatabaseFolder(tree) is not { } folder)
        {
            return;
        }
        if (!File.Exists(tool))
        {
            tree.Miss("/" + folder, $"an rpm database without {tool}; install the package rpm to have it listed, or remove the folder if it is a left-over");
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
            else if (answer.Text.Length > 0 && !answer.Text.EndsWith(RpmQuery.RecordEnd))
            {
                tree.Miss("/" + folder, $"{tool} ended in the middle of a package");
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

    /// <summary>The folder, relative to the root, that holds a database; null when there is none.</summary>
    public static string? DatabaseFolder(EvidenceTree tree)
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
                return (text, $"its answer is longer than {RpmQuery.MaxBytes} characters");
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

    /// <summary>Keeps what is within the bound, and reads the rest too: a full pipe would stop the tool.</summary>
    private static async Task<(string Text, bool Whole)> ReadAsync(StreamReader reader, int maxChars, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var buffer = new char[16 * 1024];
        var whole = true;
        while (await reader.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            var kept = Math.Min(count, maxChars - text.Length);
            text.Append(buffer, 0, kept);
            whole &= kept == count;
        }
        return (text.ToString(), whole);
    }
}
