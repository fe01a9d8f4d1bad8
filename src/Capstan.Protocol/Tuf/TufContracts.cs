namespace Capstan.Protocol.Tuf;

/// <summary>Where metadata and targets are read from. Paths are relative to the CAP's root.</summary>
public interface ITufSource
{
    /// <summary>The whole file, or null when it is not there. Reads nothing beyond <paramref name="maxBytes"/>.</summary>
    /// <exception cref="ProtocolException"><see cref="ProtocolError.TooLarge"/>.</exception>
    ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken);
}

/// <summary>Where a client keeps the metadata that it trusts. A crash between two calls must leave the old or the new file, never a mixture.</summary>
public interface ITrustStore
{
    /// <summary>The trusted bytes of <c>root</c>, <c>timestamp</c>, <c>snapshot</c>, <c>targets</c> or a delegated role; null for none.</summary>
    ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken);
    ValueTask SaveAsync(string role, ReadOnlyMemory<byte> metadata, CancellationToken cancellationToken);
    /// <summary>Forgets a role (only snapshot and timestamp, after their keys changed: TUF 5.3.11).</summary>
    ValueTask DeleteAsync(string role, CancellationToken cancellationToken);
}

/// <summary>What one run of the client workflow found.</summary>
/// <param name="State"><see cref="TufState.Unchanged"/>: timestamp.json is byte for byte the trusted one, nothing else was read.</param>
/// <param name="TimestampVersion">Of the trusted timestamp.</param>
/// <param name="SignedAt">When the site says it signed the trusted timestamp; the reference for a slow clock.</param>
/// <param name="Expires">The earliest expiry among the trusted metadata used.</param>
public sealed record TufUpdate(TufState State, long TimestampVersion, DateTimeOffset SignedAt, DateTimeOffset Expires);

public enum TufState
{
    Unchanged = 1,
    Updated = 2,
    /// <summary>Authentic, but past its expiry by <c>max(local clock, SignedAt)</c>: no new orders are taken from it.</summary>
    Stale = 3,
}
