namespace Capstan.Site.Api;

/// <summary>How much of a CAP's server the site's clients use; in GET /api/v1/caps, and with its hours in GET /api/v1/caps/usage.</summary>
/// <param name="Level"><c>ok</c>, <c>near</c> the limit, or <c>reached</c>.</param>
/// <param name="Text">Why it is not <c>ok</c>, for a person; null when it is.</param>
/// <param name="Limit">N of <c>per-server:N</c> or <c>per-seat:N</c>; null when nothing is limited.</param>
/// <param name="PeakConnections">At one time, in the last 7 days: estimated from what clients reported (docs/operations.md says how).</param>
/// <param name="Refused">Times in the last 3 days that a client was refused for capacity.</param>
/// <param name="Devices90Days">Distinct devices that were served in the last 90 days.</param>
/// <param name="MeanHoldSeconds">How long a client holds a connection, as published.</param>
/// <param name="PollIntervalSeconds">How often a client looks, as published.</param>
/// <param name="ReportedAt">When a client told of its use last; null for never.</param>
public sealed record CapLoadRow(string Level, string? Text, int? Limit, int PeakConnections, int Refused, int Devices90Days, double MeanHoldSeconds,
    int PollIntervalSeconds, DateTimeOffset? ReportedAt)
{
    /// <summary>What to do, in one or two sentences; null when it is <c>ok</c>.</summary>
    public string? NextStep { get; init; }
}

/// <summary>GET /api/v1/caps/usage[?path=&amp;days=7]: of one CAP of the list, or of all.</summary>
/// <param name="Hours">From the first hour of which anything was reported, each with its beginning; an hour without a report is left out. Clients report once a day, so the last day fills up later.</param>
public sealed record CapUsage(string Path, string? Licensing, int Headroom, CapLoadRow Load, IReadOnlyList<CapUsageHour> Hours);

/// <param name="Hour">Its beginning, by the clients' clocks.</param>
/// <param name="MeanConnections">Open at one time, on average over the hour.</param>
/// <param name="PeakConnections">Open at one time, estimated.</param>
/// <param name="Connections">Times that a connection was lent to a client.</param>
/// <param name="Refused">Times that a client was refused for capacity.</param>
public sealed record CapUsageHour(DateTimeOffset Hour, double MeanConnections, int PeakConnections, long Connections, long Refused);
