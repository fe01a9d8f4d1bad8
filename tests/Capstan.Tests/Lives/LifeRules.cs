namespace Capstan.Tests.Lives;

/// <summary>How large one life is, and what may happen in it.</summary>
internal sealed record LifeRules
{
    /// <summary>Lives one life again: <c>SEED,MACHINES,DAYS</c>.</summary>
    public const string Variable = "CAPSTAN_LIFE";

    public int Machines { get; init; } = 20;

    public TimeSpan Length { get; init; } = TimeSpan.FromDays(90);

    /// <summary>Between two times at which a machine is on, on average; half of them are four times as often.</summary>
    public TimeSpan MeanSleep { get; init; } = TimeSpan.FromDays(5);

    /// <summary>Between two passes of the site.</summary>
    public TimeSpan MeanPause { get; init; } = TimeSpan.FromDays(1.5);

    /// <summary>Between two mishaps of the whole site.</summary>
    public TimeSpan MeanMishap { get; init; } = TimeSpan.FromDays(2);

    /// <summary>What may happen; all of it unless a test looks for one cause.</summary>
    public Mishaps Mishaps { get; init; } = Mishaps.All;

    /// <summary>How long all is left alone at the end: longer than a gap is waited for, and a build is tried.</summary>
    public TimeSpan Quiet { get; init; } = TimeSpan.FromDays(30);
}

/// <summary>Kinds of mishaps.</summary>
[Flags]
internal enum Mishaps
{
    None = 0,
    /// <summary>Machines crash at any operation on storage, and meet faults before, after and inside any.</summary>
    Crashes = 1,
    /// <summary>Machines are set back to a snapshot.</summary>
    Snapshots = 2,
    /// <summary>Machines are copied.</summary>
    Clones = 4,
    /// <summary>A machine's database is lost, and its keys are not.</summary>
    LostStates = 8,
    /// <summary>Wall clocks of machines and of the site jump.</summary>
    Clocks = 16,
    /// <summary>Uploads are deleted, duplicated, held back and put into another CAP.</summary>
    Uploads = 32,
    /// <summary>CAPs are down, full, lose what was not flushed, or are put back to an older copy.</summary>
    Storage = 64,
    /// <summary>CAPs are replaced one by one and all at once.</summary>
    Replacements = 128,
    /// <summary>The site is off, killed at any operation on storage, and restored from backups.</summary>
    Restores = 256,
    /// <summary>The site's keys are replaced, also the root's.</summary>
    Rotations = 512,
    /// <summary>Builds are ordered, good and bad ones.</summary>
    Builds = 1024,
    /// <summary>Clients are retired.</summary>
    Retirements = 2048,
    /// <summary>Machines are off for months.</summary>
    Absences = 4096,
    All = 8191,
}
