using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Capstan.Protocol.Tuf;

/// <summary>Keys of the site by role name: <c>root targets snapshot timestamp site packages client policy</c>. All but root are needed to publish.</summary>
/// <remarks>P-256 with their private parts. The owner disposes them, and imports nothing else into them.</remarks>
public sealed record TufKeys(IReadOnlyDictionary<string, ECDsa> ByRole)
{
    /// <summary>Computing an id costs more than a signature, and 256 bins share one key.</summary>
    private readonly ConcurrentDictionary<ECDsa, string> _ids = new();

    internal string IdOf(string role) => _ids.GetOrAdd(For(role), TufKey.IdOf);

    /// <exception cref="ArgumentException">The role's key is not among them.</exception>
    internal ECDsa For(string role) =>
        ByRole.TryGetValue(role, out var key) ? key : throw new ArgumentException($"The key of role {role} is missing.", nameof(role));
}

/// <summary>How long signatures hold. Defaults are those of a LAN.</summary>
public sealed record TufLifetimes
{
    public TimeSpan Root { get; init; } = TimeSpan.FromDays(3650);
    public TimeSpan Targets { get; init; } = TimeSpan.FromDays(365);
    public TimeSpan Snapshot { get; init; } = TimeSpan.FromDays(365);
    public TimeSpan Timestamp { get; init; } = TimeSpan.FromDays(30);
    /// <summary>The timestamp is signed again after this; default 7 days.</summary>
    public TimeSpan TimestampRefresh { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Of every role but the timestamp: delegated roles live as long as targets.</summary>
    internal TimeSpan For(string role) => role switch
    {
        TufRole.Root => Root,
        TufRole.Snapshot => Snapshot,
        TufRole.Timestamp => Timestamp,
        _ => Targets,
    };

    /// <summary>Less than a third of its life is left; or more than its whole life and a day, because the site's clock was ahead when it was signed.</summary>
    internal bool IsDue(string role, DateTimeOffset expires, DateTimeOffset now) =>
        expires - now < For(role) / 3 || expires - now > For(role) + TimeSpan.FromDays(1);
}

/// <summary>One file to write to the CAP, in the order in which it must be written.</summary>
/// <param name="Path">Relative to the CAP's root.</param>
/// <param name="IsPointer">True for <c>timestamp.json</c> only: replaced, last.</param>
public sealed record TufFile(string Path, ReadOnlyMemory<byte> Content, bool IsPointer);
