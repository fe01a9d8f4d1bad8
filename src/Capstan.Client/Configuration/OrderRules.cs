using Capstan.Client.Identity;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Whether a verified, well-formed document may be put in force on this device. Pure: null, or one line with what is wrong.</summary>
internal static class OrderRules
{
    public static string? Fault(SiteDescription site, SiteDescription? before, string siteCode) =>
        SiteFault(site.SiteCode, siteCode)
        ?? (before is not null && site.Epoch < before.Epoch ? $"its epoch {site.Epoch} is below {before.Epoch}, which this client has seen" : null);

    public static string? Fault(Policy policy, string siteCode, DeviceKeys keys)
    {
        if (SiteFault(policy.SiteCode, siteCode) is { } site)
            return site;
        if (policy.DeviceId != keys.Id.Value)
            return $"it is made for device {policy.DeviceId}, and this is {keys.Id}";
        return policy.Certificate.SigningKey == keys.SigningJwk ? null : "its certificate holds other keys than this device has";
    }

    /// <summary>What a policy says whose secrets this device cannot open. It is the device's own all the same: a machine that was copied or set back hears what it is told.</summary>
    public const string OtherSealingKey = "its certificate holds a sealing key that this device does not have: it was set back to before it made it, or copied, and tells the site which one it has; what is sealed waits";

    /// <summary>Whether what the site seals can be opened here: the present sealing key, or the one that was made by its order.</summary>
    public static bool HoldsSealingKey(Policy policy, DeviceKeys keys) => policy.Certificate.SealingKey == keys.SealingJwk || policy.Certificate.SealingKey == keys.NextJwk;

    /// <summary>Whether a policy tells this very machine to make an identity of its own; null when it does not.</summary>
    /// <param name="names">See <see cref="ClientCore.Names"/>.</param>
    public static IdentityOrder? MeantHere(Policy policy, IEnumerable<string> names) =>
        policy.NewIdentity?.FirstOrDefault(name => names.Contains(name, StringComparer.Ordinal)) is { } speaker ? new IdentityOrder(speaker) : null;

    /// <summary>An empty or unreadable list is not an order to forget the CAPs that are known.</summary>
    public static string? Fault(CapList list, string siteCode) =>
        SiteFault(list.SiteCode, siteCode)
        ?? (list.Caps.Any(cap => NalPath.TryParse(cap.Path, out _, out _)) ? null : "it holds no path that this program can read");

    /// <summary>Orders rise: a site that was restored from an old backup counts on from the clock.</summary>
    public static string? Fault(ClientBuilds builds, ClientBuilds? before, string siteCode) =>
        SiteFault(builds.SiteCode, siteCode)
        ?? (from build in builds.Builds
            where before?.For(build.Platform) is { } known && build.Order < known.Order
            select $"its order {build.Order} for {build.Platform} is below one that this client has seen").FirstOrDefault();

    private static string? SiteFault(string found, string expected) =>
        found == expected ? null : $"it is made for site {found}, and this client belongs to {expected}";
}
