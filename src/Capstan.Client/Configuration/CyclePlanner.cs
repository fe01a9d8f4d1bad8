namespace Capstan.Client.Configuration;

internal enum ClientLifecycle
{
    /// <summary>Has keys and a token; the site has not answered.</summary>
    Installed = 1,
    Approved = 2,
    /// <summary>The site has said so in a verified policy: nothing is reported any more.</summary>
    Retired = 3,
}

/// <summary>How often, as the site publishes it.</summary>
internal sealed record CycleIntervals(TimeSpan Poll, TimeSpan Complete, TimeSpan Heartbeat, TimeSpan Inventory)
{
    public static CycleIntervals Default { get; } =
        new(TimeSpan.FromMinutes(5), TimeSpan.FromHours(23), TimeSpan.FromDays(7), TimeSpan.FromDays(1));
}

/// <summary>All that decides what is due. Moments are monotonic, from the start of the process; null means never.</summary>
internal sealed record CycleFacts
{
    public required ClientLifecycle Lifecycle { get; init; }
    public required CycleIntervals Intervals { get; init; }

    /// <summary>Enrolment ordinal; null before the certificate.</summary>
    public long? Ordinal { get; init; }

    /// <summary>See <see cref="EvenPhase.Next"/>.</summary>
    public TimeSpan PhaseOrigin { get; init; }
    public TimeSpan? LastPoll { get; init; }
    public TimeSpan? LastComplete { get; init; }
    public TimeSpan? LastHeartbeat { get; init; }
    public TimeSpan? LastInventory { get; init; }

    /// <summary>The next look for an approval; only while <see cref="ClientLifecycle.Installed"/>.</summary>
    public TimeSpan? NextApprovalPoll { get; init; }

    /// <summary>Nothing touches a CAP before this moment; null when the last contact succeeded.</summary>
    public TimeSpan? RetryAt { get; init; }

    /// <summary>The site has brought other connection accounts or another policy, and no heartbeat has said yet that they are here.</summary>
    public bool NewsUnconfirmed { get; init; }

    /// <summary>When files of a build are read from a CAP; null for none. Only while <see cref="ClientLifecycle.Approved"/>.</summary>
    public TimeSpan? FetchAt { get; init; }

    /// <summary>Something in the spool must not wait for the next poll.</summary>
    public bool UploadWaits { get; init; }

    /// <summary>Written records that the site has not acknowledged.</summary>
    public bool Unacknowledged { get; init; }
}

/// <summary>What to do now, and when to look again. All false: nothing but wait.</summary>
/// <param name="Contact">Open one lease: poll the pointer, upload what waits.</param>
/// <param name="Complete">Run the complete update workflow, not only the pointer poll.</param>
/// <param name="Wake">Monotonic moment of the next look; now when there is work.</param>
internal sealed record CyclePlan(bool Contact, bool Complete, bool Heartbeat, bool Inventory, bool ReadReceipts, TimeSpan Wake);

/// <summary>Decides what is due. Pure: the same facts and moment give the same plan.</summary>
internal static class CyclePlanner
{
    /// <summary>A retired client only looks, at most hourly, whether the site wants it back.</summary>
    public static readonly TimeSpan RetiredPoll = TimeSpan.FromHours(1);

    public static CyclePlan Plan(CycleFacts facts, TimeSpan now)
    {
        var reports = facts.Lifecycle == ClientLifecycle.Approved;
        var poll = NextPoll(facts);
        var complete = facts.Lifecycle switch
        {
            ClientLifecycle.Approved when facts is { Ordinal: { } ordinal, LastComplete: { } last } => EvenPhase.Next(last, facts.Intervals.Complete, ordinal, facts.PhaseOrigin),
            ClientLifecycle.Approved => Due(facts.LastComplete, facts.Intervals.Complete),
            // The first contact of a client that waits for approval counts as complete.
            ClientLifecycle.Installed when facts.LastComplete is not null => Due(facts.LastComplete, facts.Intervals.Complete),
            _ => TimeSpan.MaxValue,
        };
        var heartbeat = reports ? Due(facts.LastHeartbeat, facts.Intervals.Heartbeat) : TimeSpan.MaxValue;
        var inventory = reports ? Due(facts.LastInventory, facts.Intervals.Inventory) : TimeSpan.MaxValue;

        var wake = Backoff.Min(Backoff.Min(poll, complete), Backoff.Min(heartbeat, inventory));
        if (reports && facts.UploadWaits)
            wake = now;
        if (reports && facts.FetchAt is { } fetch)
            wake = Backoff.Min(wake, fetch);
        if (facts.RetryAt is { } retry)
            wake = Backoff.Max(wake, retry);
        if (wake > now)
            return new CyclePlan(Contact: false, Complete: false, Heartbeat: false, Inventory: false, ReadReceipts: false, wake);

        // Work that would be due before the next poll is not brought forward: it has a phase of its own.
        var verifies = complete <= now;
        // A complete cycle reports that it was one. A confirmation goes with the next contact, and makes none: a rotation must not bring the whole fleet twice.
        return new CyclePlan(Contact: true, verifies, heartbeat <= now || reports && (verifies || facts.NewsUnconfirmed), inventory <= now,
            ReadReceipts: facts.Unacknowledged || verifies, now);
    }

    private static TimeSpan NextPoll(CycleFacts facts)
    {
        if (facts.LastPoll is not { } last)
            return TimeSpan.MinValue;
        return facts.Lifecycle switch
        {
            ClientLifecycle.Installed => facts.NextApprovalPoll ?? TimeSpan.MinValue,
            ClientLifecycle.Retired => last + Backoff.Max(RetiredPoll, facts.Intervals.Poll),
            _ when facts.Ordinal is { } ordinal => EvenPhase.Next(last, facts.Intervals.Poll, ordinal, facts.PhaseOrigin),
            _ => last + facts.Intervals.Poll,
        };
    }

    private static TimeSpan Due(TimeSpan? last, TimeSpan interval) => last is { } moment ? moment + interval : TimeSpan.MinValue;
}
