namespace Capstan.Protocol.Tuf;

/// <summary>The complete client workflow of TUF 1.0 section 5 over an <see cref="ITufSource"/>. Not thread-safe: one run at a time.</summary>
public sealed class TufClient
{
    public TufClient(ITufSource source, ITrustStore store, TimeProvider time) => throw new NotSupportedException("not built yet");

    /// <summary>Trusts the root with this hash and version, read from the source (enrolment). No effect when a root is trusted already.</summary>
    /// <exception cref="ProtocolException"/>
    public ValueTask TrustRootAsync(string rootHash, int rootVersion, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>The idle poll: reads timestamp.json only; runs the complete workflow when it changed or did not verify, or when <paramref name="complete"/> is set.</summary>
    /// <exception cref="ProtocolException">The trusted metadata stays as it was.</exception>
    public ValueTask<TufUpdate> RefreshAsync(bool complete, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>A target's verified bytes; null when no trusted role lists it. Delegated roles are read as needed and verified.</summary>
    /// <param name="targetPath">For example <c>site/site.json</c>.</param>
    /// <param name="maxBytes">Refused above this, before reading.</param>
    /// <exception cref="ProtocolException"/>
    public ValueTask<TufTarget?> ReadTargetAsync(string targetPath, long maxBytes, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");
}

/// <param name="Content">Verified against length and hash.</param>
/// <param name="RoleVersion">Version of the role that lists it: what a client reports as its policy version.</param>
public sealed record TufTarget(string Path, ReadOnlyMemory<byte> Content, long RoleVersion, string Sha256);
