namespace Capstan.Protocol.Content;

/// <summary>The numbers of format version 1 (docs/protocol.md, ADR 16). Each is part of the format: a reader refuses what goes beyond.</summary>
public static class ContentFormat
{
    /// <summary>Shortest chunk but the last of a file: 4 KiB.</summary>
    public const int MinChunkBytes = 4 << 10;

    /// <summary>Where a cut becomes 16 times as likely: 16 KiB, close to the mean length.</summary>
    public const int NormalChunkBytes = 16 << 10;

    /// <summary>Longest chunk: 64 KiB.</summary>
    public const int MaxChunkBytes = 64 << 10;

    /// <summary>A writer closes a pack once it is this long: 16 MB.</summary>
    public const int FullPackBytes = 16_000_000;

    /// <summary>A writer closes a pack once it has so many chunks, however short: 20,000. What a writer keeps in memory of a pack has a limit by it; a reader does not ask.</summary>
    public const int FullPackChunks = 20_000;

    /// <summary>No pack is longer: 64 MB.</summary>
    public const int MaxPackBytes = 64_000_000;

    /// <summary>Longest line of a tree without its newline: 128 KiB.</summary>
    public const int MaxLineBytes = 128 << 10;

    /// <summary>Most chunks of one line.</summary>
    public const int MaxChunksOfLine = 1_000;

    /// <summary>Longest path of an entry, in bytes of UTF-8.</summary>
    public const int MaxPathBytes = 4_096;

    /// <summary>Longest segment of a path, in bytes of UTF-8.</summary>
    public const int MaxSegmentBytes = 255;

    /// <summary>Most entries of a tree.</summary>
    public const int MaxEntries = 1_000_000;

    /// <summary>Most chunks that a manifest names for its tree: with chunks of usual length a tree of about 70 MB, 200,000 files or 15 GB of content.</summary>
    public const int MaxTreeChunks = 5_000;

    /// <summary>Most extents in which those chunks lie, so that a manifest of that many chunks keeps within its 512 KiB. A writer whose tree would have more stores it anew, in one piece.</summary>
    public const int MaxTreeExtents = 1_000;

    /// <summary>Largest file and largest version: 16 TiB. Keeps every sum within a signed 64-bit number.</summary>
    public const long MaxContentBytes = 1L << 44;

    /// <summary>Permission bits of owner, group and others; others (set-id, sticky) are not carried.</summary>
    public const int ModeMask = 0b111_111_111;
}
