using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Status.Clients;

/// <summary>All that decides whether one client is well. Times are the site's, but for <see cref="HeartbeatMadeAt"/>.</summary>
internal sealed record ClientHealthFacts
{
    /// <summary>One of <see cref="DeviceState"/>.</summary>
    public required string State { get; init; }
    public required DateTimeOffset RequestedAt { get; init; }
    public DateTimeOffset? ApprovedAt { get; init; }

    /// <summary>When the last record was ingested; null before the first.</summary>
    public DateTimeOffset? LastSeen { get; init; }

    /// <summary>Where it said that it goes, and when; null unless that was its last word.</summary>
    public string? MovedTo { get; init; }
    public DateTimeOffset? MovedAt { get; init; }

    /// <summary>When the last heartbeat was ingested; null before the first, and for one from before the site noted it.</summary>
    public DateTimeOffset? HeartbeatAt { get; init; }

    /// <summary>When it was made, by the client's clock.</summary>
    public DateTimeOffset? HeartbeatMadeAt { get; init; }

    /// <summary>As the last heartbeat said.</summary>
    public long? PolicyVersion { get; init; }

    /// <summary>When its own policy changed last, and with which version; null where that was not noted.</summary>
    public DateTimeOffset? PolicySignedAt { get; init; }
    public long? PolicySignedVersion { get; init; }

    public string? ClientVersion { get; init; }

    /// <summary>What its agent was built for; null while it does not tell.</summary>
    public string? Platform { get; init; }

    /// <summary>Its settings keep the build that it has.</summary>
    public bool HoldsBuilds { get; init; }
    public IReadOnlyList<ComponentState> Components { get; init; } = [];

    /// <summary>What it said last, each code once.</summary>
    public IReadOnlyList<ConditionRow> Conditions { get; init; } = [];

    /// <summary>Its uploads that were refused for a reason that somebody must look at.</summary>
    public RefusedUploads? Refused { get; init; }

    /// <summary>Since when an upload of it waits in an inbox for one before it; null for none.</summary>
    public DateTimeOffset? WaitingSince { get; init; }

    /// <summary>Machines that use its identity, too, and were told to make their own.</summary>
    public int Copies { get; init; }

    /// <summary>How often it verifies and reports, and how often it sends a heartbeat at least.</summary>
    public TimeSpan Cycle { get; init; } = TimeSpan.FromSeconds(82_800);
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromDays(7);
}

/// <param name="Reason">Of the newest.</param>
/// <param name="At">When the newest was refused.</param>
internal sealed record RefusedUploads(int Count, string Reason, DateTimeOffset At);

/// <summary>What all clients are judged by.</summary>
/// <param name="Builds">Orders of builds, but for those that leave it to each machine's package.</param>
internal sealed record FleetFacts(DateTimeOffset Now, IReadOnlyList<OrderedBuild> Builds);

/// <param name="Settled">By when every client that reports should run it.</param>
internal sealed record OrderedBuild(string Platform, string Version, DateTimeOffset OrderedAt, DateTimeOffset Settled);

/// <summary>One cause for which a client is not well.</summary>
/// <param name="Code">Stable.</param>
/// <param name="Severity"><c>error</c>, <c>warning</c>, or <c>information</c> for what passes by itself.</param>
internal sealed record ClientCause(string Code, string Severity, string Text, string NextStep);
