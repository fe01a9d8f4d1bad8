namespace Capstan.Protocol;

/// <summary>Where things lie on a CAP, relative to its root (docs/protocol.md). Both sides use these names and no others.</summary>
public static class Layout
{
    public const string Readme = "README.txt";
    public const string Metadata = "metadata";
    public const string Targets = "targets";
    public const string Packs = "packs";
    public const string Receipts = "receipts";
    public const string Inbox = "inbox";

    /// <summary>Target paths (before the hash prefix of consistent snapshots).</summary>
    public const string SiteDescriptionTarget = "site/site.json";
    public const string CapListTarget = "site/cap-list.json";

    public const string ClientBuildsTarget = "client/builds.json";

    /// <summary>Holds one file of agent builds, packed: the same content is the same target, in whatever build it stands.</summary>
    /// <param name="sha256">Of the unpacked content.</param>
    public static string BuildFileTarget(string sha256) => $"client/{sha256}.br";

    /// <param name="advertisementId">See <see cref="V1.ObjectId"/>.</param>
    public static string AdvertisementTarget(string advertisementId) => $"packages/adv-{advertisementId}.json";

    /// <summary>One version of a package.</summary>
    public static string PackageTarget(string packageId, int packageVersion) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"packages/pkg-{packageId}-{packageVersion}.json");

    /// <summary><c>packs/&lt;aa&gt;/&lt;sha256&gt;</c>: chunks one after the other, named by the hash of the whole file; <c>aa</c> are its first two digits.</summary>
    public static string Pack(Content.ContentHash pack)
    {
        var name = pack.ToString();
        return $"{Packs}/{name[..2]}/{name}";
    }

    public static string PolicyTarget(DeviceId device) => $"policy/{device}.json";

    public static string ReceiptsFile(string bin) => $"{Receipts}/{bin}";

    public static string InboxDirectory(string bin) => $"{Inbox}/{bin}";

    /// <summary><c>inbox/&lt;bin&gt;/&lt;device&gt;-&lt;seq&gt;-&lt;length&gt;-&lt;sha256&gt;.jwe</c>; the name is a hint, never trusted.</summary>
    public static string Upload(DeviceId device, long sequence, ReadOnlySpan<byte> sealedUpload) =>
        $"{Inbox}/{device.Bin}/{device}-{sequence}-{sealedUpload.Length}-{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(sealedUpload))}.jwe";

    /// <summary>All 256 bins.</summary>
    public static IEnumerable<string> Bins =>
        Enumerable.Range(0, 256).Select(n => n.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
}
