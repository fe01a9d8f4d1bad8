using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Packages of /var/lib/dpkg/status and, on distroless images, of the fragments in status.d.</summary>
internal static class DpkgReader
{
    public static void Read(EvidenceTree tree, List<InstalledPackage> packages, CancellationToken cancellationToken)
    {
        if (tree.ReadBytes("var/lib/dpkg/status", DpkgStatus.MaxBytes) is { } status)
        {
            Add(tree, DpkgStatus.Parse(status, statusRequired: true), packages);
        }
        foreach (var name in tree.List("var/lib/dpkg/status.d"))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!name.EndsWith(".md5sums", StringComparison.Ordinal) && tree.ReadBytes("var/lib/dpkg/status.d/" + name, 1024 * 1024) is { } fragment)
            {
                Add(tree, DpkgStatus.Parse(fragment, statusRequired: false), packages);
            }
        }
    }

    private static void Add(EvidenceTree tree, List<DpkgStatus.Entry> entries, List<InstalledPackage> packages)
    {
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
