using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Mounted storage with its sizes (statvfs). Network file systems are listed and never asked.</summary>
internal static class FileSystemReader
{
    public static IReadOnlyList<FileSystemFacts> Read(EvidenceTree tree, IReadOnlyList<Mount> mounts)
    {
        var result = new List<FileSystemFacts>();
        foreach (var mount in MountInfo.Storage(mounts))
        {
            var facts = new FileSystemFacts(mount.MountPoint, mount.Source, mount.Type, 0, 0, mount.ReadOnly);
            result.Add(MountInfo.IsRemote(mount.Type) ? facts with { Note = "size not asked: a file system with a server or process behind it may hang" }
                : tree.IsLive ? WithSize(tree, facts)
                : facts with { Note = "size not asked: recorded evidence" });
        }
        return result;
    }

    private static FileSystemFacts WithSize(EvidenceTree tree, FileSystemFacts facts)
    {
        try
        {
            // On Unix a DriveInfo is a statvfs of any path: blocks and available blocks times the fragment size.
            var drive = new DriveInfo(facts.MountPoint);
            return facts with { TotalBytes = drive.TotalSize, FreeBytes = drive.AvailableFreeSpace };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            tree.Miss(facts.MountPoint, $"size cannot be read: {error.Message}");
            return facts with { Note = "size cannot be read" };
        }
    }
}
