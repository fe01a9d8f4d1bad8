namespace Capstan.Protocol.V1;

/// <summary>What one device used of the site's CAPs since it said so last, hour by hour: what the site counts, warns and paces by.</summary>
/// <remarks>Several rows of one CAP and hour are added up.</remarks>
public sealed record CapUse
{
    /// <summary>Most rows of one report: two weeks of one CAP, every hour. The oldest give way.</summary>
    public const int MaxHours = 336;

    public int Version { get; init; } = 1;
    public required IReadOnlyList<CapUseHour> Hours { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Each("hours", Hours, static (problems, hour) => hour.Check(problems), MaxHours);
    }
}

/// <param name="Path">As the CAP list has it.</param>
/// <param name="Hour">Beginning of the hour, Unix seconds by the device's clock; a multiple of 3,600.</param>
/// <param name="Connections">Times that a connection was lent to this client and given back.</param>
/// <param name="HeldMilliseconds">All of these together, from the lending until the server had confirmed the close.</param>
/// <param name="Refused">Times that this CAP was refused for capacity.</param>
public sealed record CapUseHour(string Path, long Hour, int Connections, long HeldMilliseconds, int Refused)
{
    public const int SecondsPerHour = 3_600;

    /// <summary>Most connections, and most refusals, of one row.</summary>
    public const int MostTimes = 1_000_000;

    /// <summary>31 days: a hold that began in this hour may end in a later one.</summary>
    public const long MostMilliseconds = 31L * 86_400_000;

    internal void Check(Problems problems)
    {
        problems.Line("path", Path);
        problems.Seconds("hour", Hour);
        problems.Require(Hour % SecondsPerHour == 0, "hour", "must be the beginning of an hour");
        problems.Range("connections", Connections, 0, MostTimes);
        problems.Range("heldMilliseconds", HeldMilliseconds, 0, MostMilliseconds);
        problems.Range("refused", Refused, 0, MostTimes);
    }
}
