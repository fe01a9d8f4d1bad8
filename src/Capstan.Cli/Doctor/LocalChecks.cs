using Capstan.Cli.Sites;
using Capstan.Client;
using Capstan.Nal;

namespace Capstan.Cli.Doctor;

/// <summary>What can be looked at without a running site.</summary>
internal static class LocalChecks
{
    public static IEnumerable<DoctorLine> Site(CliHost host, string directory)
    {
        yield return Directory(directory);
        yield return Lock(host, directory);
        yield return Judgement.DiskSpace(directory, new DriveInfo(directory).AvailableFreeSpace);
        var database = new FileInfo(Path.Combine(directory, "site.db"));
        yield return Judgement.Clock(host.Time.GetUtcNow(), database.Exists ? new DateTimeOffset(database.LastWriteTimeUtc) : null);
    }

    /// <summary>The client of this machine; null when none is installed in the usual places.</summary>
    public static async Task<DoctorLine?> ClientAsync(CliHost host, string? siteDirectory, CancellationToken cancellationToken)
    {
        var directory = new[]
        {
            siteDirectory is null ? null : Path.Combine(Path.GetDirectoryName(siteDirectory) ?? "", "client"),
            host.FullPath("capstan-data/client"),
            Path.Combine(host.ServiceData, "capstan-client"),
        }.FirstOrDefault(System.IO.Directory.Exists);
        if (directory is null)
            return null;
        try
        {
            var status = await CapstanClient.ReadStatusAsync(new ClientOptions { Directory = directory }, cancellationToken);
            return status.Waiting is { } waiting
                ? DoctorLine.Warning("client", $"{status.Fingerprint} in {directory}: {waiting}", "The cause stands there; it tries again by itself.")
                : DoctorLine.Ok("client", $"{status.Fingerprint} in {directory}: {status.State}, record {status.Sequence} ({status.Spooled} waiting)");
        }
        catch (ClientException refusal)
        {
            return DoctorLine.Warning("client", $"{directory}: {refusal.Message}", "capstan-client install --token-file FILE finishes an installation.");
        }
    }

    private static DoctorLine Directory(string directory)
    {
        var token = Path.Combine(directory, "api-token");
        try
        {
            using (File.OpenRead(token))
            {
                return !OperatingSystem.IsWindows() && (File.GetUnixFileMode(token) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != UnixFileMode.None
                    ? DoctorLine.Failed("data directory", $"{token} can be read by other users", $"chmod 600 {token}, delete it to have a new token made, and start the site again.")
                    : DoctorLine.Ok("data directory", directory);
            }
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return DoctorLine.Failed("data directory", cause.Message, "Run this as the site's owner, or restore the directory from a backup.");
        }
    }

    private static DoctorLine Lock(CliHost host, string directory)
    {
        try
        {
            using var mine = DirectoryLock.TryTake(directory, out var holder);
            return mine is null
                ? DoctorLine.Ok("lock", $"held by {holder}")
                : DoctorLine.Warning("lock", "free: no site runs here", SiteLocation.HowToStart(host, directory));
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return DoctorLine.Failed("lock", cause.Message, "Run this as the site's owner.");
        }
    }
}
