using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Site.Publish;

/// <summary>The site's way to a CAP: one lease for one piece of work. Thread-safe.</summary>
internal sealed class CapAccess(ConnectionArbiter arbiter)
{
    /// <summary>Where each local folder that this process has seen was mounted then.</summary>
    private readonly ConcurrentDictionary<string, string> _mountedAt = new(StringComparer.Ordinal);

    /// <summary>The machine's mount points (on Windows, its drives). Tests give their own.</summary>
    /// <exception cref="IOException">The system does not tell.</exception>
    public Func<IEnumerable<string>> MountPoints { get; set; } = static () => DriveInfo.GetDrives().Select(drive => drive.Name);

    /// <exception cref="NalException">Also for a full server, as <see cref="NalError.ServerFull"/>.</exception>
    public async Task<T> UseAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, CancellationToken cancellationToken)
    {
        var result = await arbiter.AcquireAsync(path, new LeasePurpose(component), cancellationToken);
        if (!result.TryGetLease(out var lease, out var refusal))
            throw new NalException(NalError.ServerFull, refusal.Reason, path.ToString(), isTransient: true);
        await using (lease)
            return await work(lease.Store);
    }

    /// <summary>As <see cref="UseAsync{T}"/>; a LOCAL folder that is gone is made again when its parent is there.</summary>
    /// <param name="asked">A person asked for this work. Without, the folder is made only on the file system on which this process has seen it:
    /// a file system that is not mounted must not be filled in below its mount point.</param>
    public async Task<T> UseOrMakeAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, Action made, bool asked, CancellationToken cancellationToken)
    {
        if (path.LocalDirectory is { } directory)
        {
            if (!Directory.Exists(directory) && Directory.Exists(Path.GetDirectoryName(directory.TrimEnd('/'))) && (asked || IsMountedAsSeen(directory)))
            {
                try
                {
                    Directory.CreateDirectory(directory);
                }
                catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
                {
                    throw new NalException(NalError.AccessDenied, $"The folder {directory} cannot be made: {cause.Message} Make it by hand, owned by this user.", path.ToString(), inner: cause);
                }
                made();
            }
            if ((asked || !_mountedAt.ContainsKey(directory)) && Directory.Exists(directory) && MountOf(directory) is { } mount)
                _mountedAt[directory] = mount;
        }
        return await UseAsync(path, component, work, cancellationToken);
    }

    /// <summary>The longest mount point above a directory; null when there is none.</summary>
    internal static string? MountOf(string directory, IEnumerable<string> mountPoints) => mountPoints
        .Where(mount => directory.Equals(mount, StringComparison.Ordinal)
            || directory.StartsWith(Path.EndsInDirectorySeparator(mount) ? mount : mount + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        .MaxBy(mount => mount.Length);

    private bool IsMountedAsSeen(string directory) =>
        _mountedAt.TryGetValue(directory, out var seen) && string.Equals(MountOf(directory), seen, StringComparison.Ordinal);

    /// <summary>Null also when the system does not tell: then nothing is made that nobody asked for.</summary>
    private string? MountOf(string directory)
    {
        try
        {
            return MountOf(directory, MountPoints());
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
