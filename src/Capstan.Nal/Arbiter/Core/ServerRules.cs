namespace Capstan.Nal.Arbiter.Core;

/// <summary>What one server's connections are bounded by. Times are lengths on the monotonic clock.</summary>
internal sealed record ServerRules
{
    /// <summary>For storage that counts nobody: any number of connections, no slots, no limits in time.</summary>
    public static readonly ServerRules Uncounted = new() { IsCounted = false, Budget = int.MaxValue, Lifetime = TimeSpan.MaxValue, LongestLease = TimeSpan.MaxValue };

    /// <summary>Whether a slot of the machine is needed for each connection.</summary>
    public bool IsCounted { get; init; } = true;

    /// <summary>Connections that this process may have or ask for at one time; from 1.</summary>
    public int Budget { get; init; } = 1;

    /// <summary>Requests that may wait in the queue, and as many further ones for each attempt; from 0.</summary>
    public int MaxWaiting { get; init; } = 1_024;

    /// <summary>How long a connection stays after its last lease: nothing where the server licenses connections, a while where it licenses devices.</summary>
    public TimeSpan Linger { get; init; }

    /// <summary>After this the connection takes no further lease, and closes with its last one.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>As <see cref="Lifetime"/>, while somebody else on this machine waits for a slot.</summary>
    public TimeSpan LifetimeWhileWanted { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A lease that is held longer ends without its holder.</summary>
    public TimeSpan LongestLease { get; init; } = TimeSpan.FromHours(1);
}
