using Capstan.Nal;

namespace Capstan.Fleet;

/// <summary>One cycle of one client, as far as it came. Moments are those of <see cref="FleetDoor.Now"/>.</summary>
internal sealed record FleetCycle
{
    /// <summary>When it was due.</summary>
    public TimeSpan Due { get; init; }

    /// <summary>How long its connection lasts at least.</summary>
    public TimeSpan Hold { get; init; }

    /// <summary>When it got its first connection; null for never.</summary>
    public TimeSpan? Connected { get; init; }

    /// <summary>When a CAP had served it to its end and the connection was given back; null for never.</summary>
    public TimeSpan? Ended { get; init; }

    /// <summary>Connection attempts at a server's door.</summary>
    public int Attempts { get; init; }

    /// <summary>Those that the server refused for capacity.</summary>
    public int Refused { get; init; }

    /// <summary>Why the last attempt failed; null when it did not.</summary>
    public NalException? Failure { get; init; }

    /// <summary>From the moment it was due to its first connection; null without one.</summary>
    public TimeSpan? Wait => Connected - Due;
}
