namespace Capstan.Protocol.Tuf;

/// <summary>What every role's metadata says: the common members of <c>signed</c>.</summary>
/// <param name="File">The received form.</param>
internal abstract record SignedMetadata(MetadataFile File, long Version, DateTimeOffset Expires)
{
    /// <summary>Reads the common members and refuses another type or another major version of the specification.</summary>
    protected static (long Version, DateTimeOffset Expires) Common(MetadataElement signed, string type)
    {
        var actual = signed["_type"].Text();
        if (!string.Equals(actual, type, StringComparison.Ordinal))
            throw signed.Malformed($"is of type {Shorten(actual)}, {type} is expected");
        var specification = signed["spec_version"].Text();
        if (!specification.StartsWith("1.", StringComparison.Ordinal))
            throw new ProtocolException(ProtocolError.UnknownVersion, $"{signed.Document} follows TUF {Shorten(specification)}; this program knows 1.x.", signed.Document);
        return (signed["version"].Number(1), signed["expires"].Time());
    }

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}

internal sealed record RootMetadata(MetadataFile File, long Version, DateTimeOffset Expires, IReadOnlyDictionary<string, RoleKeys> Roles)
    : SignedMetadata(File, Version, Expires)
{
    public static RootMetadata Parse(MetadataFile file)
    {
        var signed = file.Signed;
        var (version, expires) = Common(signed, TufRole.Root);
        // Without versions in file names a reader meets a publisher half way: weak storage cannot carry that.
        if (!signed["consistent_snapshot"].Flag())
            throw signed.Malformed("has no consistent snapshots, which a CAP needs");
        var keys = Delegations.ParseKeys(signed["keys"]);
        var roles = signed["roles"];
        return new RootMetadata(file, version, expires, new[] { TufRole.Root, TufRole.Targets, TufRole.Snapshot, TufRole.Timestamp }
            .ToDictionary(role => role, role => RoleKeys.Parse(roles[role], keys), StringComparer.Ordinal));
    }
}

/// <param name="SignedAt">Our extra member: when the site signed by its own clock; null in other sites' metadata.</param>
internal sealed record TimestampMetadata(MetadataFile File, long Version, DateTimeOffset Expires, MetaEntry Snapshot, DateTimeOffset? SignedAt)
    : SignedMetadata(File, Version, Expires)
{
    /// <summary>Unix seconds; implementations that do not know it keep it in what they verify and ignore it otherwise (TUF 4.1).</summary>
    public const string SignedAtMember = "x-capstan-signed-at";

    private const long LastUnixSecond = 253_402_300_799;

    public static TimestampMetadata Parse(MetadataFile file)
    {
        var signed = file.Signed;
        var (version, expires) = Common(signed, TufRole.Timestamp);
        DateTimeOffset? signedAt = null;
        if (signed.Optional(SignedAtMember) is { } member)
        {
            var seconds = member.Number(0);
            signedAt = seconds <= LastUnixSecond ? DateTimeOffset.FromUnixTimeSeconds(seconds) : throw signed.Malformed($"{SignedAtMember} lies after the year 9999");
        }
        return new TimestampMetadata(file, version, expires, MetaEntry.Parse(signed["meta"]["snapshot.json"]), signedAt);
    }
}

/// <param name="Roles">By role name, without <c>.json</c>.</param>
internal sealed record SnapshotMetadata(MetadataFile File, long Version, DateTimeOffset Expires, IReadOnlyDictionary<string, MetaEntry> Roles)
    : SignedMetadata(File, Version, Expires)
{
    public static readonly IReadOnlyDictionary<string, MetaEntry> NoRoles = new Dictionary<string, MetaEntry>(StringComparer.Ordinal);

    private const string Suffix = ".json";

    public static SnapshotMetadata Parse(MetadataFile file)
    {
        var (version, expires) = Common(file.Signed, TufRole.Snapshot);
        var roles = new Dictionary<string, MetaEntry>(StringComparer.Ordinal);
        foreach (var (name, entry) in file.Signed["meta"].Members())
        {
            if (!name.EndsWith(Suffix, StringComparison.Ordinal))
                throw entry.Malformed("meta names a file that is not .json");
            roles.Add(name[..^Suffix.Length], MetaEntry.Parse(entry));
        }
        return new SnapshotMetadata(file, version, expires, roles);
    }
}

/// <summary>The top-level targets role and every delegated role.</summary>
internal sealed record TargetsMetadata(MetadataFile File, long Version, DateTimeOffset Expires, IReadOnlyDictionary<string, TargetEntry> Targets, Delegations? Delegations)
    : SignedMetadata(File, Version, Expires)
{
    public static readonly IReadOnlyDictionary<string, TargetEntry> NoTargets = new Dictionary<string, TargetEntry>(StringComparer.Ordinal);

    public static TargetsMetadata Parse(MetadataFile file)
    {
        var (version, expires) = Common(file.Signed, TufRole.Targets);
        var targets = new Dictionary<string, TargetEntry>(StringComparer.Ordinal);
        foreach (var (path, entry) in file.Signed["targets"].Members())
            targets.Add(path, new TargetEntry(entry["length"].Number(0), entry["hashes"].Sha256()));
        return new TargetsMetadata(file, version, expires, targets, file.Signed.Optional("delegations") is { } json ? Delegations.Parse(json) : null);
    }
}

/// <param name="Sha256">64 lower-case hexadecimal digits.</param>
internal sealed record TargetEntry(long Length, string Sha256);
