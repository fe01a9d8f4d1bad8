using System.Security.Cryptography;
using Capstan.Protocol.Content;
using Capstan.Site.Keeping;

namespace Capstan.Site.Distribution.Content;

/// <summary>The site's packs on its own disk: <c>content/packs/&lt;aa&gt;/&lt;sha256&gt;</c>, whole and durable under their names; what is being written lies in <c>content/new</c>, what was found damaged in <c>content/damaged</c>. Thread-safe.</summary>
internal sealed class PackFolder
{
    private readonly string _packs, _new, _damaged;

    public PackFolder(SiteContext site)
    {
        _packs = Path.Combine(site.Directory.Content, "packs");
        _new = Path.Combine(site.Directory.Content, "new");
        _damaged = Path.Combine(site.Directory.Content, "damaged");
    }

    /// <summary>Forgets what a killed process was writing, and makes durable what it may have left undone. Called before anybody writes.</summary>
    public void Sweep()
    {
        FlushFolders();
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

    /// <summary>Asked before anything is written for a publication: the last part of the disk is the database's, which has to go on.</summary>
    /// <exception cref="SiteException"><c>disk_full</c></exception>
    public void NeedRoom(long bytes)
    {
        if (bytes > 0 && FreeBytes() < bytes)
            throw new SiteException("The disk of the site is full but for what is left to its database. Nothing was published; make room and send it again: what is here already is not written twice.", "disk_full");
    }

    /// <summary>Bytes that publications may still take.</summary>
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
            FlushFolders();
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

    /// <summary>Reads all of it. A file that cannot be read is damaged like any other: it stops nobody who looks at the next one.</summary>
    public async Task<PackCondition> CheckAsync(ContentHash pack, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = Open(pack);
            return file is null ? PackCondition.Missing : new PackCondition(new ContentHash(await SHA256.HashDataAsync(file, cancellationToken)) == pack ? PackState.Whole : PackState.Damaged, null);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return new PackCondition(PackState.Damaged, cause.Message);
        }
    }

    /// <summary>Takes a damaged file away from under its name, so that nobody counts on it: its chunks are stored anew by whoever brings them again. It stays beside the packs, for <see cref="PackRepair"/>.</summary>
    /// <returns>False when nothing lies there, or it cannot be moved.</returns>
    public bool SetAside(ContentHash pack)
    {
        try
        {
            SiteDirectory.CreateOwned(_damaged);
            File.Move(PathOf(pack), AsideOf(pack), overwrite: true);
            return true;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>What was set aside; null for nothing.</summary>
    public FileStream? OpenAside(ContentHash pack) => File.Exists(AsideOf(pack)) ? File.OpenRead(AsideOf(pack)) : null;

    /// <summary>Names of packs that were set aside.</summary>
    public IReadOnlyList<ContentHash> Aside() => Directory.Exists(_damaged)
        ? [.. Directory.EnumerateFiles(_damaged).Select(file => ContentHash.TryParse(Path.GetFileName(file), out var pack) ? pack : (ContentHash?)null).OfType<ContentHash>()]
        : [];

    public void ForgetAside(ContentHash pack)
    {
        if (File.Exists(AsideOf(pack)))
            File.Delete(AsideOf(pack));
    }

    /// <summary>The names of folders, up to the site's own: a pack is as durable as the way to it.</summary>
    private void FlushFolders()
    {
        var content = Path.GetDirectoryName(_packs)!;
        foreach (var parent in new[] { Path.GetDirectoryName(content)!, content, _packs }.Where(Directory.Exists))
            BackupFolder.FlushNames(parent);
    }

    private string AsideOf(ContentHash pack) => Path.Combine(_damaged, pack.ToString());

    private string PathOf(ContentHash pack)
    {
        var name = pack.ToString();
        return Path.Combine(_packs, name[..2], name);
    }
}

/// <summary>How a pack on the site's own disk is.</summary>
internal enum PackState
{
    Whole,
    Missing,
    /// <summary>Not what its name says, or not to be read.</summary>
    Damaged,
}

/// <param name="Problem">Why it cannot be read; null when it can.</param>
internal sealed record PackCondition(PackState State, string? Problem)
{
    public static readonly PackCondition Missing = new(PackState.Missing, null);
}
