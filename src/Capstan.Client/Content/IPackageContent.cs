namespace Capstan.Client.Content;

/// <summary>The content of package versions on this machine: what is here of it, and how it comes here. Thread-safe; one version is fetched at a time.</summary>
/// <remarks>What decides when a program runs asks for content and knows nothing of CAPs, chunks or leases; what brings it knows nothing of programs.</remarks>
internal interface IPackageContent
{
    /// <summary>What is here of a version, without reading the content itself.</summary>
    ContentPresence Look(PackageKey package);

    /// <summary>Brings a version here completely, each file verified; what is damaged is mended. Holds no lease when it returns. Repeatable: it goes on from what is here.</summary>
    /// <param name="document">The package document, as it was verified. Its values have been checked.</param>
    /// <param name="need">What the transfer is for.</param>
    /// <param name="progress">Told at least once a second while what is here is looked through and while chunks come, and when it ends; from any thread, in order.</param>
    /// <returns>Never faulted for what the storage, the network or this disk did: that is <see cref="ContentOutcome.Waits"/> with its cause.</returns>
    /// <exception cref="OperationCanceledException">With the caller's token only. What was fetched stays.</exception>
    Task<ContentOutcome> EnsureAsync(PackageKey package, ReadOnlyMemory<byte> document, ContentNeed need, IProgress<ContentProgress> progress, CancellationToken cancellationToken);

    /// <summary>Reads a version that is here to its end and compares it with its document: each file, its mode, and that there is nothing else. Needs no CAP.</summary>
    /// <returns>Null when all of it is as it was published; otherwise one line with what is not, for example a path. <see cref="EnsureAsync"/> mends it.</returns>
    Task<string?> VerifyAsync(PackageKey package, ReadOnlyMemory<byte> document, CancellationToken cancellationToken);

    /// <summary>Replaces what the cache must keep, first what is needed first. What is not named may go when room is needed; nothing goes because of this call alone.</summary>
    void Pin(IReadOnlyList<PackageKey> packages);
}

/// <summary>One version of a package.</summary>
/// <param name="Version">From 1.</param>
internal sealed record PackageKey(string PackageId, long Version)
{
    /// <summary>As the cache names it: <c>abcd2345-3</c>.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{PackageId}-{Version}");
}

/// <param name="Directory">Absolute path of the content; null unless all of it is here.</param>
/// <param name="HereBytes">Bytes of files that are here and believed; 0 for none.</param>
/// <param name="TotalBytes">Of the version; 0 while that is not known.</param>
internal sealed record ContentPresence(string? Directory, long HereBytes, long TotalBytes)
{
    public bool IsComplete => Directory is not null;
}

/// <param name="HereBytes">Bytes of files that are here and verified.</param>
/// <param name="TotalBytes">Of the version.</param>
/// <param name="Source">The CAP that is read, for people; null while what is here is looked through.</param>
internal sealed record ContentProgress(long HereBytes, long TotalBytes, string? Source);

/// <param name="IsDue">A program waits for it, past its time: hours and rates that the site set for what has time do not hold it back where the site says so.</param>
/// <param name="Avoid">Not over a link of this speed, or one slower; null for any.</param>
/// <param name="AvoidsUnknown">Not over a link that no read has measured within the last hour, either. Otherwise it is measured by reading.</param>
internal sealed record ContentNeed(bool IsDue, LinkSpeed? Avoid = null, bool AvoidsUnknown = false);

/// <summary>What the reads of content themselves showed of the way to the CAPs. Numbers only grow.</summary>
internal enum LinkSpeed
{
    Unknown = 0,
    Slow = 1,
    Fast = 2,
}

/// <summary>How an attempt to bring content here ended.</summary>
internal abstract record ContentOutcome
{
    private ContentOutcome()
    {
    }

    /// <param name="Directory">Absolute path; complete and verified.</param>
    public sealed record Ready(string Directory) : ContentOutcome;

    /// <param name="Cause">One line: what, where, and what helps; for example a CAP that is full, an hour that is not allowed, a disk without room.</param>
    /// <param name="Pause">How long to leave it; jittered already. More may be here than before.</param>
    public sealed record Waits(string Cause, TimeSpan Pause) : ContentOutcome;

    /// <summary>It cannot be brought here as it is published, wherever it is read: another version or another setting is needed.</summary>
    /// <param name="Cause">One line.</param>
    public sealed record Impossible(string Cause) : ContentOutcome;
}
