using System.Text.Json.Serialization;

namespace Capstan.Client.Programs.Gate;

/// <summary>What a gate is to start: complete, so that it asks nobody. Durable before the gate is.</summary>
internal sealed record RunOrder
{
    /// <summary>What this program understands.</summary>
    public const int Known = 1;

    /// <summary>Raised when an older gate must not carry it out: what it does not know, it would leave out.</summary>
    public int Version { get; init; } = Known;
    /// <summary>Absolute path; never looked up anywhere else.</summary>
    public required string Executable { get; init; }
    /// <summary>Without the program's own name.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>Absolute path.</summary>
    public required string WorkingDirectory { get; init; }
    /// <summary>Absolute path of the package's verified files, which are shown to a user who may not enter the directories above; null for what needs none.</summary>
    public string? Content { get; init; }
    /// <summary>The whole environment, but for what a user has of his own (HOME, USER and the like): nothing of the gate's is handed on.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
    /// <summary>A user's name, who then runs it; null for the user of the gate.</summary>
    public string? User { get; init; }
    /// <summary>Then all of it is ended.</summary>
    public required int TimeLimitSeconds { get; init; }
    /// <summary>Between asking it to end and ending it. Default 10 s.</summary>
    public int GraceSeconds { get; init; } = 10;
    /// <summary>The run has ended when everything that it started has; otherwise when the program itself has.</summary>
    public required bool WaitsForChildren { get; init; }
}

/// <summary>Written before the program is started: from here on it counts as having run.</summary>
/// <param name="BootId">Of this start of the machine.</param>
/// <param name="StartedAt">Unix milliseconds.</param>
/// <param name="Session">The gate's process id, and that of the session in which the program is.</param>
/// <param name="SessionStart">When the gate was started, in clock ticks since the machine was: tells a session from one that got its number later.</param>
/// <param name="AwakeAt">How long the machine had been awake then, in milliseconds: the clock of the time limit, which stands while the machine sleeps. Null in what older clients wrote.</param>
internal sealed record RunStarted(string BootId, long StartedAt, int Session, long SessionStart, long? AwakeAt = null);

/// <summary>How a run ended; written once.</summary>
internal sealed record RunEnded
{
    public const string Exited = "exited", TimeLimit = "time-limit", NotStarted = "not-started";

    /// <summary>One of the above.</summary>
    public required string How { get; init; }
    /// <summary>The program's; 128 and the number for one that a signal ended. Null when it was not started.</summary>
    public int? ExitCode { get; init; }
    /// <summary>One line: why it did not start, or what was left after the time limit. Null for nothing.</summary>
    public string? Detail { get; init; }
    /// <summary>Unix milliseconds.</summary>
    public required long EndedAt { get; init; }
    /// <summary>All that it printed.</summary>
    public long OutputBytes { get; init; }
    /// <summary>What of it was kept: the beginning, and the end where that is another part. Control characters are replaced.</summary>
    public string OutputHead { get; init; } = "";
    public string OutputTail { get; init; } = "";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RunOrder))]
[JsonSerializable(typeof(ProgramPlan))]
[JsonSerializable(typeof(RunStarted))]
[JsonSerializable(typeof(RunEnded))]
internal sealed partial class RunJson : JsonSerializerContext;
