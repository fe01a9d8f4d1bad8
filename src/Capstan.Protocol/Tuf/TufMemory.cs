namespace Capstan.Protocol.Tuf;

/// <summary>What a process remembers of the metadata that it has verified itself, so that an idle poll compares bytes and verifies nothing anew. Not thread-safe.</summary>
/// <remarks>
/// It vouches for one pointer only, byte for byte, whose root, snapshot and targets were complete in the trust store when it was kept; anything else, a damaged store included, is seen by the complete workflow,
/// which every other pointer and every cycle runs. Expiry is judged at each poll.
/// </remarks>
public sealed class TufMemory
{
    private (ReadOnlyMemory<byte> Pointer, long Version, DateTimeOffset SignedAt, DateTimeOffset Expires)? _known;

    internal void Keep(TrustedMetadata trusted) =>
        _known = trusted.IsComplete ? (trusted.Timestamp!.File.Bytes, trusted.Timestamp.Version, trusted.SignedAt, trusted.Expires) : null;

    internal void Forget() => _known = null;

    /// <summary>The result for a pointer that is the very one that was kept; null for any other.</summary>
    internal TufUpdate? Recall(ReadOnlySpan<byte> pointer, DateTimeOffset now) => _known is { } known && known.Pointer.Span.SequenceEqual(pointer)
        ? new TufUpdate(TrustedMetadata.IsPast(known.Expires, known.SignedAt, now) ? TufState.Stale : TufState.Unchanged, known.Version, known.SignedAt, known.Expires)
        : null;
}
