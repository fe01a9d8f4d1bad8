namespace Capstan.Nal.Arbiter.Machine;

/// <summary>Proves that locks hold in a directory: two openings must exclude each other, on a disk that only this machine uses.</summary>
internal static class LockTest
{
    /// <summary>File systems whose locks other machines see too, or nobody: two machines would share one budget, or one machine have two.</summary>
    private static readonly HashSet<string> Shared = new(StringComparer.OrdinalIgnoreCase)
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncp", "ncpfs", "afs", "9p", "v9fs", "ceph", "gfs", "gfs2", "ocfs2", "lustre", "gpfs", "coda", "virtiofs",
    };

    /// <summary>Behind FUSE may be anything: sshfs, a bucket, a cluster. These are known to be this machine's alone: a disk of another system, and the root of a container.</summary>
    private static readonly HashSet<string> LocalFuse = new(StringComparer.OrdinalIgnoreCase) { "fuseblk", "fuse.fuse-overlayfs" };

    /// <exception cref="IOException">Locks do not hold there, or are not only this machine's.</exception>
    public static void Run(string directory) => Run(directory, new DriveInfo(directory).DriveFormat);

    internal static void Run(string directory, string fileSystem)
    {
        if (Shared.Contains(fileSystem))
            throw new IOException($"{directory} is on {fileSystem}, which other machines share; a local file system is needed");
        if (fileSystem.StartsWith("fuse", StringComparison.OrdinalIgnoreCase) && !LocalFuse.Contains(fileSystem))
            throw new IOException($"{directory} is on {fileSystem}: what is behind FUSE may be shared by other machines, whatever its locks do on this one; a local file system is needed");
        var path = Path.Combine(directory, "lock-test");
        // Taken by somebody who tests at this moment: then locks hold.
        using var first = FileLock.TryTake(path);
        if (first is null)
            return;
        using var second = FileLock.TryTake(path);
        if (second is not null)
            throw new IOException($"locks do not hold in {directory} ({fileSystem}): a second one was given while the first was held");
    }
}
