using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Site.Keeping;

/// <summary>The directory of a backup: which files it may hold, written durably, and read back only when whole.</summary>
internal sealed class BackupFolder(string root)
{
    /// <summary>Longest manifest: 64 KiB.</summary>
    private const int MaxManifestBytes = 64 << 10;

    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>The same names as in a site's directory.</summary>
    public SiteDirectory Site => new(Root);

    /// <summary>Makes a new directory for the owner alone. An empty one is taken.</summary>
    /// <exception cref="SiteException"><c>directory_not_empty</c>, <c>backup_inside</c>, <c>directory_unusable</c>.</exception>
    public static void CreateEmpty(string directory, string other, string what)
    {
        var inside = Path.GetRelativePath(other, directory);
        if (inside == "." || (!Path.IsPathRooted(inside) && inside != ".." && !inside.StartsWith("../", StringComparison.Ordinal)))
            throw new SiteException($"{directory} lies in {other}: choose a directory of its own for the {what}.", "backup_inside");
        if (File.Exists(directory) || (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any()))
            throw new SiteException($"{directory} is not empty, and a {what} is made in a new directory only: nothing is ever replaced or deleted. Choose another name; if an interrupted {what} left this one, remove it by hand.",
                "directory_not_empty");
        try
        {
            SiteDirectory.CreateOwned(directory);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new SiteException($"{directory} cannot be made: {cause.Message} Choose a directory that this user may write.", "directory_unusable", cause);
        }
    }

    /// <summary>Copies a file for the owner alone, flushed to the disk.</summary>
    /// <returns>Its length and SHA-256, of the bytes that were copied.</returns>
    public static async Task<(long Length, string Sha256)> CopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        SiteDirectory.WriteOwned(to, []);
        await using var source = new FileStream(from, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await using var target = new FileStream(to, FileMode.Open, FileAccess.Write, FileShare.None);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        for (int read; (read = await source.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            hash.AppendData(buffer, 0, read);
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
        target.Flush(flushToDisk: true);
        return (target.Length, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    /// <summary>What lies on the disk now under these names.</summary>
    public async Task<IReadOnlyList<BackupFile>> MeasureAsync(IEnumerable<string> names, CancellationToken cancellationToken)
    {
        var files = new List<BackupFile>();
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            await using var file = new FileStream(Path.Combine(Root, name), FileMode.Open, FileAccess.Read, FileShare.Read);
            files.Add(new BackupFile(name, file.Length, Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken))));
        }
        return files;
    }

    /// <summary>The mark that the backup is complete: durable under its name, or not there.</summary>
    public void Complete(BackupManifest manifest)
    {
        FlushNames(Site.Keys);
        FlushNames(Root);
        var path = Path.Combine(Root, BackupManifest.FileName);
        SiteDirectory.WriteOwned(path + ".tmp", JsonSerializer.SerializeToUtf8Bytes(manifest, BackupJson.Default.BackupManifest));
        File.Move(path + ".tmp", path);
        FlushNames(Root);
    }

    /// <summary>The manifest of a whole backup: every file is there with its length and hash.</summary>
    /// <exception cref="SiteException"><c>backup_incomplete</c>, <c>backup_newer</c>, <c>backup_damaged</c>.</exception>
    public async Task<BackupManifest> ReadAsync(CancellationToken cancellationToken)
    {
        var manifest = ReadManifest();
        if (!string.Equals(manifest.Format, BackupManifest.FormatName, StringComparison.Ordinal) || manifest.Version != BackupManifest.KnownVersion)
            throw new SiteException($"{Root} is a backup of format {manifest.Format} {manifest.Version}; this program knows {BackupManifest.FormatName} {BackupManifest.KnownVersion}. Use the newer program that made it.", "backup_newer");
        foreach (var file in manifest.Files)
        {
            if (!IsName(file.Path))
                throw Damaged($"its manifest names {file.Path}, which is no file of a site");
            try
            {
                if ((await MeasureAsync([file.Path], cancellationToken))[0] != file)
                    throw Damaged($"{file.Path} is not as it was written (length or SHA-256 differ)");
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                throw Damaged($"{file.Path} cannot be read: {cause.Message}", cause);
            }
        }
        var names = manifest.Files.Select(file => file.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var needed in new[] { DatabaseName, IdentityName })
        {
            if (!names.Contains(needed))
                throw Damaged($"its manifest does not name {needed}");
        }
        return manifest;
    }

    public const string DatabaseName = "site.db";
    public const string IdentityName = "site.json";
    public const string KeysFolder = "keys";
    private const string KeyExtension = ".key.pem";

    /// <summary>The bytes of directory entries reach the disk with the directory. On Linux; elsewhere the system does it in its own time.</summary>
    public static void FlushNames(string directory)
    {
        if (OperatingSystem.IsLinux())
            Durable.Names(directory);
    }

    /// <summary>Only names that a backup writes: a manifest leads nowhere else.</summary>
    private static bool IsName(string path) => path is DatabaseName or IdentityName
        || (path.StartsWith(KeysFolder + "/", StringComparison.Ordinal) && path.EndsWith(KeyExtension, StringComparison.Ordinal)
            && path[(KeysFolder.Length + 1)..^KeyExtension.Length] is { Length: > 0 } name && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'));

    private BackupManifest ReadManifest()
    {
        var path = Path.Combine(Root, BackupManifest.FileName);
        try
        {
            if (new FileInfo(path).Length > MaxManifestBytes)
                throw Damaged($"{BackupManifest.FileName} has more than {MaxManifestBytes} bytes");
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), BackupJson.Default.BackupManifest) ?? throw Damaged($"{BackupManifest.FileName} is empty");
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SiteException($"{Root} is not a complete backup: it has no {BackupManifest.FileName}, which is written last. It was interrupted, or is no backup; take another one.", "backup_incomplete", cause);
        }
        catch (Exception cause) when (cause is JsonException or IOException or UnauthorizedAccessException)
        {
            throw Damaged($"{BackupManifest.FileName} cannot be read: {cause.Message}", cause);
        }
    }

    private SiteException Damaged(string what, Exception? cause = null) => new($"The backup {Root} is damaged: {what}. Nothing was restored; take another one.", "backup_damaged", cause);
}
