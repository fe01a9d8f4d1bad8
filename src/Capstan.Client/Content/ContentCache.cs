using System.Globalization;
using System.Text;
using Capstan.Client.Identity;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Content;

/// <summary>The content on the disk of one client: <c>DATA/content</c>, 0700. Every step is whole or not there, and may be repeated. Thread-safe, for different versions.</summary>
/// <remarks>
/// <c>KEY/</c> is a version that was complete when it got this name; <c>KEY.part/</c> one that is not. <c>KEY.tree</c> lists what it holds, <c>KEY.json</c> is its manifest, <c>KEY.use</c>
/// when it was used last, as a number that rises. <c>KEY.gone/</c> is being removed. What a power cut leaves needs no flush: whatever is used is verified before.
/// </remarks>
internal sealed class ContentCache(string clientDirectory)
{
    public const string Name = "content";

    private const string Part = ".part", Tree = ".tree", Manifest = ".json", Use = ".use", Gone = ".gone";

    private readonly Lock _gate = new();

    public string Root { get; } = Path.Combine(clientDirectory, Name);

    public string DirectoryOf(PackageKey package) => Path.Combine(Root, package.ToString());

    public string PartOf(PackageKey package) => DirectoryOf(package) + Part;

    /// <summary>File name of its tree below <see cref="Root"/>.</summary>
    public static string TreeName(PackageKey package) => package + Tree;

    public string TreeOf(PackageKey package) => DirectoryOf(package) + Tree;

    public bool IsComplete(PackageKey package) => Directory.Exists(DirectoryOf(package));

    public bool IsBegun(PackageKey package) => Directory.Exists(PartOf(package));

    /// <summary>Versions of which anything is here.</summary>
    public IReadOnlyList<PackageKey> Versions() => !Directory.Exists(Root) ? []
        : [.. Directory.EnumerateFileSystemEntries(Root).Select(path => Parse(Path.GetFileName(path))).OfType<PackageKey>().Distinct()];

    /// <summary>What is known of a version; null where it is not known, or cannot be read.</summary>
    public PackageManifest? ManifestOf(PackageKey package)
    {
        try
        {
            return Documents.PackageManifest.Decode(File.ReadAllBytes(DirectoryOf(package) + Manifest), package.ToString());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ProtocolException)
        {
            return null;
        }
    }

    public void Prepare() => DurableFile.CreatePrivateDirectory(Root);

    /// <summary>Begins a version, or goes on with it.</summary>
    public async ValueTask BeginAsync(PackageKey package, ReadOnlyMemory<byte> document, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(PartOf(package));
        var path = DirectoryOf(package) + Manifest;
        if (File.Exists(path) && (await File.ReadAllBytesAsync(path, cancellationToken)).AsSpan().SequenceEqual(document.Span))
            return;
        await DurableFile.WriteAsync(path, document, cancellationToken);
        Used(package);
    }

    /// <summary>All of it is there.</summary>
    public void Complete(PackageKey package) => Directory.Move(PartOf(package), DirectoryOf(package));

    /// <summary>It is not what it should be, and is not used before it was mended.</summary>
    public void Demote(PackageKey package)
    {
        if (!IsComplete(package))
            return;
        if (IsBegun(package))
            RemoveDirectory(PartOf(package));
        Directory.Move(DirectoryOf(package), PartOf(package));
    }

    /// <summary>Notes that a version is used: the one that was used longest ago goes first.</summary>
    /// <returns>Null, or why it is not noted: that is told, and hinders nothing.</returns>
    public string? Used(PackageKey package)
    {
        try
        {
            lock (_gate)
            {
                DurableFile.EnsurePrivate(DirectoryOf(package) + Use);
                File.WriteAllText(DirectoryOf(package) + Use, (Versions().Max(LastUse) + 1).ToString(CultureInfo.InvariantCulture));
            }
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    /// <summary>Takes away what a removal left that was cut off: nobody else would, and it may be as long as a version.</summary>
    /// <returns>What cannot be removed, and why.</returns>
    public IReadOnlyList<(string Name, string Cause)> Tidy()
    {
        var stays = new List<(string, string)>();
        if (!Directory.Exists(Root))
            return stays;
        foreach (var path in Directory.EnumerateFileSystemEntries(Root).ToList())
        {
            var name = Path.GetFileName(path);
            if (Parse(name) is not { } package || !(name.EndsWith(Gone, StringComparison.Ordinal) || (name != package.ToString() && !IsComplete(package) && !IsBegun(package))))
                continue;
            try
            {
                using var root = VersionFolder.Open(Root);
                root.Remove(name);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                stays.Add((name, e.Message));
            }
        }
        return stays;
    }

    /// <summary>As <see cref="CacheRules"/> wants it.</summary>
    public IReadOnlyList<CachedVersion> Measure() => [.. Versions().Select(package => new CachedVersion(package, BytesOf(package), LastUse(package)))];

    /// <summary>Bytes that a version takes: of a complete one what its manifest says, else the room of what lies there. Files have holes while they are made, so their lengths say nothing.</summary>
    public long BytesOf(PackageKey package) =>
        (IsComplete(package) && ManifestOf(package) is { } manifest ? manifest.SizeBytes : LyingBytes(package)) + (new FileInfo(TreeOf(package)) is { Exists: true, Length: var tree } ? tree : 0);

    public long FreeBytes() => new DriveInfo(Root).AvailableFreeSpace;

    /// <summary>Removes a version. Half of it is never taken for one.</summary>
    public void Drop(PackageKey package)
    {
        foreach (var directory in new[] { DirectoryOf(package), PartOf(package), DirectoryOf(package) + Gone })
            RemoveDirectory(directory);
        foreach (var suffix in new[] { Tree, Manifest, Use })
            File.Delete(DirectoryOf(package) + suffix);
    }

    /// <summary>Takes away all content of a client, and the folder.</summary>
    public static void Remove(string clientDirectory)
    {
        if (!Directory.Exists(Path.Combine(clientDirectory, Name)))
            return;
        using var folder = VersionFolder.Open(clientDirectory);
        folder.Remove(Name);
    }

    private void RemoveDirectory(string directory)
    {
        if (!Directory.Exists(directory))
            return;
        var gone = directory.EndsWith(Gone, StringComparison.Ordinal) ? directory : Path.ChangeExtension(directory, Gone);
        if (gone != directory)
        {
            RemoveDirectory(gone);
            Directory.Move(directory, gone);
        }
        using var root = VersionFolder.Open(Root);
        root.Remove(Path.GetFileName(gone));
    }

    private long LastUse(PackageKey package)
    {
        try
        {
            return long.TryParse(File.ReadAllText(DirectoryOf(package) + Use), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private long LyingBytes(PackageKey package) => new[] { DirectoryOf(package), PartOf(package), DirectoryOf(package) + Gone }.Where(Directory.Exists).Sum(directory =>
    {
        using var folder = VersionFolder.Open(directory);
        return folder.AllocatedBytes();
    });

    private static PackageKey? Parse(string name)
    {
        var stem = name.Split('.')[0];
        return stem.Split('-') is [var id, var number] && ObjectId.IsValid(id) && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version > 0
            && number == version.ToString(CultureInfo.InvariantCulture)
            ? new PackageKey(id, version)
            : null;
    }
}
