namespace Capstan.Site.Keeping;

/// <summary>Which keys of a site are replaced, and what that needs. Pure.</summary>
/// <param name="Roles">Of the metadata, online; then <c>receipts</c> and <c>sealing</c>, and <c>root</c>.</param>
/// <param name="NeedsRootKey">A new root must be signed: it names the keys of targets, snapshot and timestamp, and its own.</param>
internal sealed record RotationPlan(IReadOnlyList<string> Roles, bool NeedsRootKey)
{
    /// <summary>How long uploads that are sealed to a former key are opened: longer than most machines are off.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromDays(90);

    /// <summary>How long a former key lies on the disk after it opens nothing any more: a clock may be a little ahead.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    /// <summary>What <c>--role</c> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. SiteKeys.OnlineRoles, SiteKeys.ReceiptsRole, SiteKeys.SealingRole];

    /// <param name="roles">Empty for all that are online.</param>
    /// <param name="withRoot">The root key, too.</param>
    /// <exception cref="SiteException"><c>bad_role</c>.</exception>
    public static RotationPlan Of(IReadOnlyList<string> roles, bool withRoot)
    {
        if (roles.FirstOrDefault(role => !Names.Contains(role, StringComparer.Ordinal)) is { } unknown)
            throw new SiteException($"'{unknown}' is no role with a key that lies on the server: choose from {string.Join(", ", Names)}; the root key has --root.", "bad_role");
        // The root alone, when only --root was given.
        var chosen = roles.Count > 0 || withRoot ? roles.Distinct(StringComparer.Ordinal) : Names;
        var all = withRoot ? chosen.Append(SiteKeys.Root) : chosen;
        return new RotationPlan([.. all], withRoot || chosen.Any(role => role is "targets" or "snapshot" or "timestamp"));
    }
}
