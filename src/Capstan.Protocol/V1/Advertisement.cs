namespace Capstan.Protocol.V1;

/// <summary>Target <c>packages/adv-&lt;id&gt;.json</c>: the offer of a program. Shared by all devices whose policy names its id; what it says of them they compute themselves.</summary>
/// <remarks>Times are Unix seconds. It holds a snapshot of its program, so that a change of the program is a change of this target and of no policy.</remarks>
public sealed record Advertisement
{
    public const string Required = "required", Available = "available";
    public const string Active = "active", Halted = "halted";

    internal const int MaxRings = 16;

    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    /// <summary>See <see cref="ObjectId"/>; never used again for another one.</summary>
    public required string AdvertisementId { get; init; }
    /// <summary>From 1; rises with each edit.</summary>
    public required long Revision { get; init; }
    public required string Name { get; init; }
    /// <summary>The program, and the version of the package that it belongs to.</summary>
    public required ProgramOffer Offer { get; init; }
    /// <summary><see cref="Required"/>: it runs by itself. <see cref="Available"/>: when a person asks for it.</summary>
    public required string Purpose { get; init; }
    /// <summary><see cref="Active"/>, or <see cref="Halted"/>: nothing more begins; what runs goes on.</summary>
    public required string State { get; init; }
    /// <summary>Why it was halted, in one line; null while it is active.</summary>
    public string? HaltedBecause { get; init; }
    /// <summary>A person may start it from then on. Null: at once.</summary>
    public long? AvailableFrom { get; init; }
    /// <summary>It runs by itself from then on, inside maintenance windows. Null: as soon as it is offered.</summary>
    public long? StartAt { get; init; }
    /// <summary>From then on neither windows nor postponements hold it back. Null: they always do.</summary>
    public long? Deadline { get; init; }
    /// <summary>Nothing of it begins from then on. Null: it does not end by itself.</summary>
    public long? ExpiresAt { get; init; }
    /// <summary>Null: once.</summary>
    public Recurrence? Recurrence { get; init; }
    /// <summary>0 to 1,000; of what may run at one time the highest goes first.</summary>
    public required int Priority { get; init; }
    /// <summary>When which part of the devices begins, in rising order of both; the last one has 100 %. Null: all at once.</summary>
    public IReadOnlyList<RolloutRing>? Rings { get; init; }
    /// <summary>Content is read over a link that was measured to be slow.</summary>
    public required bool OverSlowLinks { get; init; }
    /// <summary>Content is read over a link of which nothing was measured yet.</summary>
    public required bool OverUnknownLinks { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        ObjectId.Check("advertisementId", AdvertisementId, problems);
        problems.Range("revision", Revision, 1, long.MaxValue);
        problems.Line("name", Name, 200);
        problems.Part("offer", Offer, static (problems, part) => part.Check(problems));
        problems.OneOf("purpose", Purpose, Required, Available);
        problems.OneOf("state", State, Active, Halted);
        if (HaltedBecause is not null)
            problems.Line("haltedBecause", HaltedBecause, 500);
        problems.Seconds("availableFrom", AvailableFrom);
        problems.Seconds("startAt", StartAt);
        problems.Seconds("deadline", Deadline);
        problems.Seconds("expiresAt", ExpiresAt);
        if (Recurrence is not null)
            problems.Part("recurrence", Recurrence, static (problems, part) => part.Check(problems));
        problems.Require(Recurrence is null || Purpose == Required, "recurrence", "is for what is required");
        problems.Range("priority", Priority, 0, 1_000);
        if (Rings is null)
            return;
        problems.Each("rings", Rings, static (problems, ring) => ring.Check(problems), MaxRings);
        problems.Require(Rings.Count > 0 && Rings[^1]?.Percent == 100, "rings", "must end with 100 percent");
        problems.Require(Rings.Zip(Rings.Skip(1)).All(pair => pair.First is null || pair.Second is null || (pair.First.Percent < pair.Second.Percent && pair.First.At <= pair.Second.At)), "rings", "must rise");
    }
}

/// <summary>Devices whose place is within the first <paramref name="Percent"/> of 100 begin at <paramref name="At"/>; see <see cref="RolloutPlace"/>.</summary>
/// <param name="Percent">1 to 100.</param>
/// <param name="At">Unix seconds.</param>
public sealed record RolloutRing(int Percent, long At)
{
    internal void Check(Problems problems)
    {
        problems.Range("percent", Percent, 1, 100);
        problems.Seconds("at", At);
    }
}

/// <summary>When something is due again. Exactly one of <see cref="EverySeconds"/> and <see cref="MinuteOfDay"/> is given.</summary>
public sealed record Recurrence
{
    public const string Local = "local", Utc = "utc";

    /// <summary>Counted from the advertisement's start; one hour to a year. Null for a calendar.</summary>
    public int? EverySeconds { get; init; }
    /// <summary>0 to 1,439; null for an interval.</summary>
    public int? MinuteOfDay { get; init; }
    /// <summary>0 is Sunday; null for every day.</summary>
    public IReadOnlyList<int>? DaysOfWeek { get; init; }
    /// <summary><see cref="Local"/> (the machine's own), <see cref="Utc"/>, or a name of the IANA data base; null for an interval.</summary>
    public string? TimeZone { get; init; }

    internal void Check(Problems problems)
    {
        problems.Require(EverySeconds is null != MinuteOfDay is null, "everySeconds", "must be given, or minuteOfDay, not both");
        problems.Range("everySeconds", EverySeconds ?? 3_600, 3_600, 366 * 86_400);
        problems.Range("minuteOfDay", MinuteOfDay ?? 0, 0, 1_439);
        problems.Require(MinuteOfDay is null || TimeZone is not null, "timeZone", "must be given with minuteOfDay");
        if (TimeZone is not null)
            problems.Line("timeZone", TimeZone, 64);
        if (DaysOfWeek is not null)
            problems.Each("daysOfWeek", DaysOfWeek, static (problems, day) => problems.Range("", day, 0, 6), 7);
        problems.Require(DaysOfWeek is not { Count: 0 }, "daysOfWeek", "must not be empty");
    }
}

/// <summary>A program, and the version of the package that it runs from.</summary>
public sealed record ProgramOffer
{
    /// <summary>How deep <see cref="First"/> may go.</summary>
    public const int MaxSteps = 4;

    public required string PackageId { get; init; }
    public required long PackageVersion { get; init; }
    public required string PackageName { get; init; }
    public required ProgramRules Program { get; init; }
    /// <summary>What has to have succeeded before; null for nothing.</summary>
    public ProgramOffer? First { get; init; }

    /// <summary>This one, and all that have to have succeeded before it, the nearest first.</summary>
    public IEnumerable<ProgramOffer> Chain()
    {
        for (var offer = this; offer is not null; offer = offer.First)
            yield return offer;
    }

    internal void Check(Problems problems)
    {
        ObjectId.Check("packageId", PackageId, problems);
        problems.Range("packageVersion", PackageVersion, 1, long.MaxValue);
        problems.Line("packageName", PackageName, 200);
        problems.Part("program", Program, static (problems, part) => part.Check(problems));
        if (Chain().Take(MaxSteps + 1).Count() > MaxSteps)
            problems.Add("first", $"goes deeper than {MaxSteps}");
        else if (First is not null)
            problems.Part("first", First, static (problems, part) => part.Check(problems));
    }
}
