namespace Capstan.Protocol.Tuf;

/// <summary>Names of roles and where their metadata lies on a CAP.</summary>
public static class TufRole
{
    public const string Root = "root";
    public const string Targets = "targets";
    public const string Snapshot = "snapshot";
    public const string Timestamp = "timestamp";
    public const string Site = "site";
    public const string Packages = "packages";
    public const string Client = "client";
    public const string Policy = "policy";

    /// <summary>What the top-level targets role delegates to, each for <c>&lt;role&gt;/*</c>.</summary>
    public static IReadOnlyList<string> Delegated { get; } = [Site, Packages, Client, Policy];

    internal const string TimestampFile = $"{Layout.Metadata}/timestamp.json";

    /// <summary>Where a version of a role lies (consistent snapshots); the timestamp alone has no version in its name.</summary>
    internal static string File(string role, long version) =>
        string.Equals(role, Timestamp, StringComparison.Ordinal) ? TimestampFile : $"{Layout.Metadata}/{version}.{role}.json";

    /// <summary>Where a target's content lies: <c>targets/&lt;dir&gt;/&lt;sha256&gt;.&lt;name&gt;</c>.</summary>
    internal static string TargetFile(string targetPath, string sha256)
    {
        var slash = targetPath.LastIndexOf('/') + 1;
        return $"{Layout.Targets}/{targetPath[..slash]}{sha256}.{targetPath[slash..]}";
    }

    internal static bool IsTopLevel(string role) => role is Root or Targets or Snapshot or Timestamp;

    /// <summary>A delegated role's name becomes a file name on both sides, so it may hold nothing that a file system reads otherwise.</summary>
    internal static bool IsDelegatedName(string role) =>
        role.Length is > 0 and <= 100 && role[0] != '.' && !IsTopLevel(role) && role.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
