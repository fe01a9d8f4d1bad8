using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Lists installed packages from the dpkg and rpm databases; a machine may have both.</summary>
/// <remarks>dpkg's is read as a file; rpm's through its own tool, the only process that is started. Packages are in the order of source, name, architecture and version. Thread-safe.</remarks>
public sealed class SoftwareCollector
{
    private readonly string _root;
    private readonly TimeProvider _time;
    private readonly string _rpmTool;

    /// <param name="root">Where <c>var/lib/dpkg</c> and <c>var/lib/rpm</c> are found.</param>
    /// <param name="time">Measures the deadline of rpm's tool (30 s).</param>
    public SoftwareCollector(string root, TimeProvider time)
        : this(root, time, "/usr/bin/rpm")
    {
    }

    /// <param name="rpmTool">Absolute path; never searched for.</param>
    internal SoftwareCollector(string root, TimeProvider time, string rpmTool)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(time);
        _root = root;
        _time = time;
        _rpmTool = rpmTool;
    }

    /// <remarks>A list that lacks packages would be read as "they were removed", so a database that exists is read whole or the collection fails.</remarks>
    /// <exception cref="PlatformNotSupportedException">The message is <c>not implemented on &lt;os&gt;</c>, or that neither database exists here.</exception>
    /// <exception cref="ClientException"><c>software_unread</c>: a database was not read whole; the message names each source with its cause.</exception>
    public async Task<SoftwareInventory> CollectAsync(CancellationToken cancellationToken)
    {
        Platform.RequireLinux();
        var tree = new EvidenceTree(_root);
        var packages = new List<InstalledPackage>();
        HardwareCollector.Isolated<object?>(tree, "dpkg", () =>
        {
            DpkgReader.Read(tree, packages, cancellationToken);
            return null;
        }, null);
        try
        {
            await new RpmReader(tree, _rpmTool, _time).ReadAsync(packages, cancellationToken);
        }
        catch (Exception error) when (error is IOException or InvalidOperationException)
        {
            tree.Miss("rpm", $"failed: {error.GetType().Name}: {error.Message}");
        }
        if (tree.Unread is { Count: > 0 } unread)
        {
            throw Unread(string.Join("; ", unread.Select(source => $"{source.Source}: {source.Reason}")));
        }
        if (packages.Count == 0)
        {
            throw tree.HasDirectory(DpkgReader.Folder) || RpmReader.DatabaseFolder(tree) is not null
                ? Unread("the package database of this machine lists no package at all")
                : new PlatformNotSupportedException("not implemented on this system: it has neither a dpkg nor an rpm database, and other package systems are not read yet");
        }
        packages.Sort(Compare);
        return new SoftwareInventory { Packages = packages, Unread = [] };
    }

    private static ClientException Unread(string cause) => new($"installed software was not read whole: {cause}", "software_unread");

    private static int Compare(InstalledPackage a, InstalledPackage b) =>
        string.CompareOrdinal(a.Source, b.Source) is not 0 and var bySource ? bySource
        : string.CompareOrdinal(a.Name, b.Name) is not 0 and var byName ? byName
        : string.CompareOrdinal(a.Architecture, b.Architecture) is not 0 and var byArchitecture ? byArchitecture
        : string.CompareOrdinal(a.Version, b.Version);
}
