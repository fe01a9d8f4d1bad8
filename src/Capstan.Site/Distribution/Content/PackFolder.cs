using System.Security.Cryptography;
using Capstan.Protocol.Content;
using Capstan.Site.Keeping;

namespace Capstan.Site.Distribution.Content;

/// <summary>The site's packs on its own disk: <c>content/packs/&lt;aa&gt;/&lt;sha256&gt;</c>, whole and durable under their names; what is being written lies in <c>content/new</c>. Thread-safe.</summary>
internal sealed class PackFolder
{
    private readonly string _packs, _new;

    public PackFolder(SiteContext site)
    {
        _packs = Path.Combine(site.Directory.Content, "packs");
        _new = Path.Combine(site.Directory.Content, "new");
    }

    /// <summary>Forgets what a killed process was writing. Called before anybody writes.</summary>
    public void Sweep()
    {
        if (Directory.Exists(_new))
            Directory.Delete(_new, recursive: true);
    }

    /// <summary>A file of no name that matters, for writing and reading; removed by <see cref="Sweep"/> when its writer is killed.</summary>
    /// <param name="deleteOnClose">Nobody will keep it.</param>
    public FileStream CreateTemporary(bool deleteOnClose)
    {
        SiteDirectory.CreateOwned(Path.GetDirectoryName(_new)!);
        SiteDirectory.CreateOwned(_new);
        return new FileStream(Path.Combine(_new, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            // Whoever writes has its own: a buffer that cannot be written to a full disk would keep the file from being closed.
            BufferSize = 0,
            Options = deleteOnClose ? FileOptions.DeleteOnClose : FileOptions.None,
        });
    }

    /// <summary>Bytes that publications may still take: the rest of the disk is the database's.</summary>
    public long FreeBytes()
    {
        SiteDirectory.CreateOwned(Path.GetDirectoryName(_new)!);
        var drive = new DriveInfo(Path.GetDirectoryName(_new)!);
        return drive.AvailableFreeSpace - ContentSync.Spare(drive.TotalSize);
    }

    /// <summary>Gives a complete file its name, durably, and closes it. The same pack again changes nothing.</summary>
    /// <exception cref="IOException">The disk failed, or is full; the file has no name then.</exception>
    public void Keep(FileStream complete, ContentHash pack)
    {
        complete.Flush(flushToDisk: true);
        complete.Dispose();
        var path = PathOf(pack);
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            SiteDirectory.CreateOwned(_packs);
            SiteDirectory.CreateOwned(folder);
            BackupFolder.FlushNames(_packs);
        }
        File.Move(complete.Name, path, overwrite: true);
        BackupFolder.FlushNames(folder);
    }

    /// <summary>Null when it is not there.</summary>
    public FileStream? Open(ContentHash pack)
    {
        try
        {
            return new FileStream(PathOf(pack), new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read | FileShare.Delete, BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Null when it is not there.</summary>
    public long? Length(ContentHash pack) => new FileInfo(PathOf(pack)) is { Exists: true } file ? file.Length : null;

    /// <summary>Files under names of packs, with the time of their last change.</summary>
    public IEnumerable<(ContentHash Pack, DateTimeOffset WrittenAt)> Files()
    {
        if (!Directory.Exists(_packs))
            yield break;
        foreach (var file in new DirectoryInfo(_packs).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            if (ContentHash.TryParse(file.Name, out var pack))
                yield return (pack, new DateTimeOffset(file.LastWriteTimeUtc));
        }
    }

    public void Delete(ContentHash pack) => File.Delete(PathOf(pack));

    /// <summary>Reads all of it.</summary>
    /// <returns>The hash of what lies there; null when nothing does.</returns>
    public async Task<ContentHash?> HashAsync(ContentHash pack, CancellationToken cancellationToken)
    {
        await using var file = Open(pack);
        return file is null ? null : new ContentHash(await SHA256.HashDataAsync(file, cancellationToken));
    }

    private string PathOf(ContentHash pack)
    {
        var name = pack.ToString();
        return Path.Combine(_packs, name[..2], name);
    }
}
