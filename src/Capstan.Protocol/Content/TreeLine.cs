namespace Capstan.Protocol.Content;

/// <summary>One line of a tree: a <see cref="TreeEntry"/>, or an <see cref="Extent"/> of the file before it.</summary>
public abstract record TreeLine;

/// <summary>What an entry is. In JSON the name in lower case.</summary>
public enum TreeKind
{
    Directory = 1,
    File = 2,
    /// <summary>A symbolic link that stays inside.</summary>
    Link = 3,
}

/// <summary>One entry of a tree.</summary>
/// <param name="Path">Relative, <c>/</c> between segments (<see cref="TreePath"/>).</param>
/// <param name="Kind">What it is.</param>
/// <param name="Mode">Permission bits, 0 to 0777; of a link 0. In JSON four octal digits.</param>
/// <param name="SizeBytes">Of a file; otherwise 0.</param>
/// <param name="Hash">SHA-256 of a file's content; null otherwise.</param>
/// <param name="Target">Of a link, relative to the link's directory; null otherwise.</param>
public sealed record TreeEntry(string Path, TreeKind Kind, int Mode, long SizeBytes, ContentHash? Hash, string? Target) : TreeLine
{
    public static TreeEntry Directory(string path, int mode) => new(path, TreeKind.Directory, mode, 0, null, null);

    public static TreeEntry File(string path, int mode, long sizeBytes, ContentHash hash) => new(path, TreeKind.File, mode, sizeBytes, hash, null);

    public static TreeEntry Link(string path, string target) => new(path, TreeKind.Link, 0, 0, null, target);

    /// <summary>What is wrong with it on its own; null when nothing is.</summary>
    internal string? Problem() =>
        TreePath.Problem(Path) is { } problem ? problem
        : Mode is < 0 or > ContentFormat.ModeMask ? "a mode has the permission bits 0000 to 0777"
        : SizeBytes is < 0 or > ContentFormat.MaxContentBytes ? $"a file has 0 to {ContentFormat.MaxContentBytes} bytes"
        : Kind is TreeKind.Link ? (Target is null ? "a link has a target" : TreePath.TargetProblem(Path, Target))
        : null;
}

/// <summary>Chunks that lie one after the other in one pack. In a tree they are the next chunks of the file before them.</summary>
/// <param name="Pack">SHA-256 of the pack, which is its name.</param>
/// <param name="OffsetBytes">Of the first chunk in the pack.</param>
/// <param name="Chunks">In their order in the pack and in the file; 1 to <see cref="ContentFormat.MaxChunksOfLine"/> in a tree.</param>
public sealed record Extent(ContentHash Pack, long OffsetBytes, IReadOnlyList<StoredChunk> Chunks) : TreeLine
{
    /// <summary>Bytes in the pack.</summary>
    public long StoredBytes()
    {
        var sum = 0L;
        foreach (var chunk in Chunks)
            sum += chunk.StoredBytes;
        return sum;
    }

    /// <summary>Plain bytes.</summary>
    public long LengthBytes()
    {
        var sum = 0L;
        foreach (var chunk in Chunks)
            sum += chunk.LengthBytes;
        return sum;
    }

    /// <summary>What is wrong with it on its own; null when nothing is.</summary>
    /// <param name="most">Most chunks.</param>
    internal string? Problem(int most)
    {
        if (Chunks.Count < 1 || Chunks.Count > most)
            return $"an extent has 1 to {most} chunks";
        foreach (var chunk in Chunks)
        {
            if (chunk.Problem() is { } problem)
                return problem;
        }
        return OffsetBytes < 0 || OffsetBytes > ContentFormat.MaxPackBytes - StoredBytes() ? $"a pack has at most {ContentFormat.MaxPackBytes} bytes" : null;
    }
}
