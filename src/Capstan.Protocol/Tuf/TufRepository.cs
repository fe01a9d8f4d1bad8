using System.Security.Cryptography;

namespace Capstan.Protocol.Tuf;

/// <summary>Keys of the site by role name: <c>root targets snapshot timestamp site packages client policy</c>. All but root are needed to publish.</summary>
public sealed record TufKeys(IReadOnlyDictionary<string, ECDsa> ByRole);

/// <summary>One file to write to the CAP, in the order in which it must be written.</summary>
/// <param name="Path">Relative to the CAP's root.</param>
/// <param name="IsPointer">True for <c>timestamp.json</c> only: replaced, last.</param>
public sealed record TufFile(string Path, ReadOnlyMemory<byte> Content, bool IsPointer);

/// <summary>The publishing side: a pure function from the last state and changed targets to files and the next state. Not thread-safe.</summary>
/// <remarks>State is a document that the site stores; it holds versions, hashes and target lists, no keys.</remarks>
public sealed class TufRepository
{
    /// <summary>A new repository: signs root version 1 (the only moment besides rotation at which the root key is needed).</summary>
    /// <param name="binBits">Bits of the policy bins: 8 for up to 20,000 clients, 10 beyond.</param>
    public static TufRepository Create(TufKeys keys, DateTimeOffset now, int binBits = 8, TufLifetimes? lifetimes = null) => throw new NotSupportedException("not built yet");

    /// <exception cref="ProtocolException">The state is not one of ours.</exception>
    public static TufRepository Load(ReadOnlySpan<byte> state) => throw new NotSupportedException("not built yet");

    /// <summary>The document to store: durable before the files are written.</summary>
    public byte[] Save() => throw new NotSupportedException("not built yet");

    public int RootVersion => throw new NotSupportedException("not built yet");
    public string RootHash => throw new NotSupportedException("not built yet");

    /// <summary>Adds or replaces a target; it becomes visible with the next <see cref="Publish"/>.</summary>
    public void SetTarget(string targetPath, ReadOnlyMemory<byte> content) => throw new NotSupportedException("not built yet");

    public void RemoveTarget(string targetPath) => throw new NotSupportedException("not built yet");

    /// <summary>Signs what changed, or whatever comes near its expiry. Empty when nothing must be written.</summary>
    /// <param name="seenOnCap">The highest version that the CAP verifiably shows (0 when nothing): versions go above it.</param>
    /// <param name="force">Signs a new timestamp even if nothing changed.</param>
    public IReadOnlyList<TufFile> Publish(TufKeys keys, DateTimeOffset now, long seenOnCap, bool force = false) => throw new NotSupportedException("not built yet");

    /// <summary>Every metadata file of the current state, for a CAP that lost some. Targets are the caller's to add.</summary>
    public IReadOnlyList<TufFile> AllMetadata() => throw new NotSupportedException("not built yet");

    /// <summary>Paths (with hash prefix) of all current targets and metadata: what garbage collection must keep.</summary>
    public IReadOnlySet<string> CurrentFiles() => throw new NotSupportedException("not built yet");
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
}
