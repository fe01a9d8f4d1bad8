namespace Capstan.Protocol.Tuf;

/// <summary>What a client reads at most, in bytes, before it parses anything (the defence against endless data), and how far it follows references.</summary>
public static class TufLimits
{
    public const int RootBytes = 512_000;
    public const int TimestampBytes = 16_384;
    public const int SnapshotBytes = 2_000_000;
    /// <summary>The top-level targets role and every delegated role.</summary>
    public const int TargetsBytes = 5_000_000;

    /// <summary>New root versions taken in one run; a longer chain continues with the next run.</summary>
    public const int RootsPerRun = 256;
    /// <summary>Roles visited in the search for one target (TUF 5.6.7).</summary>
    public const int Delegations = 32;
    /// <summary>Nesting of objects and arrays in any metadata.</summary>
    public const int JsonDepth = 32;

    /// <summary>The limit for a role by its name.</summary>
    internal static int For(string role) => role switch
    {
        TufRole.Root => RootBytes,
        TufRole.Timestamp => TimestampBytes,
        TufRole.Snapshot => SnapshotBytes,
        _ => TargetsBytes,
    };
}
