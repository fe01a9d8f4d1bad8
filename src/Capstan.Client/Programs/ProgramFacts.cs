using Capstan.Client.Content;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>A program of a package: its history is kept under this, whatever offered it.</summary>
internal sealed record ProgramKey(string PackageId, string Name)
{
    public static ProgramKey Of(ProgramOffer offer) => new(offer.PackageId, offer.Program.Name);
}

/// <summary>One run of the ledger.</summary>
internal sealed record LedgerRun
{
    /// <summary>Name of its directory; never used again.</summary>
    public required string Id { get; init; }
    public required ProgramKey Program { get; init; }
    /// <summary>From 1, of this program on this device.</summary>
    public required long Number { get; init; }
    public required long PackageVersion { get; init; }
    public required string AdvertisementId { get; init; }
    public required long Revision { get; init; }
    /// <summary>Which of the advertisement's times it was for: see <see cref="Schedule"/>.</summary>
    public required long Occasion { get; init; }
    /// <summary>It took away what the program had done.</summary>
    public bool IsRemoval { get; init; }
    /// <summary>Of the start of the machine in which it was begun.</summary>
    public required string BootId { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>As in <see cref="ProgramRun"/>; null while nobody knows yet.</summary>
    public string? Outcome { get; init; }
    public int? ExitCode { get; init; }
    public string? Output { get; init; }

    public bool IsSuccess => Outcome is ProgramRun.Success or ProgramRun.SuccessReboot;
}

/// <summary>An advertisement on this device: what the site says, and what has happened here about it.</summary>
internal sealed record KnownAdvertisement
{
    public required Advertisement Document { get; init; }
    public required DateTimeOffset ReceivedAt { get; init; }
    /// <summary>A verified policy lists it no more.</summary>
    public bool IsWithdrawn { get; init; }
    /// <summary>Since when, by what this client has seen; null where that was not noted yet.</summary>
    public DateTimeOffset? WithdrawnAt { get; init; }
    /// <summary>It was listed last before the site was restored from a backup, which may not know it: that is no order.</summary>
    public bool IsOfEarlierEpoch { get; init; }
    /// <summary>What failed here the last time something was to be done for it, and until when it is left alone; null for nothing.</summary>
    public ContentWait? Trouble { get; init; }
    /// <summary>A person asked for it and it has not been run for that yet.</summary>
    public bool IsAsked { get; init; }
    public DateTimeOffset? PostponedUntil { get; init; }
    public int Postponements { get; init; }
    /// <summary>Since when whoever is logged on is told that it will run; null before.</summary>
    public DateTimeOffset? NoticedAt { get; init; }
    /// <summary>Why its content is not here, and when it is tried again; null for nothing.</summary>
    public ContentWait? Content { get; init; }
    /// <summary>What of the package documents that it needs could not be had; null when all are here.</summary>
    public string? Missing { get; init; }
}

/// <param name="Until">It is tried again then.</param>
internal sealed record ContentWait(string Cause, DateTimeOffset Until);

/// <summary>All that decides. Times are the wall clock's: it decides when something is due, and nothing that was done is forgotten by it.</summary>
internal sealed record ProgramFacts
{
    public required DateTimeOffset Now { get; init; }
    public required string DeviceId { get; init; }
    public required IReadOnlyList<KnownAdvertisement> Advertisements { get; init; }
    /// <summary>Every run of this device, oldest first.</summary>
    public required IReadOnlyList<LedgerRun> Runs { get; init; }
    /// <summary>What of a version is here.</summary>
    public required Func<PackageKey, ContentPresence> Content { get; init; }
    public required string BootId { get; init; }
    public required string Platform { get; init; }
    public required long MemoryBytes { get; init; }
    public required long FreeBytes { get; init; }
    /// <summary>Names of those who are logged on.</summary>
    public required IReadOnlyList<string> Users { get; init; }
    /// <summary>When programs begin by themselves.</summary>
    public required DailyHours Window { get; init; }
    /// <summary>The machine's own.</summary>
    public required TimeZoneInfo TimeZone { get; init; }
    /// <summary>Between the end of an offer and the removal of what it did: a machine that goes from one collection to another is for a moment in neither.</summary>
    public TimeSpan RemovalPause { get; init; } = TimeSpan.FromHours(1);
    /// <summary>Before a ring or a time that is the same for many devices, these read content, each at its phase of so long; zero where nobody is in the way of another.</summary>
    public TimeSpan ContentSpread { get; init; }
    /// <summary>This device's place among all, from 0 to 1 (exclusive).</summary>
    public double Phase { get; init; }
}

/// <summary>Words by which many devices' reasons are counted. Stable: docs/events.md.</summary>
internal static class ProgramCause
{
    public const string NotYet = "not-yet", Ring = "ring", Window = "window", Postponed = "postponed", Notice = "notice", Content = "content", Order = "order", Platform = "platform", Memory = "memory",
        Disk = "disk", NoUser = "no-user", UserLoggedOn = "user-logged-on", First = "first", FirstFailed = "first-failed", Queue = "queue", Retry = "retry", Halted = "halted", Expired = "expired",
        Offered = "offered", Removal = "removal", Reboot = "reboot", Recurs = "recurs", ExitCode = "exit-code", TimeLimit = "time-limit", NotStarted = "not-started", Unknown = "unknown", Done = "done",
        TimeZone = "time-zone", Trouble = "trouble";
}

/// <summary>Where an advertisement stands, and why.</summary>
/// <param name="State">One of <see cref="ProgramState"/>.</param>
/// <param name="Cause">One of <see cref="ProgramCause"/>; null for nothing to say.</param>
/// <param name="Reason">One line for people; null as that.</param>
/// <param name="Next">When it goes on by itself; null when something else has to happen.</param>
internal sealed record ProgramDecision(string AdvertisementId, string State, string? Cause, string? Reason, DateTimeOffset? Next)
{
    public LedgerRun? LastRun { get; init; }
}

/// <summary>What is to be done now: one thing at a time.</summary>
internal abstract record ProgramStep
{
    private ProgramStep()
    {
    }

    /// <summary>The advertisement that it is for.</summary>
    public abstract KnownAdvertisement For { get; init; }

    /// <param name="IsDue">A program waits for it.</param>
    public sealed record Fetch(KnownAdvertisement For, ProgramOffer Offer, bool IsDue) : ProgramStep;

    /// <param name="User">As whom; null for the system.</param>
    public sealed record Run(KnownAdvertisement For, ProgramOffer Offer, long Occasion, bool IsRemoval, string? User) : ProgramStep;

    /// <summary>Tell those who are logged on; after that it waits.</summary>
    /// <param name="Offer">What is to be run.</param>
    /// <param name="IsRestart">It has run, and this machine is started anew for it.</param>
    public sealed record Notice(KnownAdvertisement For, ProgramOffer Offer, bool IsRestart) : ProgramStep;

    /// <summary>They are offered no more, and there is nothing to remove.</summary>
    public sealed record Forget(IReadOnlyList<KnownAdvertisement> All) : ProgramStep
    {
        public override KnownAdvertisement For { get; init; } = All[0];
    }

    /// <summary>Start the machine anew, as the program asks.</summary>
    public sealed record Restart(KnownAdvertisement For, LedgerRun After) : ProgramStep;
}

/// <param name="Step">Null: nothing but wait.</param>
/// <param name="Wake">When to look again; null when only an event can change anything.</param>
internal sealed record ProgramPlan(IReadOnlyList<ProgramDecision> Decisions, ProgramStep? Step, DateTimeOffset? Wake);
