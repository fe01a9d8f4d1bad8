using System.Security.Cryptography;

namespace Capstan.Protocol.Tuf;

/// <summary>The publishing side: a pure function from the last state and changed targets to files and the next state. Not thread-safe.</summary>
/// <remarks>
/// State is a document that the site stores; it holds versions, hashes and target lists, no keys.
/// <para>Roles: <c>targets</c> delegates <c>site/*</c>, <c>packages/*</c>, <c>client/*</c> and <c>policy/*</c>; <c>policy</c> delegates to bins
/// (<c>policy-a7</c>) by the hash of the path. All bins exist from the first publish, so that one changed policy rewrites one bin, the snapshot and the timestamp.</para>
/// <para>Versions: <c>max(last + 1, Unix seconds, seen on the CAP + 1)</c>, one number for all roles of a publish, so that a restored site is never taken for
/// a roll-back. Only the root counts 1, 2, 3.</para>
/// </remarks>
public sealed partial class TufRepository
{
    internal const string BinPrefix = TufRole.Policy;

    private readonly TufLifetimes _lifetimes;
    private readonly int _binBits;
    /// <summary>Every root from version 1 on: a new client may begin at any of them.</summary>
    private readonly List<byte[]> _roots;
    private readonly Dictionary<string, RoleState> _roles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _newContent = new(StringComparer.Ordinal);
    private int _publishedRoots;

    private TufRepository(TufLifetimes lifetimes, int binBits, List<byte[]> roots, int publishedRoots)
    {
        _lifetimes = lifetimes;
        _binBits = binBits;
        _roots = roots;
        _publishedRoots = publishedRoots;
        foreach (var role in TufRole.Delegated.Concat(Bins).Append(TufRole.Targets).Append(TufRole.Snapshot).Append(TufRole.Timestamp))
            _roles.Add(role, new RoleState(role));
        CurrentRoot = ParseRoot(_roots[^1]);
    }

    /// <summary>A new repository: signs root version 1 (the only moment besides rotation at which the root key is needed).</summary>
    /// <param name="binBits">Bits of the policy bins, 4 to 12: 8 for up to 20,000 clients, 10 beyond. Fixed for the life of the repository: clients refuse a snapshot that drops a role.</param>
    public static TufRepository Create(TufKeys keys, DateTimeOffset now, int binBits = 8, TufLifetimes? lifetimes = null)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentOutOfRangeException.ThrowIfLessThan(binBits, 4);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(binBits, 12);
        lifetimes ??= new TufLifetimes();
        var root = SignRoot([keys.For(TufRole.Root)], 1, [keys.For(TufRole.Root)], keys, 1, now + lifetimes.Root);
        return new TufRepository(lifetimes, binBits, [root], publishedRoots: 0);
    }

    public int RootVersion => _roots.Count;

    /// <summary>SHA-256 of the current root file, in lower-case hexadecimal.</summary>
    public string RootHash => Convert.ToHexStringLower(SHA256.HashData(_roots[^1]));

    /// <summary>The root key must sign again before this (<see cref="RotateRoot"/>); no publish can renew it.</summary>
    public DateTimeOffset RootExpires => CurrentRoot.Expires;

    /// <summary>Hash of a target as it is published with the next <see cref="Publish"/>; null for one that is not there.</summary>
    /// <exception cref="ArgumentException">No role signs for this path.</exception>
    public string? Sha256Of(string targetPath) => _roles[SignerOf(targetPath)].Targets.GetValueOrDefault(targetPath)?.Sha256;

    /// <summary>True when the current root names this key as one of its own: it can sign the next one.</summary>
    public bool IsRootKey(ECDsa key) => CurrentRoot.Roles[TufRole.Root].Keys.Any(known => string.Equals(known.Id, TufKey.IdOf(key), StringComparison.Ordinal));

    private RootMetadata CurrentRoot { get; set; }

    private IEnumerable<string> Bins => Enumerable.Range(0, 1 << _binBits).Select(bin => SuccinctRoles.Name((uint)bin, _binBits, BinPrefix));

    /// <summary>Adds or replaces a target; it becomes visible with the next <see cref="Publish"/>. The same content again changes nothing.</summary>
    /// <param name="targetPath"><c>&lt;role&gt;/&lt;name&gt;</c> with a role of <see cref="TufRole.Delegated"/> and a name of letters, digits, '-', '_' and '.'.</param>
    /// <param name="content">Not copied: must not change before the files were written.</param>
    /// <returns>False when it was there already.</returns>
    /// <exception cref="ArgumentException">No role signs for this path.</exception>
    public bool SetTarget(string targetPath, ReadOnlyMemory<byte> content)
    {
        var role = _roles[SignerOf(targetPath)];
        var entry = new TargetEntry(content.Length, Convert.ToHexStringLower(SHA256.HashData(content.Span)));
        if (role.Targets.TryGetValue(targetPath, out var old) && old == entry)
            return false;
        role.Targets[targetPath] = entry;
        role.IsDirty = true;
        _newContent[targetPath] = content;
        return true;
    }

    /// <summary>Target paths of a delegated role now, those included that the next <see cref="Publish"/> makes visible.</summary>
    public IReadOnlySet<string> TargetsOf(string role) => _roles[role].Targets.Keys.ToHashSet(StringComparer.Ordinal);

    /// <summary>Removes a target with the next <see cref="Publish"/>. No effect when it is not there.</summary>
    /// <exception cref="ArgumentException">No role signs for this path.</exception>
    public void RemoveTarget(string targetPath)
    {
        var role = _roles[SignerOf(targetPath)];
        if (!role.Targets.Remove(targetPath))
            return;
        role.IsDirty = true;
        _newContent.Remove(targetPath);
    }

    /// <summary>Replaces the root: other root keys, another threshold, other role keys, or only a later expiry. Visible with the next <see cref="Publish"/>,
    /// which must be given the same <paramref name="roleKeys"/> and signs again whatever another key signed.</summary>
    /// <param name="currentRootKeys">At least as many keys of the current root as its threshold says.</param>
    /// <param name="newRootKeys">All sign the new root.</param>
    /// <exception cref="ArgumentException">Too few current keys, or a threshold that the new keys cannot reach.</exception>
    public void RotateRoot(IReadOnlyList<ECDsa> currentRootKeys, IReadOnlyList<ECDsa> newRootKeys, int threshold, TufKeys roleKeys, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(currentRootKeys);
        ArgumentNullException.ThrowIfNull(newRootKeys);
        ArgumentNullException.ThrowIfNull(roleKeys);
        if (threshold < 1 || newRootKeys.DistinctBy(TufKey.IdOf, StringComparer.Ordinal).Count() < threshold)
            throw new ArgumentException($"A threshold of {threshold} cannot be reached with {newRootKeys.Count} root keys.", nameof(threshold));
        var version = RootVersion + 1;
        var bytes = SignRoot(newRootKeys, threshold, [.. currentRootKeys, .. newRootKeys], roleKeys, version, now + _lifetimes.Root);
        // What clients will check is checked here: a root that they refuse would cut all of them off.
        var trusted = TrustedMetadata.Begin(_roots[^1], TufRole.File(TufRole.Root, RootVersion));
        try
        {
            trusted.AcceptRoot(bytes, TufRole.File(TufRole.Root, version));
        }
        catch (ProtocolException exception)
        {
            throw new ArgumentException($"The new root would not be accepted: {exception.Message}", nameof(currentRootKeys), exception);
        }
        _roots.Add(bytes);
        CurrentRoot = trusted.Root;
    }

    /// <summary>Every metadata file of the current state, for a CAP that lost some. Targets are the caller's to add, before these.</summary>
    public IReadOnlyList<TufFile> AllMetadata() =>
    [
        .. Roots(0),
        .. _roles.Values.Where(role => role.Metadata is not null && role.Name is not TufRole.Timestamp).Select(role => role.ToFile()),
        .. _roles[TufRole.Timestamp] is { Metadata: not null } timestamp ? new[] { timestamp.ToFile() } : [],
    ];

    /// <summary>Paths (with hash prefix) of all current targets and metadata: what garbage collection must keep. All roots stay for ever.</summary>
    public IReadOnlySet<string> CurrentFiles() =>
        AllMetadata().Select(file => file.Path)
            .Concat(_roles.Values.SelectMany(role => role.Targets).Select(target => TufRole.TargetFile(target.Key, target.Value.Sha256)))
            .ToHashSet(StringComparer.Ordinal);

    private IEnumerable<TufFile> Roots(int from) =>
        _roots.Skip(from).Select((bytes, index) => new TufFile(TufRole.File(TufRole.Root, from + index + 1), bytes, IsPointer: false));

    private string SignerOf(string targetPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(targetPath);
        var slash = targetPath.IndexOf('/', StringComparison.Ordinal);
        var name = targetPath[(slash + 1)..];
        if (slash < 0 || !TufRole.Delegated.Contains(targetPath[..slash], StringComparer.Ordinal)
            || name.Length is 0 or > 150 || name[0] == '.' || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
        {
            throw new ArgumentException($"No role signs for the target path {targetPath}.", nameof(targetPath));
        }
        return targetPath.StartsWith(TufRole.Policy + "/", StringComparison.Ordinal)
            ? SuccinctRoles.NameFor(targetPath, _binBits, BinPrefix)
            : targetPath[..slash];
    }

    private static byte[] SignRoot(IReadOnlyList<ECDsa> rootKeys, int threshold, IReadOnlyList<ECDsa> signers, TufKeys keys, int version, DateTimeOffset expires) =>
        MetadataWriter.Root(new Dictionary<string, IReadOnlyList<ECDsa>>(StringComparer.Ordinal)
        {
            [TufRole.Root] = rootKeys,
            [TufRole.Snapshot] = [keys.For(TufRole.Snapshot)],
            [TufRole.Targets] = [keys.For(TufRole.Targets)],
            [TufRole.Timestamp] = [keys.For(TufRole.Timestamp)],
        }, threshold, signers, version, expires);

    private static RootMetadata ParseRoot(byte[] bytes) => RootMetadata.Parse(MetadataFile.Parse(bytes, TufLimits.RootBytes, TufRole.Root));

    /// <summary>One role but the root: its targets now, and the metadata last signed.</summary>
    private sealed class RoleState(string name)
    {
        public string Name { get; } = name;

        /// <summary>In canonical order; of <c>targets</c>, snapshot and timestamp always empty.</summary>
        public SortedDictionary<string, TargetEntry> Targets { get; } = new(StringComparer.Ordinal);

        /// <summary>Targets changed since <see cref="Metadata"/>.</summary>
        public bool IsDirty { get; set; }

        /// <summary>Null before the first publish.</summary>
        public SignedMetadata? Metadata { get; set; }

        public long Version => Metadata?.Version ?? 0;

        public bool IsSignedBy(string keyId) => Metadata is not null && Metadata.File.Signatures.ContainsKey(keyId);

        /// <summary>Takes over metadata that was saved.</summary>
        public void Restore(MetadataFile file)
        {
            Metadata = Name switch
            {
                TufRole.Snapshot => SnapshotMetadata.Parse(file),
                TufRole.Timestamp => TimestampMetadata.Parse(file),
                _ => TargetsMetadata.Parse(file),
            };
            foreach (var (path, entry) in (Metadata as TargetsMetadata)?.Targets ?? TargetsMetadata.NoTargets)
                Targets.Add(path, entry);
        }

        public TufFile ToFile() => new(TufRole.File(Name, Version), Metadata!.File.Bytes, IsPointer: Name is TufRole.Timestamp);
    }
}
