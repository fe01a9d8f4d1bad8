using Capstan.Protocol.V1;

namespace Capstan.Site.Publish;

/// <summary>How the machine that hosts a CAP is licensed, and what follows for its clients. Pure.</summary>
public static class Licensing
{
    /// <summary>What is wrong with the pair; null when nothing is.</summary>
    public static string? Fault(string? licensing, int headroom)
    {
        if (licensing is not null && LicensingMode.Limit(licensing) is null)
            return $"licensing '{licensing}' must be per-server:N or per-seat:N with N from 1 to {LicensingMode.MaxLimit:N0}, or be left out when nothing is limited.";
        if (headroom < 0)
            return $"headroom is {headroom}; it must be 0 or more.";
        return licensing is not null && headroom >= LicensingMode.Limit(licensing)
            ? $"headroom {headroom} leaves nothing of {licensing}: it must be below the limit."
            : null;
    }

    /// <summary>How often a client may look: so that the fleet at the door stays within a tenth of a per-server limit and 5 logons a second (design.md 5).</summary>
    public static int PollIntervalSeconds(int clients, string? licensing, double meanHoldSeconds)
    {
        var byRate = clients / 5.0;
        var byLimit = licensing?.StartsWith("per-server", StringComparison.Ordinal) == true && LicensingMode.Limit(licensing) is { } limit
            ? clients * meanHoldSeconds / (limit * 0.1)
            : 0;
        return (int)Math.Ceiling(Math.Clamp(Math.Max(byRate, byLimit), 300, 86_400));
    }
}
