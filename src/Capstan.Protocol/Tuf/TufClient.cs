using System.Security.Cryptography;

namespace Capstan.Protocol.Tuf;

/// <summary>The complete client workflow of TUF 1.0 section 5 over an <see cref="ITufSource"/>. Not thread-safe: one run at a time.</summary>
/// <remarks>
/// The shell around <see cref="TrustedMetadata"/>, which decides. Its own part is the order of reads and saves:
/// a verified root is saved at once (so a revoked key stays revoked whatever comes next; before it, timestamp and snapshot are deleted if their keys changed),
/// and timestamp, snapshot and targets are saved only when all three are verified, in this order. So a torn CAP changes nothing, and a crash between two saves
/// leaves a newer timestamp with older companions, which the next run completes.
/// <para>Trusted metadata in the store that no longer verifies (its keys changed, the disk lied) counts as absent, except the root.</para>
/// </remarks>
/// <param name="memory">What earlier objects on the same store have verified; null for nothing. Only for a store that nobody else writes.</param>
public sealed class TufClient(ITufSource source, ITrustStore store, TimeProvider time, TufMemory? memory = null)
{
    private TrustedMetadata? _trusted;

    /// <summary>Version of the root that the last successful refresh ended with; 0 before.</summary>
    public int RootVersion => (int)(_trusted?.Root.Version ?? 0);

    /// <summary>Trusts the root with this hash and version, read from the source (enrolment). No effect when a root is trusted already.</summary>
    /// <param name="rootHash">SHA-256 of the whole file in hexadecimal.</param>
    /// <exception cref="ProtocolException"/>
    public async ValueTask TrustRootAsync(string rootHash, int rootVersion, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(rootHash);
        ArgumentOutOfRangeException.ThrowIfLessThan(rootVersion, 1);
        if (await store.LoadAsync(TufRole.Root, cancellationToken) is not null)
            return;
        var path = TufRole.File(TufRole.Root, rootVersion);
        var bytes = await ReadRequiredAsync(path, TufLimits.RootBytes, cancellationToken);
        if (!string.Equals(Convert.ToHexStringLower(SHA256.HashData(bytes)), rootHash, StringComparison.OrdinalIgnoreCase))
            throw new ProtocolException(ProtocolError.BadHash, $"{path} is not the root that the enrolment token names; the token is of another site, or the CAP was altered.", path);
        var root = TrustedMetadata.Begin(bytes, path).Root;
        if (root.Version != rootVersion)
            throw new ProtocolException(ProtocolError.Malformed, $"{path} is version {root.Version} of the root.", path);
        await store.SaveAsync(TufRole.Root, bytes, cancellationToken);
    }

    /// <summary>The idle poll: reads timestamp.json only; runs the complete workflow when it changed or did not verify, or when <paramref name="complete"/> is set.</summary>
    /// <returns><see cref="TufState.Stale"/> has precedence over the other states; what is stale was verified and saved all the same.</returns>
    /// <exception cref="ProtocolException">The trusted metadata stays as it was, except that verified new roots are kept.</exception>
    public async ValueTask<TufUpdate> RefreshAsync(bool complete, CancellationToken cancellationToken)
    {
        byte[]? pointer = null;
        if (!complete)
        {
            pointer = await source.ReadAsync(TufRole.TimestampFile, TufLimits.TimestampBytes, cancellationToken);
            if (pointer is not null && memory?.Recall(pointer, time.GetUtcNow()) is { } known)
                return known;
        }
        // Whatever the following does to the store, it says itself again when it has verified.
        memory?.Forget();
        var trusted = await LoadAsync(cancellationToken);
        if (!complete)
        {
            if (trusted.IsComplete && pointer is not null && trusted.Timestamp!.File.Bytes.Span.SequenceEqual(pointer))
                return Result(trusted, TufState.Unchanged);
        }

        var newRoot = await WalkRootsAsync(trusted, cancellationToken);
        // A pointer read before the new root may be older than it.
        if (pointer is null || newRoot)
            pointer = await ReadRequiredAsync(TufRole.TimestampFile, TufLimits.TimestampBytes, cancellationToken);
        var newTimestamp = trusted.AcceptTimestamp(pointer, TufRole.TimestampFile);

        byte[]? snapshot = null;
        if (!trusted.HasSnapshot)
        {
            var listed = trusted.Timestamp!.Snapshot;
            var path = TufRole.File(TufRole.Snapshot, listed.Version);
            snapshot = await ReadRequiredAsync(path, Limit(listed, TufLimits.SnapshotBytes), cancellationToken);
            trusted.AcceptSnapshot(snapshot, path);
        }
        byte[]? targets = null;
        if (trusted.Targets is null && !await TryRestoreAsync(trusted, TufRole.Targets, TufRole.Root, cancellationToken))
        {
            var listed = trusted.Listed(TufRole.Targets);
            var path = TufRole.File(TufRole.Targets, listed.Version);
            targets = await ReadRequiredAsync(path, Limit(listed, TufLimits.TargetsBytes), cancellationToken);
            trusted.AcceptTargets(TufRole.Targets, TufRole.Root, targets, path);
        }

        if (newTimestamp)
            await store.SaveAsync(TufRole.Timestamp, trusted.Timestamp!.File.Bytes, cancellationToken);
        if (snapshot is not null)
            await store.SaveAsync(TufRole.Snapshot, snapshot, cancellationToken);
        if (targets is not null)
            await store.SaveAsync(TufRole.Targets, targets, cancellationToken);
        return Result(trusted, newRoot || newTimestamp || snapshot is not null || targets is not null ? TufState.Updated : TufState.Unchanged);
    }

    /// <summary>A target's verified bytes; null when no trusted role lists it. Delegated roles are read as needed and verified.</summary>
    /// <remarks>Works on stale metadata too: <see cref="TufUpdate.State"/> and <see cref="TufTarget.IsStale"/> tell the caller, who decides.</remarks>
    /// <param name="targetPath">For example <c>site/site.json</c>.</param>
    /// <param name="maxBytes">Refused above this, before reading.</param>
    /// <exception cref="ProtocolException"/>
    public async ValueTask<TufTarget?> ReadTargetAsync(string targetPath, long maxBytes, CancellationToken cancellationToken)
    {
        if (await LocateTargetAsync(targetPath, cancellationToken) is not { } found)
            return null;
        if (found.LengthBytes > maxBytes)
            throw new ProtocolException(ProtocolError.TooLarge, $"{targetPath} has {found.LengthBytes} bytes; at most {maxBytes} are read.", found.File);
        var content = await ReadRequiredAsync(found.File, found.LengthBytes, cancellationToken);
        MetadataFile.CheckAgainst(new MetaEntry(found.RoleVersion, found.LengthBytes, found.Sha256), content, found.File);
        return new TufTarget(targetPath, content, found.RoleVersion, found.Sha256) { IsStale = found.IsStale };
    }

    /// <summary>Where a target lies and what verified metadata says of it, for one that is too large to be read at once; null when no trusted role lists it.</summary>
    /// <remarks>The caller reads it, and must compare length and hash before anything is done with the content.</remarks>
    /// <exception cref="ProtocolException"/>
    public async ValueTask<TufLocation?> LocateTargetAsync(string targetPath, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(targetPath);
        var trusted = _trusted ??= await LoadAsync(cancellationToken);
        if (!trusted.IsComplete)
            throw new ProtocolException(ProtocolError.Missing, "There is no complete trusted metadata yet; the next successful poll brings it.", TufRole.TimestampFile);
        return await FindAsync(trusted, targetPath, cancellationToken) is var (role, entry, expires)
            ? new TufLocation(TufRole.TargetFile(targetPath, entry.Sha256), entry.Length, entry.Sha256, role.Version) { IsStale = trusted.IsStale(expires, time.GetUtcNow()) }
            : null;
    }

    /// <summary>Every target that a role lists which the top-level targets delegate to, and those of its bins: each with its hash. All of them are verified.</summary>
    /// <remarks>Reads every bin: for a site that looks for what it has forgotten, not for clients.</remarks>
    /// <param name="role">For example <c>policy</c>.</param>
    /// <exception cref="ProtocolException"/>
    public async ValueTask<IReadOnlyList<(string Path, string Sha256)>> ListTargetsAsync(string role, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(role);
        var trusted = _trusted ??= await LoadAsync(cancellationToken);
        if (trusted.Targets?.Delegations?.KeysOf(role) is null)
            throw new ProtocolException(ProtocolError.Missing, $"The trusted targets do not delegate to {role}.", role);
        var top = await RoleAsync(trusted, role, TufRole.Targets, cancellationToken);
        var targets = new List<(string, string)>(top.Targets.Select(target => (target.Key, target.Value.Sha256)));
        if (top.Delegations?.Bins is { } bins)
        {
            for (var bin = 0U; bin < 1UL << bins.BitLength; bin++)
            {
                var listed = await RoleAsync(trusted, SuccinctRoles.Name(bin, bins.BitLength, bins.NamePrefix), role, cancellationToken);
                targets.AddRange(listed.Targets.Where(target => bins.NameFor(target.Key) == SuccinctRoles.Name(bin, bins.BitLength, bins.NamePrefix))
                    .Select(target => (target.Key, target.Value.Sha256)));
            }
        }
        return targets;
    }

    /// <summary>TUF 5.6.7: depth first, in the order of trust, each role once, at most <see cref="TufLimits.Delegations"/> of them.</summary>
    private async ValueTask<(TargetsMetadata Role, TargetEntry Entry, DateTimeOffset Expires)?> FindAsync(
        TrustedMetadata trusted, string targetPath, CancellationToken cancellationToken)
    {
        var visited = new HashSet<string>(StringComparer.Ordinal);
        var toVisit = new Stack<(string Role, string Delegator, DateTimeOffset Expires)>();
        toVisit.Push((TufRole.Targets, TufRole.Root, trusted.Expires));
        while (visited.Count < TufLimits.Delegations && toVisit.TryPop(out var next))
        {
            if (!visited.Add(next.Role))
                continue;
            var role = await RoleAsync(trusted, next.Role, next.Delegator, cancellationToken);
            var expires = role.Expires < next.Expires ? role.Expires : next.Expires;
            if (role.Targets.TryGetValue(targetPath, out var entry))
                return (role, entry, expires);

            var children = new List<(string Role, string Delegator, DateTimeOffset Expires)>();
            foreach (var (name, terminating) in role.Delegations?.For(targetPath) ?? [])
            {
                children.Add((name, next.Role, expires));
                if (terminating)
                {
                    toVisit.Clear();
                    break;
                }
            }
            for (var i = children.Count - 1; i >= 0; i--)
                toVisit.Push(children[i]);
        }
        return null;
    }

    private async ValueTask<TargetsMetadata> RoleAsync(TrustedMetadata trusted, string role, string delegator, CancellationToken cancellationToken)
    {
        if (trusted.Accepted(role, delegator) is { } accepted)
            return accepted;
        if (await TryRestoreAsync(trusted, role, delegator, cancellationToken))
            return trusted.Accepted(role, delegator)!;
        var listed = trusted.Listed(role);
        var path = TufRole.File(role, listed.Version);
        var bytes = await ReadRequiredAsync(path, Limit(listed, TufLimits.TargetsBytes), cancellationToken);
        var verified = trusted.AcceptTargets(role, delegator, bytes, path);
        await store.SaveAsync(role, bytes, cancellationToken);
        return verified;
    }

    /// <summary>TUF 5.3: each next root that is there. Each is saved before the one after it is read.</summary>
    private async ValueTask<bool> WalkRootsAsync(TrustedMetadata trusted, CancellationToken cancellationToken)
    {
        for (var count = 0; count < TufLimits.RootsPerRun; count++)
        {
            var path = TufRole.File(TufRole.Root, trusted.Root.Version + 1);
            if (await source.ReadAsync(path, TufLimits.RootBytes, cancellationToken) is not { } bytes)
                return count > 0;
            var rotated = trusted.AcceptRoot(bytes, path);
            // What was kept from an earlier run belongs to the old keys.
            _trusted = null;
            if (rotated)
            {
                // Before the root is saved: after a crash in between, the same root is found again and nothing of the old keys is left.
                await store.DeleteAsync(TufRole.Timestamp, cancellationToken);
                await store.DeleteAsync(TufRole.Snapshot, cancellationToken);
            }
            await store.SaveAsync(TufRole.Root, bytes, cancellationToken);
        }
        return true;
    }

    private async ValueTask<TrustedMetadata> LoadAsync(CancellationToken cancellationToken)
    {
        var root = await store.LoadAsync(TufRole.Root, cancellationToken)
            ?? throw new ProtocolException(ProtocolError.Missing, "No root is trusted yet: this client is not enrolled.", TufRole.File(TufRole.Root, 1));
        var trusted = TrustedMetadata.Begin(root, "trusted root");
        if (await store.LoadAsync(TufRole.Timestamp, cancellationToken) is { } timestamp)
            Restore(() => trusted.AcceptTimestamp(timestamp, "trusted timestamp"));
        if (await store.LoadAsync(TufRole.Snapshot, cancellationToken) is { } snapshot)
            Restore(() => trusted.RestoreSnapshot(snapshot, "trusted snapshot"));
        if (trusted.HasSnapshot)
            await TryRestoreAsync(trusted, TufRole.Targets, TufRole.Root, cancellationToken);
        return trusted;
    }

    /// <summary>Takes a role from the store when it is the very version that the snapshot lists.</summary>
    private async ValueTask<bool> TryRestoreAsync(TrustedMetadata trusted, string role, string delegator, CancellationToken cancellationToken) =>
        await store.LoadAsync(role, cancellationToken) is { } bytes && Restore(() => trusted.AcceptTargets(role, delegator, bytes, $"trusted {role}"));

    private static bool Restore(Action accept)
    {
        try
        {
            accept();
            return true;
        }
        catch (ProtocolException)
        {
            // An older version, or one by keys that changed: it is read from the CAP again, which says what is wrong if that fails too.
            return false;
        }
    }

    private TufUpdate Result(TrustedMetadata trusted, TufState state)
    {
        _trusted = trusted;
        memory?.Keep(trusted);
        var stale = trusted.IsStale(trusted.Expires, time.GetUtcNow());
        return new TufUpdate(stale ? TufState.Stale : state, trusted.Timestamp!.Version, trusted.SignedAt, trusted.Expires);
    }

    private async ValueTask<byte[]> ReadRequiredAsync(string path, long maxBytes, CancellationToken cancellationToken) =>
        await source.ReadAsync(path, maxBytes, cancellationToken)
        ?? throw new ProtocolException(ProtocolError.Missing, $"{path} is not there, though signed metadata or the format says so.", path);

    private static long Limit(MetaEntry listed, int limit) => Math.Min(listed.Length ?? limit, limit);
}

/// <param name="Content">Verified against length and hash.</param>
/// <param name="RoleVersion">Version of the role that lists it: what a client reports as its policy version.</param>
public sealed record TufTarget(string Path, ReadOnlyMemory<byte> Content, long RoleVersion, string Sha256)
{
    /// <summary>One of the roles on the way to this target, delegated ones included, is past its expiry: no new orders are taken from it.</summary>
    public bool IsStale { get; init; }
}

/// <param name="File">Path on the CAP.</param>
/// <param name="Sha256">Of the file, lower-case hexadecimal.</param>
/// <param name="RoleVersion">Version of the role that lists it.</param>
public sealed record TufLocation(string File, long LengthBytes, string Sha256, long RoleVersion)
{
    /// <summary>As of <see cref="TufTarget"/>.</summary>
    public bool IsStale { get; init; }
}
