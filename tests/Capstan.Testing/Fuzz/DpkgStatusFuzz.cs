using Capstan.Client.Inventory;

namespace Capstan.Testing.Fuzz;

/// <summary>A damaged package database gives fewer packages, never a failure or a strange text.</summary>
public static class DpkgStatusFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        foreach (var entry in DpkgStatus.Parse(data, statusRequired: false))
        {
            FuzzFacts.Check(entry.Name, entry.Version, entry.Architecture, entry.Maintainer, entry.Summary);
            if (entry.Name.Length == 0 || entry.InstalledBytes < 0)
            {
                throw new InvalidOperationException("a package without a name, or of negative size");
            }
        }
        if (DpkgStatus.Parse(data, statusRequired: true).Count > DpkgStatus.Parse(data, statusRequired: false).Count)
        {
            throw new InvalidOperationException("a stricter reading found more packages");
        }
    }
}
