using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Packages of /var/lib/dpkg/status and, on distroless images, of the fragments in status.d.</summary>
internal static class DpkgReader
{
    /// <summary>Where dpkg keeps its database, relative to the root.</summary>
    public const string Folder = "var/lib/dpkg";

    private const string Status = Folder + "/status";
    private const string Fragments = Folder + "/status.d";
    private const int MaxFragmentBytes = 1024 * 1024;

    /// <summary>What is not read whole stands in the tree's unread sources.</summary>
    public static void Read(EvidenceTree tree, List<InstalledPackage> packages, CancellationToken cancellationToken)
    {
        if (!tree.HasDirectory(Folder))
        {
            return;
        }
        // dpkg lists itself where it is the package system; elsewhere the tool alone may have left its folder.
        var isUsed = tree.HasFile(Folder + "/info/dpkg.list");
        if (isUsed && !tree.HasFile(Status))
        {
            tree.Miss("/" + Status, "missing, although dpkg has installed packages; restore it from /var/backups/dpkg.status.0");
        }
        if (tree.ReadBytes(Status, DpkgStatus.MaxBytes) is { } status)
        {
            if (isUsed && status.Length == 0)
            {
                tree.Miss("/" + Status, "empty, although dpkg has installed packages; restore it from /var/backups/dpkg.status.0");
            }
            Add(tree, Status, status, DpkgStatus.MaxBytes, statusRequired: true, packages);
        }
        foreach (var name in tree.List(Fragments))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!name.EndsWith(".md5sums", StringComparison.Ordinal) && tree.ReadBytes($"{Fragments}/{name}", MaxFragmentBytes) is { } fragment)
            {
                Add(tree, $"{Fragments}/{name}", fragment, MaxFragmentBytes, statusRequired: false, packages);
            }
        }
    }

    private static void Add(EvidenceTree tree, string path, byte[] file, int maxBytes, bool statusRequired, List<InstalledPackage> packages)
    {
        if (file.Length == maxBytes)
        {
            tree.Miss("/" + path, $"not below the limit of {maxBytes} bytes");
        }
        var entries = DpkgStatus.Parse(file, statusRequired);
        if (entries.Count > DpkgStatus.MaxPackages)
        {
            tree.Miss("/" + path, $"more than {DpkgStatus.MaxPackages} packages");
        }
        foreach (var entry in entries)
        {
            packages.Add(DpkgStatus.ToPackage(entry, InstalledAt(tree, entry)));
        }
    }

    private static long? InstalledAt(EvidenceTree tree, in DpkgStatus.Entry entry)
    {
        // The name comes from a file; it must not lead out of the folder.
        if (entry.Name.Contains('/', StringComparison.Ordinal) || entry.Architecture?.Contains('/', StringComparison.Ordinal) == true)
        {
            return null;
        }
        return tree.ModifiedAt(entry.SameAcrossArchitectures ? $"var/lib/dpkg/info/{entry.Name}:{entry.Architecture}.list" : $"var/lib/dpkg/info/{entry.Name}.list");
    }
}
