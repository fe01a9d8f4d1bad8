namespace Capstan.Protocol.V1;

/// <summary>Upload item <c>programs</c>: how a device stands with every advertisement that it knows. The whole of it each time, so that the newest is the truth whatever was lost before.</summary>
public sealed record ProgramsReport
{
    /// <summary>Most advertisements of one device.</summary>
    public const int MaxAdvertisements = 1_000;

    public int Version { get; init; } = 1;
    /// <summary>Unix milliseconds by the device's clock.</summary>
    public required long MadeAt { get; init; }
    public required IReadOnlyList<AdvertisementState> Advertisements { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Milliseconds("madeAt", MadeAt);
        problems.Each("advertisements", Advertisements, static (problems, state) => state.Check(problems), MaxAdvertisements);
        problems.Require(Advertisements.DistinctBy(state => state?.AdvertisementId, StringComparer.Ordinal).Count() == Advertisements.Count, "advertisements", "must name each advertisement once");
    }
}

/// <summary>One advertisement on one device.</summary>
public sealed record AdvertisementState
{
    public required string AdvertisementId { get; init; }
    /// <summary>Of the advertisement as the device has it.</summary>
    public required long Revision { get; init; }
    /// <summary>One of <see cref="ProgramState"/>.</summary>
    public required string State { get; init; }
    /// <summary>Cause, limit, reading, next step in one line; null when there is nothing to say.</summary>
    public string? Reason { get; init; }
    /// <summary>A word for <see cref="Reason"/> by which many devices can be counted; null as that.</summary>
    public string? Cause { get; init; }
    /// <summary>Since when it is in this state; Unix milliseconds by the device's clock.</summary>
    public required long Since { get; init; }
    /// <summary>When it goes on by itself; Unix seconds, null when it does not.</summary>
    public long? NextTry { get; init; }
    /// <summary>Content that is here, of <see cref="TotalBytes"/>; null before anything of it is known.</summary>
    public long? HereBytes { get; init; }
    public long? TotalBytes { get; init; }
    /// <summary>The CAP that content was last read from; null for none.</summary>
    public string? Source { get; init; }
    /// <summary>Null when it never ran.</summary>
    public ProgramRun? LastRun { get; init; }

    internal void Check(Problems problems)
    {
        ObjectId.Check("advertisementId", AdvertisementId, problems);
        problems.Range("revision", Revision, 1, long.MaxValue);
        problems.OneOf("state", State, [.. ProgramState.All]);
        if (Reason is not null)
            problems.Line("reason", Reason, 500);
        if (Cause is not null)
            problems.Word("cause", Cause);
        problems.Milliseconds("since", Since);
        problems.Seconds("nextTry", NextTry);
        problems.Amount("hereBytes", HereBytes);
        problems.Amount("totalBytes", TotalBytes);
        if (Source is not null)
            problems.Line("source", Source, 1_000);
        if (LastRun is not null)
            problems.Part("lastRun", LastRun, static (problems, part) => part.Check(problems));
    }
}

/// <summary>One run of a program.</summary>
public sealed record ProgramRun
{
    public const string Success = "success", SuccessReboot = "success-reboot", Retry = "retry", Failure = "failure", TimeLimit = "time-limit", NotStarted = "not-started", Unknown = "unknown";

    /// <summary>From 1, of this program on this device.</summary>
    public required long Number { get; init; }
    public required long PackageVersion { get; init; }
    /// <summary>Unix milliseconds by the device's clock.</summary>
    public required long StartedAt { get; init; }
    /// <summary>Null while it runs, and when nobody saw the end.</summary>
    public long? EndedAt { get; init; }
    /// <summary>Null while it runs.</summary>
    public string? Outcome { get; init; }
    /// <summary>Null when there is none. A program that a signal ended has 128 and the signal's number.</summary>
    public int? ExitCode { get; init; }
    /// <summary>The end of what it printed, for a run that failed; null for none.</summary>
    public string? Output { get; init; }

    /// <summary>Most characters of <see cref="Output"/>.</summary>
    public const int MaxOutput = 1_000;

    internal void Check(Problems problems)
    {
        problems.Range("number", Number, 1, long.MaxValue);
        problems.Range("packageVersion", PackageVersion, 1, long.MaxValue);
        problems.Milliseconds("startedAt", StartedAt);
        problems.Milliseconds("endedAt", EndedAt ?? 0);
        if (Outcome is not null)
            problems.OneOf("outcome", Outcome, Success, SuccessReboot, Retry, Failure, TimeLimit, NotStarted, Unknown);
        problems.Text("output", Output, MaxOutput);
    }
}

/// <summary>Where an advertisement stands on a device.</summary>
public static class ProgramState
{
    public const string Received = "received";
    /// <summary>Offered to whoever uses the machine; nothing happens by itself.</summary>
    public const string Shown = "shown";
    public const string Waiting = "waiting";
    public const string Downloading = "downloading";
    public const string Ready = "ready";
    public const string Running = "running";
    public const string PendingReboot = "pending-reboot";
    public const string Succeeded = "succeeded";
    public const string Failed = "failed";
    /// <summary>It was begun, and nobody saw how it ended; the rerun policy said not to begin it again.</summary>
    public const string Unknown = "unknown";
    /// <summary>Expired or halted before it was run here.</summary>
    public const string Ended = "ended";

    public static IReadOnlyList<string> All { get; } = [Received, Shown, Waiting, Downloading, Ready, Running, PendingReboot, Succeeded, Failed, Unknown, Ended];
}
