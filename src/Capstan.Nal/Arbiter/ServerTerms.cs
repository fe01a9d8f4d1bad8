namespace Capstan.Nal.Arbiter;

/// <summary>What a site publishes of the machine that hosts a client access point. What nobody published is assumed to license connections, and to tell nothing else.</summary>
public sealed record ServerTerms
{
    /// <summary>How long a connection stays after its last lease: zero (the default) where the server licenses connections; 60 s where it licenses devices.</summary>
    public TimeSpan Linger { get; init; }

    /// <summary>How long a connection is held there on average: a server that is full is asked again after half to one and a half of it. Null where nobody measured it.</summary>
    public TimeSpan? MeanHold { get; init; }

    /// <summary>After which the server ends a session that nobody uses. Default 15 min, as Windows servers do.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Other names of the same server, as <see cref="Paths.NalPath.Server"/> gives them: they share its slots and connections.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];
}
