namespace Capstan.Protocol.Tuf;

/// <summary>The deciding core of the client workflow (TUF 1.0 section 5.3 to 5.6): takes bytes, enforces the order of roles, holds what is trusted. No I/O, no clock.</summary>
/// <remarks>
/// A member that throws <see cref="ProtocolException"/> leaves everything as it was. Not thread-safe.
/// <para>
/// Expiry never throws here. Metadata past its expiry is as authentic as before; the caller asks <see cref="IsStale"/> and takes no new orders from it.
/// The reference for expiry is <c>max(local clock, signed-at of the trusted timestamp)</c>. Signed-at is that of the <i>newest accepted</i> timestamp (highest
/// version), not the latest time ever seen: a site whose clock once ran years ahead recovers by publishing a higher version with a sane time, and nothing
/// is lost by it, because going back is prevented by versions and not by times.
/// </para>
/// </remarks>
internal sealed class TrustedMetadata
{
    private readonly Dictionary<(string Role, string Delegator), TargetsMetadata> _delegated = [];

    private TrustedMetadata(RootMetadata root) => Root = root;

    public RootMetadata Root { get; private set; }

    public TimestampMetadata? Timestamp { get; private set; }

    /// <summary>May be older than <see cref="Timestamp"/> says (between two steps): then it only serves to see a rollback.</summary>
    public SnapshotMetadata? Snapshot { get; private set; }

    /// <summary>Null while it is not the one that <see cref="Snapshot"/> lists.</summary>
    public TargetsMetadata? Targets { get; private set; }

    public bool HasSnapshot => Timestamp is not null && Snapshot is not null && Snapshot.Version == Timestamp.Snapshot.Version;

    /// <summary>Root, timestamp, snapshot and targets fit together: the repository can be read.</summary>
    public bool IsComplete => HasSnapshot && Targets is not null;

    /// <summary>The earliest expiry among the four roles.</summary>
    public DateTimeOffset Expires =>
        new SignedMetadata?[] { Root, Timestamp, Snapshot, Targets }.Min(metadata => metadata?.Expires) ?? Root.Expires;

    public DateTimeOffset SignedAt => Timestamp?.SignedAt ?? DateTimeOffset.UnixEpoch;

    /// <summary>Begins with a root that is trusted for another reason: from the trust store, or by the hash in an enrolment token. It must sign itself.</summary>
    public static TrustedMetadata Begin(ReadOnlyMemory<byte> trustedRoot, string document)
    {
        var root = RootMetadata.Parse(MetadataFile.Parse(trustedRoot, TufLimits.RootBytes, document));
        root.Roles[TufRole.Root].Verify(root.File, TufRole.Root);
        return new TrustedMetadata(root);
    }

    /// <summary>True from the moment of expiry on (TUF 5.4.4: the expiry must lie after the reference).</summary>
    public bool IsStale(DateTimeOffset expires, DateTimeOffset localClock) => IsPast(expires, SignedAt, localClock);

    /// <summary>As <see cref="IsStale"/>, of metadata whose timestamp was signed at <paramref name="signedAt"/>.</summary>
    public static bool IsPast(DateTimeOffset expires, DateTimeOffset signedAt, DateTimeOffset localClock) => expires <= (localClock > signedAt ? localClock : signedAt);

    /// <summary>TUF 5.3.4 to 5.3.7: the next root, signed by the old threshold and by its own; its version is one higher.</summary>
    /// <returns>True when the keys of timestamp or snapshot changed: both are forgotten (5.3.11), so that a version that an attacker drove up is no hindrance.</returns>
    public bool AcceptRoot(ReadOnlyMemory<byte> bytes, string document)
    {
        var file = MetadataFile.Parse(bytes, TufLimits.RootBytes, document);
        Root.Roles[TufRole.Root].Verify(file, TufRole.Root);
        var next = RootMetadata.Parse(file);
        next.Roles[TufRole.Root].Verify(next.File, TufRole.Root);
        if (next.Version != Root.Version + 1)
            throw new ProtocolException(ProtocolError.Rollback, $"{document} is version {next.Version} of the root; {Root.Version + 1} is expected.", document);
        var rotated = !next.Roles[TufRole.Timestamp].Same(Root.Roles[TufRole.Timestamp]) || !next.Roles[TufRole.Snapshot].Same(Root.Roles[TufRole.Snapshot]);
        var targetsRotated = !next.Roles[TufRole.Targets].Same(Root.Roles[TufRole.Targets]);
        Root = next;
        if (rotated)
        {
            Timestamp = null;
            Snapshot = null;
        }
        if (rotated || targetsRotated)
        {
            Targets = null;
            _delegated.Clear();
        }
        return rotated;
    }

    /// <summary>TUF 5.4.2 and 5.4.3.</summary>
    /// <returns>False for the version that is trusted already: it is dropped and the trusted one stays.</returns>
    public bool AcceptTimestamp(ReadOnlyMemory<byte> bytes, string document)
    {
        var file = MetadataFile.Parse(bytes, TufLimits.TimestampBytes, document);
        Root.Roles[TufRole.Timestamp].Verify(file, TufRole.Timestamp);
        var next = TimestampMetadata.Parse(file);
        if (Timestamp is not null)
        {
            if (next.Version == Timestamp.Version)
                return false;
            NotBelow(next.Version, Timestamp.Version, document, TufRole.Timestamp);
            NotBelow(next.Snapshot.Version, Timestamp.Snapshot.Version, document, TufRole.Snapshot);
            if (HasSnapshot && next.Snapshot.Version == Snapshot!.Version)
                MetadataFile.CheckAgainst(next.Snapshot, Snapshot.File.Bytes.Span, Snapshot.File.Document);
        }
        Timestamp = next;
        if (!HasSnapshot)
        {
            Targets = null;
            _delegated.Clear();
        }
        return true;
    }

    /// <summary>TUF 5.5.2 to 5.5.5: as the timestamp says, and no targets role goes back or vanishes.</summary>
    public void AcceptSnapshot(ReadOnlyMemory<byte> bytes, string document)
    {
        var expected = Timestamp?.Snapshot ?? throw new InvalidOperationException("The timestamp comes before the snapshot.");
        MetadataFile.CheckAgainst(expected, bytes.Span, document);
        var next = VerifySnapshot(bytes, document);
        Fits(next.Version, expected.Version, document, TufRole.Snapshot);
        foreach (var (role, entry) in Snapshot?.Roles ?? SnapshotMetadata.NoRoles)
        {
            if (!next.Roles.TryGetValue(role, out var now))
                throw new ProtocolException(ProtocolError.Rollback, $"{document} no longer lists role {role}.", document);
            NotBelow(now.Version, entry.Version, document, role);
        }
        Snapshot = next;
        Targets = null;
        _delegated.Clear();
    }

    /// <summary>A snapshot that was trusted earlier and may be older than the timestamp says: the measure for a rollback.</summary>
    public void RestoreSnapshot(ReadOnlyMemory<byte> bytes, string document)
    {
        var next = VerifySnapshot(bytes, document);
        if (Timestamp is { } timestamp)
        {
            // Newer than the timestamp cannot have been trusted; the same version with other content neither.
            NotBelow(timestamp.Snapshot.Version, next.Version, document, TufRole.Snapshot);
            if (next.Version == timestamp.Snapshot.Version)
                MetadataFile.CheckAgainst(timestamp.Snapshot, bytes.Span, document);
        }
        Snapshot = next;
    }

    /// <summary>TUF 5.6.2 to 5.6.4 for the top-level targets role and for every delegated one.</summary>
    /// <param name="delegator">Root for <c>targets</c>; else a role accepted before, which names <paramref name="role"/>.</param>
    public TargetsMetadata AcceptTargets(string role, string delegator, ReadOnlyMemory<byte> bytes, string document)
    {
        var expected = Listed(role);
        MetadataFile.CheckAgainst(expected, bytes.Span, document);
        var file = MetadataFile.Parse(bytes, TufLimits.TargetsBytes, document);
        var top = role is TufRole.Targets;
        var keys = top ? Root.Roles[TufRole.Targets] : Find(delegator)?.Delegations?.KeysOf(role);
        (keys ?? throw new InvalidOperationException($"{delegator} does not delegate to {role}.")).Verify(file, role);
        var next = TargetsMetadata.Parse(file);
        Fits(next.Version, expected.Version, document, role);
        if (top)
            Targets = next;
        else
            _delegated[(role, delegator)] = next;
        return next;
    }

    /// <summary>A role accepted before from this delegator.</summary>
    public TargetsMetadata? Accepted(string role, string delegator) => role is TufRole.Targets ? Targets : _delegated.GetValueOrDefault((role, delegator));

    /// <summary>What the snapshot says of a role.</summary>
    /// <exception cref="ProtocolException"><see cref="ProtocolError.Missing"/>.</exception>
    public MetaEntry Listed(string role)
    {
        if (!HasSnapshot)
            throw new InvalidOperationException("The snapshot comes before the targets.");
        return Snapshot!.Roles.TryGetValue(role, out var entry)
            ? entry
            : throw new ProtocolException(ProtocolError.Missing, $"{Snapshot.File.Document} does not list role {role}.", Snapshot.File.Document);
    }

    private TargetsMetadata? Find(string role) =>
        role is TufRole.Targets ? Targets : _delegated.FirstOrDefault(entry => string.Equals(entry.Key.Role, role, StringComparison.Ordinal)).Value;

    private SnapshotMetadata VerifySnapshot(ReadOnlyMemory<byte> bytes, string document)
    {
        var file = MetadataFile.Parse(bytes, TufLimits.SnapshotBytes, document);
        Root.Roles[TufRole.Snapshot].Verify(file, TufRole.Snapshot);
        return SnapshotMetadata.Parse(file);
    }

    private static void NotBelow(long version, long trusted, string document, string role)
    {
        if (version < trusted)
            throw new ProtocolException(ProtocolError.Rollback, $"{document} goes back to version {version} of role {role}; {trusted} is trusted already.", document);
    }

    private static void Fits(long version, long expected, string document, string role)
    {
        if (version != expected)
            throw new ProtocolException(ProtocolError.Rollback, $"{document} is version {version} of role {role}; signed metadata lists {expected}.", document);
    }
}
