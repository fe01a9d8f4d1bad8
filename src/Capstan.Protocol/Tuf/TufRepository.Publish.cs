using System.Text.Json;

namespace Capstan.Protocol.Tuf;

public sealed partial class TufRepository
{
    /// <summary>Signs what changed, or whatever comes near its expiry. Empty when nothing must be written.</summary>
    /// <remarks>
    /// The order of the result is the order of writing: new targets, delegated roles, targets, snapshot, new roots, and the timestamp last, which alone makes
    /// the rest visible. Interrupted anywhere before it, the CAP reads as the old version.
    /// </remarks>
    /// <param name="seenOnCap">The highest version that the CAP verifiably shows (0 when nothing): versions go above it. See <see cref="VerifiedVersionAsync"/>.</param>
    /// <param name="force">Signs a new timestamp even if nothing changed.</param>
    /// <exception cref="ArgumentException">A key is missing, or is not the one that the root names for its role (<see cref="RotateRoot"/> first).</exception>
    public IReadOnlyList<TufFile> Publish(TufKeys keys, DateTimeOffset now, long seenOnCap, bool force = false)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (FirstRefused(keys) is { } refused)
            throw new ArgumentException($"The key given for role {refused} is not the one that root version {RootVersion} names; rotate the root first.", nameof(keys));

        var version = Math.Max(Math.Max(_roles[TufRole.Timestamp].Version, seenOnCap) + 1, now.ToUnixTimeSeconds());
        var timestamp = _roles[TufRole.Timestamp];
        // Clients trust versions of every role that this state does not know: to them, each role that stays as it is would go back.
        var isOvertaken = seenOnCap > timestamp.Version;
        var signed = DueRoles(keys, now, all: isOvertaken);
        var snapshot = _roles[TufRole.Snapshot];
        var snapshotDue = signed.Count > 0 || isOvertaken || IsDue(snapshot, keys, now);
        if (!snapshotDue && !force && _publishedRoots == RootVersion && !IsDue(timestamp, keys, now) && !TimestampIsOld(now))
            return [];

        var files = new List<TufFile>(_newContent.Count + signed.Count + 4);
        foreach (var (path, content) in _newContent)
            files.Add(new TufFile(TufRole.TargetFile(path, _roles[SignerOf(path)].Targets[path].Sha256), content, IsPointer: false));
        foreach (var role in signed)
        {
            role.Metadata = TargetsMetadata.Parse(Read(role.Name, MetadataWriter.Targets(
                keys.For(KeyRole(role.Name)), version, now + _lifetimes.Targets, role.Targets, DelegationsOf(role.Name, keys))));
            files.Add(role.ToFile());
        }
        if (snapshotDue)
        {
            var listed = _roles.Values.Where(role => role.Name is not (TufRole.Snapshot or TufRole.Timestamp)).OrderBy(role => role.Name + ".json", StringComparer.Ordinal);
            snapshot.Metadata = SnapshotMetadata.Parse(Read(TufRole.Snapshot, MetadataWriter.Snapshot(
                keys.For(TufRole.Snapshot), version, now + _lifetimes.Snapshot, listed.Select(role => (role.Name, role.Version)))));
            files.Add(snapshot.ToFile());
        }
        files.AddRange(Roots(_publishedRoots));
        timestamp.Metadata = TimestampMetadata.Parse(Read(TufRole.Timestamp, MetadataWriter.Timestamp(
            keys.For(TufRole.Timestamp), version, now + _lifetimes.Timestamp, now, snapshot.Version, snapshot.Metadata!.File.Bytes.Span)));
        files.Add(timestamp.ToFile());

        _publishedRoots = RootVersion;
        _newContent.Clear();
        foreach (var role in signed)
            role.IsDirty = false;
        return files;
    }

    /// <summary>True when the current root names these keys: what they sign, clients take.</summary>
    public bool Accepts(TufKeys keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return FirstRefused(keys) is null;
    }

    private string? FirstRefused(TufKeys keys) => new[] { TufRole.Targets, TufRole.Snapshot, TufRole.Timestamp }
        .FirstOrDefault(role => !CurrentRoot.Roles[role].Keys.Any(key => string.Equals(key.Id, keys.IdOf(role), StringComparison.Ordinal)));

    /// <summary>Roles with targets or delegations to sign, the top-level one last.</summary>
    private List<RoleState> DueRoles(TufKeys keys, DateTimeOffset now, bool all)
    {
        var due = Bins.Concat(TufRole.Delegated).Select(name => _roles[name]).Where(role => all || IsDue(role, keys, now)).ToList();
        var targets = _roles[TufRole.Targets];
        if (all || IsDue(targets, keys, now) || !TufRole.Delegated.All(Delegates))
            due.Add(targets);
        return due;

        bool Delegates(string role) =>
            ((TargetsMetadata)targets.Metadata!).Delegations!.KeysOf(role)!.Keys.Any(known => string.Equals(known.Id, keys.IdOf(role), StringComparison.Ordinal));
    }

    private bool IsDue(RoleState role, TufKeys keys, DateTimeOffset now) =>
        role.Metadata is null || role.IsDirty || !role.IsSignedBy(keys.IdOf(KeyRole(role.Name))) || _lifetimes.IsDue(role.Name, role.Metadata.Expires, now);

    private bool TimestampIsOld(DateTimeOffset now) =>
        ((TimestampMetadata)_roles[TufRole.Timestamp].Metadata!).SignedAt is not { } signedAt || now - signedAt >= _lifetimes.TimestampRefresh;

    private static MetadataFile Read(string role, byte[] bytes) => MetadataFile.Parse(bytes, TufLimits.For(role), role);

    /// <summary>The bins and the role that delegates to them share one key.</summary>
    private static string KeyRole(string role) => role.StartsWith(BinPrefix + "-", StringComparison.Ordinal) ? TufRole.Policy : role;

    private Action<Utf8JsonWriter>? DelegationsOf(string role, TufKeys keys) => role switch
    {
        TufRole.Targets => writer => MetadataWriter.WriteRoleDelegations(writer, [.. TufRole.Delegated.Select(name => (name, keys.For(name)))]),
        TufRole.Policy => writer => MetadataWriter.WriteBinDelegations(writer, keys.For(TufRole.Policy), _binBits, BinPrefix),
        _ => null,
    };
}
